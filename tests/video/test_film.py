"""A whole film: steady, in the painting's style, and the same after a kill.

``FRAMES=24`` paints the long clip that the documentation's numbers are of; four are usual.
"""

import csv
import itertools
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.clips import make
from helpers.moving import moving
from helpers.program import Program
from PIL import Image

from nst_lightning.data.images import load_image
from nst_lightning.data.measured import as_saved, references
from nst_lightning.errors import InputError
from nst_lightning.metrics.evaluate import PictureMetrics
from nst_lightning.video.command import main
from nst_lightning.video.film import Film
from nst_lightning.video.film_folder import FilmFolder
from nst_lightning.video.measuring import steadiness
from nst_lightning.video.painting import FramePainter, Painted

pytestmark = pytest.mark.slow
FRAMES = int(os.environ.get("FRAMES", "4"))
SIZE = 128
STYLE = "sample:waves"
KEPT = "killed/passes/*/[0-9]*.safetensors"
SHORT = {"data.octave_steps": 2, "data.steps_per_epoch": 2}
QUICK = {"data.size": SIZE, "data.octave_steps": 8, "data.steps_per_epoch": 8}


def film(
    folder: Path,
    frames: list[Image.Image],
    passes: int = 1,
    settings: Mapping[str, Any] = QUICK,
) -> list[Painted]:
    """Paint frames as a film; return them as the last pass left them."""
    kept = FilmFolder(folder)
    painter = FramePainter(settings, [], [STYLE], 3e6)
    shown = []

    def read(first: int) -> Iterator[Image.Image]:
        return iter(frames[first:])

    assert Film(kept, painter, read, passes).paint() == len(frames)
    for index in range(len(frames)):
        painted, _ = kept.load(passes - 1, index)
        picture = Image.open(kept.picture(index))
        painted.shown = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
        shown.append(painted)
    return shown


