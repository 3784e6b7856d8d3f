"""Jobs one after another, and the gallery of what came out."""

import json
import threading
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from nst_lightning.app.choices import Choices
from nst_lightning.app.gallery import Gallery
from nst_lightning.app.jobs import Job, Jobs, State
from nst_lightning.data.output import save_image
from nst_lightning.errors import InputError


def job(label: str) -> Job:
    return Job("sample:cat", "sample:klimt", label, Choices())


def until(jobs: Jobs, phase: str) -> State:
    state = jobs.state
    for _ in range(200):
        if state.phase == phase and not state.waiting:
            return state
        state = jobs.after(state.version, 0.1)
    raise AssertionError(state)


def test_one_is_painted_and_the_others_wait() -> None:
    may_end, order = threading.Event(), []

    def paint(job: Job, jobs: Jobs) -> Path:
        order.append((job.label, job.number))
        jobs.report(steps=4, step=4)
        may_end.wait(20)
        return Path(job.label)

    jobs = Jobs(paint)
    assert not jobs.state.busy
    assert jobs.add(job("first")) == 0
    while jobs.state.phase != "painting":
        jobs.after(jobs.state.version, 1)
    assert (jobs.add(job("second")), jobs.add(job("third"))) == (1, 2)
    assert [job.label for job in jobs.state.waiting] == ["second", "third"]
    may_end.set()
    state = until(jobs, "finished")
    assert order == [("first", 1), ("second", 2), ("third", 3)]
    assert (state.file, state.finished) == (Path("third"), 3)
    jobs.close()


def test_stop_ends_the_one_in_hand_alone() -> None:
    def paint(job: Job, jobs: Jobs) -> Path:
        jobs.report(steps=9, step=2)
        if job.label == "first":
            assert jobs.stop.wait(20)
        else:
            jobs.report(step=9)
        return Path(job.label)

    jobs = Jobs(paint)
    jobs.ask_to_stop()  # there is nothing to be stopped yet
    jobs.add(job("first"))
    jobs.add(job("second"))
    while jobs.state.phase != "painting":
        jobs.after(jobs.state.version, 1)
    phases = []
    jobs.ask_to_stop()
    state = jobs.state
    while not (state.phase == "finished" and not state.waiting):
        phases.append((state.job and state.job.label, state.phase))
        state = jobs.after(state.version, 1)
    assert ("first", "stopping") in phases
    assert (state.job and state.job.label, state.finished) == ("second", 2)
    jobs.close()


def test_what_is_refused_is_one_line_and_the_next_follows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def paint(job: Job, jobs: Jobs) -> Path:
        if job.label == "mistake":
            raise InputError("data.size: no")
        raise ZeroDivisionError("a fault")

    jobs = Jobs(paint)
    jobs.add(job("mistake"))
    assert until(jobs, "failed").line == "data.size: no"
    assert capsys.readouterr().err == ""
    jobs.add(job("fault"))
    while "ZeroDivisionError" not in jobs.state.line:
        jobs.after(jobs.state.version, 1)
    assert "a fault of nst_lightning, not yours" in jobs.state.line
    assert "Traceback" in capsys.readouterr().err
    jobs.close()


def test_closing_waits_for_the_picture_in_hand() -> None:
    ended = []

    def paint(job: Job, jobs: Jobs) -> Path:
        assert jobs.stop.wait(20)
        ended.append(job.label)
        return Path(job.label)

    jobs = Jobs(paint)
    jobs.add(job("first"))
    jobs.add(job("second"))
    while jobs.state.phase != "painting":
        jobs.after(jobs.state.version, 1)
    jobs.close()
    assert ended == ["first"]


def test_nobody_looks_unless_somebody_asks() -> None:
    jobs = Jobs(lambda job, jobs: Path())
    assert not jobs.watched
    jobs.after(-1, 0)
    assert jobs.watched
    jobs.close()


