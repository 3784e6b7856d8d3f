"""The one progress bar: on a terminal only, and never in the way of a line."""

import io
import sys

import pytest
from helpers.terminal import on_screen

from nst_lightning.compare.progress import OverallProgress
from nst_lightning.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make the standard error stream a terminal, within a test: pytest replaces it before one."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_a_terminal_shows_it_and_gets_its_cursor_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    with ProgressBar(20, "painting [1]", unit="steps", completed=3, details="loss 1") as bar:
        assert bar.is_shown
        bar.advance()
        bar.update(details="loss [2]")
        bar.print("a line [of] its own")
    said = stream.getvalue()
    assert "a line [of] its own" in said
    assert "painting [1]" in said
    assert "loss [2]" in said
    assert "4/20" in said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")
    assert not bar.is_shown


@pytest.mark.parametrize(
    ("columns", "there", "missing"),
    [
        (60, ["painting", "loss 537.7"], ["content"]),
        (80, ["painting", "loss 537.7  content 277"], ["style"]),
        (120, ["loss 537.7  content 277  style 227.4  tv 33.26"], ["a step"]),
        (160, ["tv 33.26  0.312 s a step of 512x384 px"], []),
    ],
)
def test_what_matters_fits_on_a_line(columns: int, there: list[str], missing: list[str]) -> None:
    code = (
        "from nst_lightning.progress import ProgressBar\n"
        "words = 'loss 537.7  content 277  style 227.4  tv 33.26  0.312 s a step of 512x384 px'\n"
        "bar = ProgressBar(1136, 'painting').start()\n"
        "bar.update(37, left=3723, details=words)\n"
        "bar.stop()\n"
    )
    screen = on_screen([sys.executable, "-c", code], columns)
    assert len(screen) == 1, screen
    for words in (" 37/1136 ", "0:00:0", " left 1:02:03", *there):
        assert words in screen[0]
    for word in missing:
        assert word not in screen[0]
    assert "\N{HORIZONTAL ELLIPSIS}" not in screen[0]


def test_the_bar_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch)
    bar = ProgressBar(None)
    with pytest.raises(ZeroDivisionError), bar:
        _ = 1 / 0
    assert not bar.is_shown
    bar.stop()


class NoTerminal(io.StringIO):
    """As some hosts' streams do."""

    def isatty(self) -> bool:
        raise OSError("no tty")


@pytest.mark.parametrize("stream", [io.StringIO(), None, object(), NoTerminal()])
def test_elsewhere_there_is_none(monkeypatch: pytest.MonkeyPatch, stream: object) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with ProgressBar(3, "painting") as bar:
        bar.advance()
        assert not bar.is_shown
    if isinstance(stream, io.StringIO):
        assert stream.getvalue() == ""
        bar.print("a line")
        assert stream.getvalue() == "a line\n"


def test_no_stream_takes_no_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    ProgressBar(3).print("a line")
    assert capsys.readouterr().out == ""


def test_steps_taken_earlier_leave_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    with OverallProgress(3, 10) as progress:
        progress.start_pair("there already")
        progress.end_pair()
        progress.start_pair("goes on")
        for step in range(4, 11):
            progress.step(step)
        progress.end_pair()
        progress.start_pair("new")
        progress.step(0)
        progress.step(5)
    said = stream.getvalue()
    assert "pair 3/3" in said
    # Of 30 steps 10 and 4 had been taken; 6 and 5 are done now.
    assert "11/16" in said
