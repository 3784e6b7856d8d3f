"""Every write of a run fails once: one line, exit code 2, and what was there before goes on."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from helpers.painting import arguments, files, paint

from nst_lightning.cli import main

pytestmark = pytest.mark.slow
WORDS = (
    "--images.every_n_steps=2",
    "--checkpoint.every_n_steps=2",
    "--images.film=gif",
    "--checkpoint.optimizer=full",
)


class Failing:
    """Fails the n-th time that a file is to reach the disk; each is written through it."""

    def __init__(self, at: int, code: int, vanishing: Path | None = None) -> None:
        self.at, self.code, self.vanishing, self.calls = at, code, vanishing, 0
        self.real = os.fsync

    def __call__(self, handle: int) -> None:
        self.calls += 1
        if self.calls == self.at:
            if self.vanishing is not None:
                shutil.rmtree(self.vanishing)
            raise OSError(self.code, os.strerror(self.code))
        self.real(handle)


@pytest.fixture(scope="module")
def runs(pictures: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Return where ``first`` and ``whole``, twice as long, are; and how often one writes."""
    root, count = tmp_path_factory.mktemp("runs"), Failing(0, 0)
    paint(root / "whole", pictures, *WORDS, "--trainer.max_epochs=2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", count)
        paint(root / "first", pictures, *WORDS)
    assert count.calls > 6
    return root, count.calls


CODES = (errno.ENOSPC, errno.EACCES, errno.ENOENT)


@pytest.mark.parametrize("code", CODES, ids=lambda code: errno.errorcode[code])
def test_every_write_fails_once(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    runs: tuple[Path, int],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, writes = runs
    # Each error at every third write: together they are at all of them.
    for at in range(1 + CODES.index(code) % 3, writes + 1, 3):
        folder = tmp_path / f"run-{at}"
        shutil.copytree(root / "first", folder)
        words = [*arguments(folder, pictures, *WORDS), "--trainer.max_epochs=2"]
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", Failing(at, code))
            assert main([*words, "--ckpt_path=last"]) == 2
        said = [line for line in capsys.readouterr().err.splitlines() if "note:" not in line]
        assert len(said) == 1
        assert said[0].startswith("error: cannot write")
        assert not [name for name in files(folder) if ".part" in name or ".lock" in name]
        assert main([*words, "--ckpt_path=last"]) == 0
        for name in ("stylized.png", "metrics.csv", "film.gif"):
            assert (folder / name).read_bytes() == (root / "whole" / name).read_bytes(), at


def test_the_folder_vanishes(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "run"
    monkeypatch.setattr(os, "fsync", Failing(3, errno.ENOENT, vanishing=folder))
    assert main(arguments(folder, pictures, *WORDS)) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
