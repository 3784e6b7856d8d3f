"""What the page says and how its controls stand, without a browser."""

import html
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from nst_lightning.app.choices import Choices
from nst_lightning.app.gallery import Gallery
from nst_lightning.app.jobs import Job, Jobs, State

pytest.importorskip("gradio", reason="the extra app is not installed")

from nst_lightning.app.answers import Answers, _status

CONTROLS = (0.5, 1.5, "large", "palette", 128)


def words_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_what_waits_counts_down_and_goes(tmp_path: Path) -> None:
    ended = threading.Event()

    def paint(job: Job, jobs: Jobs) -> Path:
        ended.wait(20)
        return Path(job.label)

    jobs = Jobs(paint)
    answer = Answers(jobs, Gallery(tmp_path))
    for look in ("painted", "strong", "colours_only"):
        # What is said once stays: how many are before it is said with what is painted.
        added, line = answer.add("sample:cat", "sample:klimt", {}, 0, look, *CONTROLS)
        assert (added, words_of(line)) == (1, "")
    ended.set()
    jobs.close()
    one, two, three = (
        Job("", "", "cat", Choices(look, size=128))
        for look in ("painted", "strong", "colours_only")
    )
    strong, colours = "cat, strong, strength 0.5, 128 px", "cat, colours only, 128 px"
    assert words_of(_status(State(job=one, phase="painting", waiting=(two, three)))).endswith(
        f"Waiting for their turn: {strong}: 1 before it {colours}: 2 before it"
    )
    of_two = words_of(_status(State(job=two, phase="painting", waiting=(three,))))
    assert of_two.startswith(f"Painting {strong} ")
    assert of_two.endswith(f"{colours}: 1 before it")
    assert words_of(_status(State(job=three, phase="finished"))) == "cat is finished"


@pytest.fixture
def answer(tmp_path: Path) -> Any:
    jobs = Jobs(lambda job, jobs: Path())
    yield Answers(jobs, Gallery(tmp_path))
    jobs.close()


@pytest.mark.parametrize(("look", "free"), [("colours_only", False), ("strong", True)])
def test_what_counts_for_nothing_cannot_be_moved(answer: Answers, look: str, free: bool) -> None:
    _, strength, stroke_size, *_, of_picture = answer.choose_look(look)
    assert words_of(of_picture) == ""  # whose settings are used no more
    assert (strength.interactive, stroke_size.interactive) == (free, free)


@pytest.mark.parametrize(
    ("typed", "size", "said"),
    [
        ("24", "24", "About a second on two cores"),
        ("2048", "2048", "About 8 minutes to 32 minutes"),
        (" 300 px", "300", "About 10 seconds to 41 seconds"),
        ("8", None, "error: size is 8, but must be from 16 to 16384 pixels"),
        ("24x", None, "error: size must be a whole number of pixels, not '24x'"),
    ],
)
def test_what_is_typed_as_a_size_counts_or_is_refused(
    answer: Answers, typed: str, size: str | None, said: str
) -> None:
    given = ("painted", *CONTROLS[:-1], typed)
    line, _, marked = answer.expect(*given)
    assert words_of(line).startswith(said)
    assert marked == size
    added, problem = answer.add("sample:cat", "sample:klimt", {}, 0, *given)
    assert (words_of(problem) == said) == (added != 1) == (size is None)
    if size is not None:
        asked = answer._jobs.state
        (job,) = [*asked.waiting, *([asked.job] if asked.job else [])]
        assert job.choices.size == int(size)


def test_a_box_takes_another_file_at_once(answer: Answers, pictures: tuple[Path, Path]) -> None:
    source, view, said, box = answer.drop_photograph(str(pictures[0]))
    assert (source, words_of(said), box) == (str(pictures[0]), pictures[0].name, None)
    assert view is not None
