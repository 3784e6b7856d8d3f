"""A run folder belongs to one run at a time, and holds nothing of an older one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.painting import KillAt, Killed, arguments, files, logged, paint, small_run

from nst_lightning.cli import main
from nst_lightning.errors import InputError
from nst_lightning.files import atomic_write, local_path
from nst_lightning.run_folder import LOCK, forget_older_run, occupied
from nst_lightning.session import open_run

pytestmark = pytest.mark.slow
NOISE = "--data.init=noise"


def same_files(one: Path, other: Path) -> None:
    assert files(one) == files(other)
    for name in files(one):
        if name.endswith((".png", ".csv", ".gif")):
            assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("killed_at", [1, 3, 5])
@pytest.mark.parametrize("older", [(), ("--images.format=jpg",), ("--images.film=gif",)])
def test_killed_in_a_used_folder_and_gone_on_with(
    tmp_path: Path, pictures: tuple[Path, Path], killed_at: int, older: tuple[str, ...]
) -> None:
    every = ("--images.every_n_steps=2", "--checkpoint.every_n_steps=2")
    paint(tmp_path / "used", pictures, NOISE, *every, *older, steps=9)
    with pytest.raises(Killed):
        paint(tmp_path / "used", pictures, *every, callbacks=[KillAt(killed_at)])
    left = files(tmp_path / "used")
    assert not [name for name in left if name.endswith((".jpg", ".gif")) or "00008" in name]
    paint(tmp_path / "used", pictures, *every, "--ckpt_path=last")
    paint(tmp_path / "new", pictures, *every)
    same_files(tmp_path / "used", tmp_path / "new")


def test_a_refused_run_loses_nothing(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    paint(tmp_path, pictures)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    assert main(arguments(tmp_path, (tmp_path / "missing.png", pictures[1]))) == 2
    assert main(arguments(tmp_path, pictures, "--model.style.layers=[relu9_1]")) == 2
    assert main(arguments(tmp_path, pictures, "--data.scales=[{size: 16, steps: 99}]")) == 2
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


def test_what_a_killed_process_was_writing_goes_where_this_one_alone_writes(tmp_path: Path) -> None:
    name = ".plane.0123456789ab.part.svg"
    for folder in (".", "report", "report/figures", "runs/other"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_text("<svg")
    with occupied(tmp_path, "report/**"):
        left = [path.parent.name for path in tmp_path.rglob(name)]
    assert left == ["other"]


HOLDER = """
import sys, time
from pathlib import Path
from nst_lightning.run_folder import occupied
with occupied(Path(sys.argv[1])):
    print("there", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Any:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_the_second_run_in_a_folder_is_refused(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    holder: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "run")
    for folder in (tmp_path / "run", link, tmp_path / "nowhere" / ".." / "run"):
        (tmp_path / "nowhere").mkdir(exist_ok=True)
        assert main(arguments(folder, pictures)) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert f"another run is at it (process {holder.pid})" in error
    assert files(tmp_path / "run") == [LOCK]
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert files(tmp_path / "run") == [LOCK]  # stale: nobody has it
    paint(tmp_path / "run", pictures, steps=1)
    assert LOCK not in files(tmp_path / "run")


def test_two_sessions_of_one_process(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    with occupied(tmp_path / "run"), pytest.raises(InputError, match=f"process {os.getpid()}"):
        open_run(small_run(tmp_path / "run", pictures, 1)).run()
    assert not (tmp_path / "run").exists()


def test_nothing_is_left_where_nothing_was_written(tmp_path: Path) -> None:
    with occupied(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / LOCK).read_text() == str(os.getpid())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: (folder / "stylized.png").mkdir(parents=True),
        lambda folder: (folder / "config.yaml").mkdir(parents=True),
        lambda folder: (folder / "metrics.csv").mkdir(parents=True),
        lambda folder: (folder / "checkpoints" / "last.ckpt").mkdir(parents=True),
        lambda folder: (folder.mkdir(), (folder / "checkpoints").touch()),
        lambda folder: (folder.mkdir(), (folder / "images").touch()),
        lambda folder: (folder.mkdir(), (folder / "images").symlink_to("nowhere")),
        lambda folder: (folder.mkdir(), (folder / "checkpoints").symlink_to("nowhere")),
        lambda folder: folder.touch(),
    ],
)
def test_what_is_in_the_way_is_found_before_the_first_step(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    make: Callable[[Path], Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    assert main(arguments(tmp_path / "run", pictures)) == 2
    said = capsys.readouterr()
    assert "in the way" in said.err or "is a file, not a folder" in said.err
    assert len(said.err.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_in_the_place_of_a_file_is_kept(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    kept = tmp_path / "kept.png"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "stylized.png").symlink_to(kept)
    paint(tmp_path / "run", pictures, steps=1)
    assert (tmp_path / "run" / "stylized.png").is_symlink()
    assert kept.read_bytes()[1:4] == b"PNG"
    with atomic_write(tmp_path / "run" / "stylized.png") as part:
        part.write_bytes(b"new")
    assert kept.read_bytes() == b"new"
    forget_older_run(tmp_path / "run")
    assert not kept.exists()


ADDRESSES = ("s3://bucket/run", "file:///tmp/run", "gs://b/r", "https://a.org/x", "memory://x")


@pytest.mark.parametrize("address", [*ADDRESSES, "", " ", "~nobody-of-this-name/run"])
@pytest.mark.parametrize("door", ["fit", "compare", "grid"])
def test_an_address_is_no_folder(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    door: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = {
        "fit": [*arguments(tmp_path / "x", pictures), f"--trainer.default_root_dir={address}"],
        "compare": ["compare", "--contents", "sample:cat", "--styles", "sample:klimt"],
        "grid": ["grid", "--config", "strength"],
    }[door]
    if door != "fit":
        if door == "grid" and not address:
            return  # as if left out
        words.append(f"--out={address}")
    assert main(words) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_tilde_is_expanded_once(
    tmp_path: Path, pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    words = [*arguments(home, pictures, steps=2), "--trainer.default_root_dir=~/out"]
    assert main(words) == 0
    assert main([*words, "--ckpt_path=last", "--trainer.max_epochs=2"]) == 0
    assert main([*words, "--ckpt_path=~/out/checkpoints/last.ckpt", "--trainer.max_epochs=3"]) == 0
    assert files(here) == []
    assert {"config.yaml", "metrics.csv", "stylized.png"} <= set(files(home / "out"))
    assert [row["step"] for row in logged(home / "out")] == [str(step) for step in range(6)]
    assert local_path("~/x") == home / "x"


@pytest.mark.parametrize("older", [False, True])
def test_tensorboard_has_every_step_once(
    tmp_path: Path, pictures: tuple[Path, Path], older: bool
) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    words = ("--tensorboard=true", "--checkpoint.every_n_steps=2")
    if older:
        paint(tmp_path, pictures, *words, steps=9)
    with pytest.raises(Killed):
        paint(tmp_path, pictures, *words, callbacks=[KillAt(5)])
    time.sleep(1.1)  # event files are told apart by the second
    paint(tmp_path, pictures, *words, "--ckpt_path=last")
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == list(range(6))


@pytest.mark.parametrize("more", [(), ("--images.format=jpg",)])
def test_a_finished_run_whose_picture_is_gone_writes_it_again(
    tmp_path: Path, pictures: tuple[Path, Path], more: tuple[str, ...]
) -> None:
    paint(tmp_path, pictures)
    result = (tmp_path / "stylized.png").read_bytes()
    (tmp_path / "stylized.png").unlink()
    paint(tmp_path, pictures, "--ckpt_path=last", *more)
    found = sorted(path.name for path in tmp_path.glob("stylized.*"))
    assert found == ["stylized.jpg" if more else "stylized.png"]
    assert more or (tmp_path / "stylized.png").read_bytes() == result
