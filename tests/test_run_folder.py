"""What a run folder says, also a bare, a damaged and a foreign one."""

import subprocess
import sys
from pathlib import Path

import pytest

from nst_lightning.errors import InputError
from nst_lightning.run_folder import RunFolder


@pytest.mark.parametrize("name", [".", "nowhere"])
def test_it_may_be_bare_or_missing(tmp_path: Path, name: str) -> None:
    run = RunFolder(tmp_path / name)
    assert run.picture is None
    assert run.checkpoint is None
    assert run.config == {}
    assert run.config_text == ""
    assert run.curves == {}


def test_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in ("stylized.tiff", "checkpoints/last.ckpt"):
        (tmp_path / name).write_bytes(b"")
    # Left by a killed process.
    (tmp_path / ".stylized.0123456789ab.part.png").write_bytes(b"")
    (tmp_path / "config.yaml").write_text("data:\n  size: 64\n", encoding="utf-8")
    run = RunFolder(tmp_path)
    assert run.picture == tmp_path / "stylized.tiff"
    assert run.checkpoint == tmp_path / "checkpoints" / "last.ckpt"
    assert run.config == {"data": {"size": 64}}
    assert run.config_text == "data:\n  size: 64\n"


def test_files_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("data: {}")
    run = RunFolder(tmp_path)
    assert run.config == {"data": {}}
    (tmp_path / "config.yaml").unlink()
    assert run.config == {"data": {}}
    assert RunFolder(tmp_path).config == {}


def test_only_finite_losses_are_curves(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,style_loss,loss,x\n0,1,3.5,2\n1,,nan,\nq,1,1,1\n")
    assert list(RunFolder(tmp_path).curves.items()) == [("loss", [(0, 3.5)]), ("style", [(0, 1.0)])]


@pytest.mark.parametrize(
    "text", [b"[1, 2]", b"data: 3", b"x: 1", b"{", b"\xff\xfe", b"a\n:b: c: d"]
)
def test_another_config_is_named_in_one_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "config.yaml").write_bytes(text)
    with pytest.raises(
        InputError, match=r"config\.yaml is not the configuration of a run"
    ) as error:
        _ = RunFolder(tmp_path).config
    assert "\n" not in str(error.value)


def test_it_needs_no_torch() -> None:
    code = (
        "import sys, nst_lightning.run_folder;"
        "assert not {'torch', 'lightning', 'numpy', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
