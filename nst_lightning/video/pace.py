"""How far a film is, and how long it still takes: for its bar and for the preview."""

import statistics
import time
from collections import deque
from collections.abc import Callable, Collection

from nst_lightning.preview.series import Series
from nst_lightning.progress import ProgressBar, duration

_RECENT = 10  # frames whose time counts
_FrameOfPass = tuple[int, int]


class FilmPace:
    """Counts the frames of a film's passes, and tells the time left by those painted last.

    The first frame that a program paints loads what the others find there, and says nothing of
    them; a pass of which none is known yet takes what the one before it took.

    Args:
        series: Of the frames, which is told.
        count: Frames of the clip.
        passes: How often it is gone through.
        there: Passes and frames, from 0, that were painted before.
        bar: Shows it.
        clock: Tells seconds.
    """

    def __init__(
        self,
        series: Series,
        count: int,
        passes: int,
        there: Collection[_FrameOfPass],
        bar: ProgressBar,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._series, self._bar, self._clock = series, bar, clock
        self._count, self._passes = count, passes
        self._there = set(there)
        self._to_do = [
            sum((n, at) not in self._there for at in range(count)) for n in range(passes)
        ]
        self._taken: dict[int, deque[float]] = {}
        self._began, self._first = clock(), True

    def begin(self, number: int, index: int) -> None:
        """Note that a frame of a pass, both counted from 0, is begun."""
        self._began = self._clock()
        again = f", pass {number + 1} of {self._passes}" if self._passes > 1 else ""
        self._series.name = f"frame {index + 1} of {self._count}{again}"

    def end(self, number: int, index: int) -> None:
        """Note that a frame of a pass is there."""
        self._series.done += 1
        details = None
        if (number, index) not in self._there:
            self._to_do[number] -= 1
            if not self._first:
                taken = self._taken.setdefault(number, deque(maxlen=_RECENT))
                taken.append(self._clock() - self._began)
                details = f"{duration(self._usual(number))} a frame"
            self._first = False
        if self._taken:
            left = (todo * self._usual(n) for n, todo in enumerate(self._to_do) if todo)
            self._series.left = sum(left)
        self._bar.update(self._series.done, left=self._series.left, details=details)

    def _usual(self, number: int) -> float:
        """Return the seconds of a frame of a pass; the middle one, whatever was waited for."""
        nearest = min(self._taken, key=lambda known: abs(known - number))
        return statistics.median(self._taken[nearest])
