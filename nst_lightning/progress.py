"""One progress bar: in a notebook's cell, or where the standard error stream is a terminal."""

import html
import sys
import time
from collections.abc import Iterator
from typing import Any, Self

from nst_lightning.cell import Place, in_notebook
from nst_lightning.say import is_terminal, say

_EVERY = 0.2
"""Seconds between two changes of a cell's bar, at least."""


def duration(seconds: float) -> str:
    """Write a time as the bar does: ``1:02:03``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


class _Fitting:
    """Words, set apart by two spaces, of which as many of the first are drawn as fit in a line."""

    def __init__(self, words: str) -> None:
        self._words = words

    def __rich_measure__(self, console: Any, options: Any) -> Any:
        from rich.measure import Measurement

        return Measurement(0, len(self._words))

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.text import Text

        line = ""
        for part in self._words.split("  "):
            longer = f"{line}  {part}" if line else part
            if len(longer) > options.max_width:
                break
            line = longer
        yield Text(line, no_wrap=True)


class ProgressBar:
    """Description, bar, count, time taken and time left, then any further words.

    A context manager; or :meth:`start` and :meth:`stop`, which may be called twice. Where this is
    no notebook and the standard error stream no terminal, or there is none, nothing is shown, and
    :meth:`print` writes plain lines. rich is imported when a bar is shown.

    Args:
        total: Steps in all; None if it is not known.
        description: Before the bar.
        unit: After the count, such as ``steps``.
        completed: Steps taken already.
        details: After the bar, such as the losses.
        lasting: Whether the bar stays on the screen when it has ended.
        guesses: Whether the time left is told by the pace so far where it is not given.
    """

    def __init__(
        self,
        total: float | None,
        description: str = "",
        *,
        unit: str = "",
        completed: float = 0,
        details: str = "",
        lasting: bool = True,
        guesses: bool = True,
    ) -> None:
        self._state: dict[str, Any] = {
            "total": total,
            "completed": completed,
            "description": description,
            "details": details,
            "left": None,
        }
        self._unit, self._lasting, self._guesses = unit, lasting, guesses
        self._progress: Any = None
        self._task: Any = None

    def start(self) -> Self:
        """Show the bar, in a notebook or on a terminal, whose cursor it hides until `stop`."""
        if self._progress is not None:
            return self
        if in_notebook():
            self._progress = _CellBar(self._unit, self._lasting)
            self._task = self._progress.add_task(**self._state)
            return self
        # The standard error stream may be missing, or replaced.
        if not is_terminal(sys.stderr):
            return self
        from rich import progress
        from rich.console import Console
        from rich.table import Column
        from rich.text import Text

        class Details(progress.ProgressColumn):
            """The first of the further words that there is room for, each in full."""

            def render(self, task: progress.Task) -> _Fitting:
                return _Fitting(str(task.fields["details"]))

        guesses = self._guesses

        class Left(progress.TimeRemainingColumn):
            """What is known of the time left, else what the pace so far says."""

            max_refresh = 0.0  # a new estimate is shown at once

            def render(self, task: progress.Task) -> Text:
                seconds = task.fields["left"]
                if seconds is None and guesses:
                    return super().render(task)
                if seconds is None:
                    return Text("\N{EN DASH}", style="progress.remaining")
                return Text(duration(seconds), style="progress.remaining")

        def whole() -> Column:
            return Column(no_wrap=True)

        console, cut = Console(stderr=True), Column(overflow="ellipsis")
        # Where room is short, the further words go first, then the end of the description.
        self._progress = progress.Progress(
            # A picture's name may hold [brackets], which are rich's markup.
            progress.TextColumn("{task.description}", markup=False, table_column=cut),
            progress.BarColumn(max(8, min(40, console.width // 8)), table_column=whole()),
            progress.MofNCompleteColumn(table_column=whole()),
            *([progress.TextColumn(self._unit, table_column=whole())] if self._unit else []),
            progress.TimeElapsedColumn(table_column=whole()),
            progress.TextColumn("left", table_column=whole()),
            Left(elapsed_when_finished=False, table_column=whole()),
            Details(table_column=Column()),
            console=console,
            speed_estimate_period=120,
            transient=not self._lasting,
        )
        self._progress.start()
        self._task = self._progress.add_task(**self._state)
        return self

    @property
    def is_shown(self) -> bool:
        """Whether there is a bar on the screen now."""
        return self._progress is not None

    def stop(self) -> None:
        """Take the bar away, or leave it as it is now, and show the cursor again."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def update(
        self,
        completed: float | None = None,
        *,
        total: float | None = None,
        description: str | None = None,
        details: str | None = None,
        left: float | None = None,
    ) -> None:
        """Change what is given, as in the constructor, or the seconds left; the rest stays."""
        given = {
            "completed": completed,
            "total": total,
            "description": description,
            "details": details,
            "left": left,
        }
        changed = {key: value for key, value in given.items() if value is not None}
        self._state |= changed
        if self._progress is not None:
            self._progress.update(self._task, **changed)

    def advance(self, steps: float = 1) -> None:
        """Move by so many steps."""
        self.update(self._state["completed"] + steps)

    def print(self, line: str) -> None:
        """Print a line to the standard error stream, above the bar."""
        if self._progress is not None and not isinstance(self._progress, _CellBar):
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        elif sys.stderr is not None:
            say(line, error=True)


class _CellBar:
    """A progress bar in a cell: what `ProgressBar` needs of rich's."""

    def __init__(self, unit: str = "", lasting: bool = True) -> None:
        self._place, self._unit, self._lasting = Place(), unit, lasting
        self._state: dict[str, Any] = {}
        self._began = self._changed = time.monotonic()

    def start(self) -> None:
        """Nothing is shown before there is a task."""

    def add_task(self, **state: Any) -> int:
        """Show the one task that there is."""
        self._state = state
        self._show()
        return 0

    def update(self, task: int, **changes: Any) -> None:
        """Change it."""
        self._state |= changes
        if time.monotonic() - self._changed >= _EVERY:
            self._show()

    def stop(self) -> None:
        """Leave it as it is now, or take it away."""
        if self._lasting:
            self._show()
        else:
            self._place.show({"text/html": "", "text/plain": ""})

    def _show(self) -> None:
        state, self._changed = self._state, time.monotonic()
        done, total = f"{state['completed']:g}", state["total"]
        words = [state["description"], f"{done}/{total:g}" if total else done, self._unit]
        words += [duration(self._changed - self._began)]
        if state["left"] is not None and state["completed"] != total:
            words += ["left", duration(state["left"])]
        line = " ".join(filter(None, words))
        share = f'max="{total:g}" value="{done}"' if total else ""
        details = html.escape(state["details"])
        self._place.show(
            {
                "text/plain": f"{line}  {state['details']}".rstrip(),
                "text/html": f"<div>{html.escape(line)}<br><progress style='width:100%' {share}>"
                f"</progress><br><small>{details}</small></div>",
            }
        )