@pytest.fixture(scope="module")
def clip() -> list[Image.Image]:
    """A still photograph with a square that moves before it."""
    return moving(FRAMES, pan=0.0)[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("film")


@pytest.fixture(scope="module")
def painted(clip: list[Image.Image], folder: Path) -> list[Painted]:
    return film(folder, clip)


@pytest.fixture(scope="module")
def alone(clip: list[Image.Image]) -> list[Painted]:
    painter = FramePainter(QUICK, [], [STYLE], 3e6)
    return [painter.paint(frame) for frame in clip]


def along(film: list[Painted], measure: str) -> float:
    pairs = itertools.pairwise(film)
    return float(
        np.mean(
            [getattr(steadiness([a.frame, b.frame], [a.shown, b.shown]), measure) for a, b in pairs]
        )
    )


def test_steadier_than_frame_by_frame(painted: list[Painted], alone: list[Painted]) -> None:
    assert along(painted, "painting") < along(alone, "painting") / 3


def test_what_is_still_stays(painted: list[Painted]) -> None:
    assert along(painted, "still") < 2


def test_in_the_style_all_the_same(
    clip: list[Image.Image], painted: list[Painted], alone: list[Painted]
) -> None:
    distances = []
    for film in (painted, alone):
        measured = PictureMetrics.of(references(clip[-1], [STYLE], size=SIZE))
        distances.append(measured(as_saved(film[-1].shown))["style_distance"])
    assert distances[0] < 1.1 * distances[1]


def test_the_square_is_painted_where_it_went(
    clip: list[Image.Image], painted: list[Painted]
) -> None:
    """What comes into sight is not what was painted at its place before."""
    moved = np.abs(np.array(clip[-1], float) - np.array(clip[0], float)).mean(2) > 40
    change = (painted[-1].shown - painted[0].shown).abs().mean(1)[0].numpy()
    assert change[moved].mean() > 4 * change[~moved].mean()


def test_nothing_crosses_a_cut(tmp_path: Path) -> None:
    first, _ = moving(1, size=(64, 64), photograph="sample:starry")
    second, _ = moving(2, size=(64, 64), photograph="sample:cat")
    short = {"data.size": 64, **SHORT}
    both = film(tmp_path / "both", [*first, *second], passes=2, settings=short)
    own = film(tmp_path / "own", second, passes=2, settings=short)
    for frame, other in zip(both[1:], own, strict=True):
        assert torch.equal(frame.raw, other.raw)
        assert torch.equal(frame.shown, other.shown)
    assert (tmp_path / "both/passes/2/000001.safetensors").is_file()


def interrupted(folder: Path, when: str) -> FilmFolder:
    """Paint three frames, with Ctrl-C whenever a film calls what is named; return what is kept."""
    frames, _ = moving(3, size=(64, 64))
    painter = FramePainter({"data.size": 64, **SHORT}, [], [STYLE], 3e6)
    kept = FilmFolder(folder)
    film = Film(kept, painter, lambda first: iter(frames[first:]))
    setattr(film, when, lambda number, index: os.kill(os.getpid(), signal.SIGINT))
    with painter.interrupts, pytest.raises(KeyboardInterrupt):
        film.paint()
    return kept


def test_a_signal_between_two_frames_is_heard(tmp_path: Path) -> None:
    kept = interrupted(tmp_path, "on_frame")
    assert kept.has(0, 0)
    assert not kept.has(0, 1)
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_a_signal_before_a_frame_is_heard_in_its_first_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = interrupted(tmp_path, "on_begin")
    assert not kept.has(0, 0)
    said = capsys.readouterr()
    assert "stopping after this step" in said.err
    assert "trainer.max_time" not in said.out + said.err


def test_a_second_pass_is_steadier(
    clip: list[Image.Image], folder: Path, painted: list[Painted], tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "again")  # its first pass is there
    again = film(tmp_path / "again", clip, passes=2)
    assert along(again, "painting") < along(painted, "painting")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """A command line that lacks its folder, and the folder of its film, made by it."""
    root = tmp_path_factory.mktemp("made")
    source = make(root / "in.mp4", moving(3, size=(64, 48))[0], rate=8, sound="aac")
    steps = ("--settings.data.octave_steps=1", "--settings.data.steps_per_epoch=2")
    command = ["video", str(source), "--styles", STYLE, "--size=64", "--passes=2", *steps]
    program = Program([*command, "--folder=whole"], root)
    assert program.wait() == 0, program.stderr
    return command, root / "whole"


@pytest.mark.parametrize(("number", "frame"), [(1, 2), (2, 2)])
def test_killed_and_repeated(
    made: tuple[list[str], Path], tmp_path: Path, number: int, frame: int
) -> None:
    command, whole = made
    killed = [*command, "--folder=killed"]
    kept = tmp_path / f"killed/passes/{number}/{frame:06}.safetensors"
    Program(killed, tmp_path).kill_when(kept.is_file)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob(KEPT)}
    assert 0 < len(before) < 6
    again = Program(killed, tmp_path)
    # Its passes are kept until the film is written: those that were there were not painted twice.
    seen: dict[Path, int] = {}

    def looked() -> bool:
        for path in tmp_path.glob(KEPT):
            seen.setdefault(path, path.stat().st_mtime_ns)
        return (tmp_path / "killed/metrics.csv").is_file()

    while not looked() and again.is_running:
        time.sleep(0.01)
    assert again.wait() == 0, again.stderr
    assert {path: seen.get(path) for path in before} == before
    for name in (*(f"frames/{index:06}.png" for index in range(1, 4)), "painted.mp4"):
        assert (whole / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


def test_the_folder_says_what_it_is(
    made: tuple[list[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, whole = made
    folder = tmp_path / "film"
    shutil.copytree(whole, folder)
    monkeypatch.chdir(tmp_path)
    assert json.loads((folder / "film.json").read_text())["frames"] == 3
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["scene"] for row in rows] == ["1"] * 3
    assert all(float(row["painting"]) < 0.1 for row in rows[1:])
    compared = [row for row in rows if row["alone"]]
    assert len(compared) == 1
    assert 0 < float(compared[0]["style_distance_alone"]) < 2
    for row in rows:  # as every run is measured
        index = int(row["frame"])
        picture = load_image(folder / f"frames/{index:06}.png").pixels
        pair = references(Image.new("RGB", (64, 48), "grey"), [STYLE], size=64)
        measured = PictureMetrics.of(pair, learned=False)(picture)["style_distance"]
        assert float(row["style_distance"]) == pytest.approx(measured, rel=1e-3)
    page = (folder / "index.html").read_text()
    assert f"{float(compared[0]['style_distance_alone']):.3f}" in page
    # A file of the user's is not replaced.
    (tmp_path / "mine.mp4").write_bytes(b"mine")
    same = [*command[1:], f"--folder={folder}"]
    with pytest.raises(InputError, match=r"mine\.mp4"):
        main([*same, "--out=mine.mp4"])
    assert (tmp_path / "mine.mp4").read_bytes() == b"mine"
    # The same again paints nothing.
    before = {path: path.stat().st_mtime_ns for path in (folder / "frames").iterdir()}
    assert len(before) == 3
    assert main([*same, "--out=again.webm"]) == 0
    assert (tmp_path / "again.webm").is_file()
    # Another style does not go into the same folder.
    other = [word if word != STYLE else "sample:klimt" for word in same]
    with pytest.raises(InputError, match="film holds a film of other pictures or settings"):
        main(other)
    assert {path: path.stat().st_mtime_ns for path in (folder / "frames").iterdir()} == before
