"""Pictures that are painted one after another, as a film's frames: how far they all are."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass
class Series:
    """What is shown beside the picture in hand.

    Attributes:
        total: How many pictures there are.
        unit: What they are.
        done: How many are painted.
        left: Seconds that the others still take; None while that is not known.
        name: What the picture in hand is called; empty if by its source.
        file: Where the result of them all is; None before its end.
    """

    total: int
    unit: str
    done: int = 0
    left: float | None = None
    name: str = ""
    file: str | None = None

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Have the runs that this thread begins meanwhile shown as pictures of the series."""
        before = _shown.set(self)
        try:
            yield
        finally:
            _shown.reset(before)

    def told(self) -> dict[str, Any]:
        """Return what a page is told."""
        return {key: getattr(self, key) for key in ("total", "unit", "done", "left", "file")}


def shown_series() -> Series | None:
    """Return the series that a run of this thread belongs to."""
    return _shown.get()


_shown: ContextVar[Series | None] = ContextVar("series", default=None)
