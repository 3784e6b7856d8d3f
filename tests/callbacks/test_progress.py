"""A bar on a terminal, and not one byte elsewhere."""

import io
import os
from contextlib import redirect_stderr
from pathlib import Path
from typing import TextIO

import pytest
from helpers.painting import KillAt, paint

from nst_lightning.callbacks.progress import seconds_left
from nst_lightning.data.image_pair import ImagePair
from nst_lightning.progress import duration


class Terminal:
    """A pseudo-terminal: what is written to ``stream`` is read with :meth:`read`."""

    def __init__(self) -> None:
        # A terminal holds some kilobytes only; a thread reads on so that no writer waits.
        import threading

        self._reader, writer = os.openpty()
        self.stream: TextIO = io.TextIOWrapper(
            io.FileIO(writer, "w"), encoding="utf-8", write_through=True
        )
        self._parts: list[bytes] = []
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        while True:
            try:
                part = os.read(self._reader, 4096)
            except OSError:  # the other end is closed
                return
            if not part:
                return
            self._parts.append(part)

    def read(self) -> str:
        self.stream.close()
        self._thread.join(timeout=10)
        os.close(self._reader)
        return b"".join(self._parts).decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    if not hasattr(os, "openpty"):
        pytest.skip("no pseudo-terminals on this system")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_silent_where_there_is_no_terminal(
    tmp_path: Path, pictures: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    paint(tmp_path, pictures, steps=3)
    said = capfd.readouterr()
    assert said.err == ""
    assert "\r" not in said.out
    assert "\x1b" not in said.out


def test_shown_on_a_terminal(
    tmp_path: Path, pictures: tuple[Path, Path], terminal: Terminal
) -> None:
    with redirect_stderr(terminal.stream):
        paint(tmp_path, pictures, steps=5)
    shown = terminal.read()
    assert "painting" in shown
    assert "5/5" in shown
    for term in ("loss", "content", "style", "tv"):
        assert f"{term} " in shown
    # The cursor that the bar hides is given back.
    assert shown.count("\x1b[?25h") == shown.count("\x1b[?25l") == 1


def test_goes_on_where_the_run_does(
    tmp_path: Path, pictures: tuple[Path, Path], terminal: Terminal
) -> None:
    paint(tmp_path, pictures, steps=4)
    with redirect_stderr(terminal.stream):
        paint(tmp_path, pictures, "--ckpt_path=last", "--trainer.max_epochs=2", steps=4)
    shown = terminal.read()
    assert "4/8" in shown
    assert "8/8" in shown
    assert "1/8" not in shown


def test_the_cursor_comes_back_after_an_exception(
    tmp_path: Path, pictures: tuple[Path, Path], terminal: Terminal
) -> None:
    with redirect_stderr(terminal.stream), pytest.raises(RuntimeError, match="broken"):
        paint(tmp_path, pictures, steps=4, callbacks=[KillAt(2, RuntimeError("broken"))])
    shown = terminal.read()
    assert shown.count("\x1b[?25h") == shown.count("\x1b[?25l") == 1


def test_switched_off(tmp_path: Path, pictures: tuple[Path, Path], terminal: Terminal) -> None:
    with redirect_stderr(terminal.stream):
        paint(tmp_path, pictures, "--trainer.enable_progress_bar=false", steps=2)
    assert terminal.read() == ""


def test_the_time_left_is_that_of_all_scales() -> None:
    # 10 steps of 2 s; 20 at four times the pixels; 5 at 16 times.
    assert seconds_left({0: 2.0}, [10, 20, 5], [100, 400, 1600]) == 20 + 160 + 160
    # The second scale's pace is known better now, and says more about the third.
    assert seconds_left({0: 2.0, 1: 6.0}, [0, 20, 5], [100, 400, 1600]) == 120 + 120
    assert seconds_left({2: 7.0}, [0, 0, 0], [100, 400, 1600]) == 0


def test_steps_left_by_scale() -> None:
    scales = [{"size": 64, "steps": 10}, {"size": 128, "steps": 20}]
    pair = ImagePair("sample:cat", "sample:klimt", size=256, scales=scales)
    assert pair.steps_left(0, 50) == [10, 20, 20]
    assert pair.steps_left(12, 50) == [0, 18, 20]
    assert pair.steps_left(50, 50) == [0, 0, 0]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0:00:00"), (59.6, "0:01:00"), (3723, "1:02:03"), (1e5, "27:46:40")]
)
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words
