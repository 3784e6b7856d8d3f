"""One bar for the whole comparison, on a terminal only."""

import sys
from types import TracebackType
from typing import Any


class OverallProgress:
    """Counts the steps of all pairs and tells the time left; a context manager.

    Steps that an earlier run has taken already are taken out of the total, so that they do not
    make the time left look short.

    Args:
        pairs: How many pairs there are.
        steps: Steps of one pair.
    """

    def __init__(self, pairs: int, steps: int) -> None:
        self._total = pairs * steps
        self._steps, self._pairs = steps, pairs
        self._done_pairs = self._done = 0
        self._first: int | None = None
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "OverallProgress":
        if not sys.stderr.isatty():
            return self
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._escape = escape
        self._bar = Progress(
            TextColumn("{task.fields[pair]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            speed_estimate_period=120,
        )
        self._bar.start()
        self._task = self._bar.add_task("", total=self._total, pair=f"pair 1/{self._pairs}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def start_pair(self, label: str) -> None:
        """Name the pair whose turn it is."""
        self._first = None
        if self._bar is not None:
            number = min(self._done_pairs + 1, self._pairs)
            self._bar.update(
                self._task, pair=f"pair {number}/{self._pairs}", description=self._escape(label)
            )

    def step(self, step: int) -> None:
        """Move to a step of this pair; the first one told is where the run goes on."""
        if self._first is None:
            self._first = step
            self._total -= step
        if self._bar is not None:
            done = self._done + step - self._first
            self._bar.update(self._task, total=self._total, completed=done)

    def end_pair(self) -> None:
        """Count a pair as done; one that took no step leaves the total."""
        if self._first is None:
            self._total -= self._steps
        else:
            self._done += self._steps - self._first
        self._done_pairs += 1
        if self._bar is not None:
            self._bar.update(self._task, total=self._total, completed=self._done)

    def say(self, line: str) -> None:
        """Print a line to the standard error stream, above the bar."""
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=sys.stderr, flush=True)
