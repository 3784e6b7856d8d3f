"""Checkpoints are written whole or not at all; what is not one is refused by name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import disks

from nst_lightning.checkpoint_io import WholeCheckpointIO, checkpoint_settings
from nst_lightning.errors import InputError

GOOD = {"state_dict": {"image": torch.zeros(1, 3, 4, 4)}, "nst_lightning": {"settings": {"a": 1}}}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "last.ckpt"
    WholeCheckpointIO().save_checkpoint(GOOD, path)
    loaded = WholeCheckpointIO().load_checkpoint(path)
    assert torch.equal(loaded["state_dict"]["image"], GOOD["state_dict"]["image"])  # type: ignore[arg-type]
    assert checkpoint_settings(path) == {"a": 1}
    assert names(path.parent) == ["last.ckpt"]


@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_a_save_that_fails_half_way_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "last.ckpt"
    WholeCheckpointIO().save_checkpoint(GOOD, path)
    before = path.read_bytes()

    def half(checkpoint: Any, part: Path) -> None:
        part.write_bytes(before[: len(before) // 2])
        raise error

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(InputError if isinstance(error, OSError) else KeyboardInterrupt):
        WholeCheckpointIO().save_checkpoint({"other": 1}, path)
    assert path.read_bytes() == before
    assert names(tmp_path) == ["last.ckpt"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 256 KiB."""
    with disks.small_disk(tmp_path / "disk", 256) as folder:
        yield folder


@pytest.mark.parametrize("values", [2**16, 2**20])
def test_a_full_disk_is_told_in_one_line(small_disk: Path, values: int) -> None:
    path = small_disk / "last.ckpt"
    WholeCheckpointIO().save_checkpoint(GOOD, path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"cannot write .*last\.ckpt: the disk is full"):
        WholeCheckpointIO().save_checkpoint({"big": torch.zeros(values)}, path)
    assert path.read_bytes() == before
    assert names(small_disk) == ["last.ckpt"]


def _write(kind: str, path: Path) -> None:
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("not a checkpoint\n")
    elif kind == "truncated":
        torch.save(GOOD, path)
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "tensor":
        torch.save(torch.zeros(3), path)
    elif kind == "list":
        torch.save([1, 2], path)
    elif kind == "none":
        torch.save(None, path)
    elif kind == "foreign":
        torch.save({"state_dict": {}, "epoch": 3}, path)
    elif kind == "settings_missing":
        torch.save({"nst_lightning": {}}, path)
    elif kind == "settings_no_mapping":
        torch.save({"nst_lightning": {"settings": 3}}, path)
    elif kind == "legacy":
        torch.save({"state_dict": {}}, path, _use_new_zipfile_serialization=False)
    elif kind == "objects":
        torch.save({"nst_lightning": {"settings": Path("x")}}, path)
    elif kind == "folder":
        path.mkdir()


@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        "text",
        "truncated",
        "tensor",
        "list",
        "none",
        "foreign",
        "missing",
        "folder",
        "settings_missing",
        "settings_no_mapping",
        "legacy",
        "objects",
    ],
)
def test_what_is_no_checkpoint_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "other.ckpt"
    _write(kind, path)
    with pytest.raises(InputError, match=r"--ckpt_path: .*other\.ckpt is not a whole checkpoint"):
        checkpoint_settings(path)
