"""The folder sagemaker/ of this repository never stands in the SDK's place."""

import subprocess
import sys
from pathlib import Path

import pytest

from nst_lightning.cloud.sdk import has_estimator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_estimator(), reason="SageMaker's SDK v2 is not here"),
]

ROOT = Path(__file__).parents[2]


def test_sagemaker_is_the_sdk_even_from_the_root_of_the_repository() -> None:
    program = "import sagemaker.pytorch; print(sagemaker.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    path = Path(done.stdout.strip().splitlines()[-1])
    assert path.name == "__init__.py"
    assert path.parent != ROOT / "sagemaker"
    assert "site-packages" in path.parts
    assert not (ROOT / "sagemaker" / "__init__.py").exists()