@pytest.fixture
def painted(tmp_path: Path) -> Gallery:
    """Return a gallery of two pictures; of one the photograph was dropped."""
    gallery = Gallery(tmp_path / "made")
    photograph = tmp_path / "a cat.png"
    save_image(torch.rand(1, 3, 24, 32), photograph)
    for number, content in enumerate(("sample:cat", str(photograph))):
        one = Job(content, "sample:klimt", f"picture {number}", Choices(size=32))
        folder = gallery.new_folder(one)
        kept = gallery.keep_sources(one, folder)
        assert kept[1] == "sample:klimt"
        if number:
            assert Path(kept[0]).read_bytes() == photograph.read_bytes()
        data = {"size": 32, "style_scale": 1.5, "strokes": "large", "colour": "palette"}
        settings = {"model": {"strength": 0.5, "style": {}}, "data": data}
        save_image(torch.rand(1, 3, 24, 32), folder / "stylized.png", settings=settings)
        gallery.finish(folder, one, 12.34, 5, of=5)
    return gallery


def test_the_newest_picture_is_first_and_found_again(painted: Gallery) -> None:
    again = Gallery(painted.folder)
    names = [entry.file.parent.name for entry in again.entries()]
    assert names == ["0002-a-cat--klimt", "0001-cat--klimt"]
    assert [caption for _, caption in again.shown()] == [
        "picture 1, painted, strength 0.5, 32 \N{MULTIPLICATION SIGN} 24 px",
        "picture 0, painted, strength 0.5, 32 \N{MULTIPLICATION SIGN} 24 px",
    ]
    assert again.find(again.shown()[1][0]).file.name == "0001-cat--klimt.png"
    with pytest.raises(InputError, match="in the gallery no more"):
        again.find("../../other.webp")


def test_a_picture_that_was_stopped_says_so_and_how_large_it_is(painted: Gallery) -> None:
    one = Job("sample:cat", "sample:klimt", "it", Choices("colours_only", size=256))
    folder = painted.new_folder(one)
    own = {"size": 256, "style_scale": 1.5, "strokes": "large", "colour": "style"}
    settings = {"model": {"strength": 0.5, "style": None}, "data": own}
    save_image(torch.rand(1, 3, 48, 64), folder / "stylized.png", settings=settings)
    painted.finish(folder, one, 3.0, 13, of=60)
    # What counts for nothing is not said.
    words = "it, colours only, colours: as the strokes bring them"
    size = "64 \N{MULTIPLICATION SIGN} 48 px"
    assert painted.entries()[0].caption() == f"{words}, {size}, stopped at step 13 of 60"
    assert painted.expected(one.choices) is None
    # As it was noted before.
    record = {"label": "it", "look": "colours_only", "steps": 13, "seconds": 3.0}
    (folder / "app.json").write_text(json.dumps(record))
    assert painted.entries()[0].caption() == f"{words}, {size}, stopped at step 13"


def test_a_picture_is_in_the_gallery_with_all_that_belongs_to_it_or_not_at_all(
    painted: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = job("killed")
    folder = painted.new_folder(one)
    save_image(torch.rand(1, 3, 24, 32), folder / "stylized.png", settings={})
    monkeypatch.setattr("nst_lightning.app.gallery.write_whole", Mock(side_effect=MemoryError))
    with pytest.raises(MemoryError):
        painted.finish(folder, one, 3.0, 5, of=5)
    assert [path.name for path in folder.glob("*.png")] == ["stylized.png"]


def test_how_long_a_picture_may_take(painted: Gallery) -> None:
    assert painted.expected(Choices(size=64)) == pytest.approx(12.3 * 4)
    assert painted.expected(Choices("strong")) is None


def test_a_folder_that_is_in_the_way_does_no_harm(painted: Gallery) -> None:
    (painted.folder / "0007-nothing").mkdir()
    (painted.folder / "notes.txt").write_text("mine")
    record = painted.entries()[0].file.with_name("app.json")
    record.write_text("[1]")
    assert [entry.label for entry in painted.entries()] == ["0002-a-cat--klimt", "picture 0"]
    assert painted.new_folder(job("next")).name == "0008-cat--klimt"
    assert json.loads(painted.entries()[1].file.with_name("app.json").read_text())["steps"] == 5


def test_what_was_refused_leaves_no_folder(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    folder = gallery.new_folder(job("first"))
    gallery.forget(folder)
    assert list(tmp_path.iterdir()) == []
