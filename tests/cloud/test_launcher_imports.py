"""A launcher command that opens no run imports nothing heavy; sys.modules shows it."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from nst_lightning.cloud.commands import main
try:
    main(sys.argv[1:])
finally:
    heavy = {"torch", "lightning", "sagemaker", "boto3", "moto", "optuna", "PIL", "numpy"}
    print("heavy:", sorted(heavy & set(sys.modules)))
"""


@pytest.mark.parametrize("words", [["--help"], ["launch", "--help"], ["stop", "nobody"]])
def test_nothing_heavy_is_imported(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.strip().splitlines()[-1] == "heavy: []", done.stderr
    assert not done.stderr or done.stderr.startswith("error: there is no launch nobody")
