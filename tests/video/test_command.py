"""The command line of ``video``: each mistake is one line, and nothing is painted or replaced."""

from pathlib import Path

import pytest
from helpers.clips import make
from helpers.moving import moving

from nst_lightning.cli import main
from nst_lightning.video.command import _called
from nst_lightning.video.reading import open_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clip") / "in.mp4", moving(2, size=(64, 48))[0], rate=8)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "0:xx"], "--from: '0:xx' is no time; write seconds (83.5) or 1:23.5"),
        (["--to=-1"], "--to: '-1' is no time; write seconds (83.5) or 1:23.5"),
        (["--from", "99"], "ends at 0:00.25: start before that"),
        (["--out", "film.xyz"], "unknown suffix '.xyz'"),
        (["--out", "mine.mp4"], "mine.mp4 exists already; give another name, or --overwrite true"),
        (["--size", "4"], "--size is 4, but must be from 16"),
        (["--every", "0"], "every: 0 must be >0"),
        (["--passes=two"], "passes"),
        (["--steadiness", "-1"], "steadiness"),
        (["--settings.data.size", "64"], "--settings.data.size: the command sets it; use --size"),
        (["--settings.model.strengh", "1"], "did you mean model.strength?"),
        (["--steadines", "1"], "unknown option --steadines; did you mean --steadiness?"),
        (["--strength", "3"], "--strength must be a finite number of at least 0"),
        (["--configs", "nowhere"], "there is no file nowhere"),
        (["--preview.port", "99999"], "preview.port must be a whole number from 0 to 65535"),
    ],
)
def test_a_mistake_is_one_line(
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.mp4").write_bytes(b"mine")
    small = ["--size=64"] if "--size" not in words else []
    assert main(["video", str(clip), "--styles", "sample:waves", *small, *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["mine.mp4"]
    assert (tmp_path / "mine.mp4").read_bytes() == b"mine"


@pytest.mark.parametrize("source", ["nowhere.mp4", "text.mp4", "empty.mp4", "cut.mp4", "folder"])
def test_a_clip_that_is_none(
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    source: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:2000])
    (tmp_path / "folder").mkdir()
    assert main(["video", source, "--styles", "sample:waves"]) == 2
    error = capsys.readouterr().err
    assert source in error
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("*.png"))


def test_the_clip_is_never_replaced(
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = clip.read_bytes()
    same = tmp_path / "same.mp4"
    same.symlink_to(clip)
    for out in (clip, same):
        words = ["video", str(clip), "--styles=sample:waves", f"--out={out}", "--overwrite=true"]
        assert main([*words, "--size=64"]) == 2
        assert "is what the film is painted of; name another file" in capsys.readouterr().err
    assert clip.read_bytes() == before


def test_what_was_painted_of_a_clip_that_breaks_off_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = make(tmp_path / "whole.mkv", moving(16, size=(64, 48))[0], rate=8)
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.8)])
    few = ["--settings.data.octave_steps=1", "--settings.data.steps_per_epoch=1", "--alone=0"]
    words = ["video", "cut.mkv", "--styles=sample:waves", "--size=64", "--out=out.mp4", "--every=4"]
    assert main([*words, *few]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 1
    assert "cut.mkv" in notes[0]
    with open_clip("out.mp4") as clip:
        assert 0 < len([*clip]) < 4


@pytest.mark.parametrize(
    ("clip", "name"),
    [("holiday.mp4", "holiday.mp4"), ("shots/frame_*.png", "shots"), ("a/frames/", "a/frames/")],
)
def test_what_a_film_is_named_after(clip: str, name: str) -> None:
    assert _called(clip) == name


def test_two_clips_of_one_name_are_two_films(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ["--settings.data.octave_steps=1", "--steps=1", "--alone=0", "--size=64"]
    films = {}
    for folder, photograph in (("a", "sample:starry"), ("b", "sample:cat"), ("a", "")):
        clip = tmp_path / folder / "clip.mp4"
        if photograph:
            clip.parent.mkdir()
            make(clip, moving(2, size=(48, 32), photograph=photograph)[0], rate=8)
        assert main(["video", str(clip), "sample:waves", *few]) == 0
        said = capsys.readouterr().out
        films[folder] = next(line for line in said.splitlines() if line.startswith("film "))
        if photograph:
            assert "painting 2 frames of 64x43 px (enlarged: the clip has 48x32), into " in said
        if folder == "b":
            assert "outputs/clip--waves-2 (outputs/clip--waves holds another)" in said
    assert films["a"].endswith("outputs/clip--waves/painted.mp4")
    assert films["b"].endswith("outputs/clip--waves-2/painted.mp4")
    assert sorted(path.name for path in Path("outputs").iterdir()) == [
        "clip--waves",
        "clip--waves-2",
    ]
