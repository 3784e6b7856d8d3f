"""A bar on a terminal, and not one byte elsewhere."""

import io
import os
import re
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, TextIO

import pytest
from helpers.painting import KillAt, paint

from nst_lightning.callbacks.progress import _Evaluation
from nst_lightning.data.image_pair import ImagePair
from nst_lightning.progress import ProgressBar, duration
from nst_lightning.stages import Tiles


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


def draw_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the bar, which draws itself ten times a second, do so at each change."""
    update = ProgressBar.update

    def drawn(bar: ProgressBar, *args: Any, **kwargs: Any) -> None:
        update(bar, *args, **kwargs)
        bar._progress.refresh()

    monkeypatch.setattr(ProgressBar, "update", drawn)


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
    assert re.search(r"0/5\S* .*looking at \d+x\d+ px", shown)
    # The cursor that the bar hides is given back.
    assert shown.count("\x1b[?25h") == shown.count("\x1b[?25l") == 1


def test_tells_of_tiles_within_a_step(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw_each_change(monkeypatch)
    monkeypatch.setattr("nst_lightning.budget._TILES", (Tiles(12),))
    with redirect_stderr(terminal.stream):
        session = paint(tmp_path, pictures, steps=2)
    shown = re.sub(r"\x1b\[[\d;?]*\w", "", terminal.read())  # no colours
    # 32 x 24 px in 3 x 2 tiles, forward and back.
    for tile in range(1, 13):
        assert f"evaluation 1, tile {tile} of 12" in shown
    # The time left is told before the first step is over, and stays beside the losses.
    assert re.search(r"0/2 \S+ left \d:\d\d:\d\d evaluation 1, tile 12 of 12", shown), shown
    assert re.search(r"tile 6 of 12  loss \d.* s a step of 32x24 px", shown)
    assert session.model.objective.on_tile is None


def test_an_evaluation_s_time_from_its_pass_back() -> None:
    evaluation = _Evaluation()
    now = 100.0
    for tile in range(1, 5):  # of a second each, the first ends when the clock starts
        evaluation.add(now, tile, 8)
        assert evaluation.seconds(now) is None
        now += 1
    now += 10  # computed whole
    evaluation.add(now, 5, 8)
    assert evaluation.seconds(now) is None
    evaluation.add(now + 3, 6, 8)
    # 4 s, 10 s, and four tiles back of 3 s, the first of which is in the 10.
    assert evaluation.seconds(now + 3) == 14 + 3 * 3
    evaluation.add(now + 9, 8, 8)
    assert evaluation.seconds(now + 9) == 14 + 3 * 3
    assert evaluation.number == 1
    evaluation.add(now + 9, 1, 8)
    assert evaluation.number == 2


def test_goes_on_where_the_run_does(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paint(tmp_path, pictures, steps=4)
    draw_each_change(monkeypatch)
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


@pytest.mark.parametrize(("guesses", "shown"), [(False, "left \N{EN DASH}"), (True, "left 0:00:0")])
def test_the_time_left_is_not_guessed_where_steps_differ(
    terminal: Terminal, guesses: bool, shown: str
) -> None:
    with redirect_stderr(terminal.stream), ProgressBar(100, guesses=guesses) as bar:
        bar.advance(1)
        bar.advance(98)
        bar._progress.refresh()
    assert shown in re.sub(r"\x1b\[[\d;?]*\w", "", terminal.read())


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
