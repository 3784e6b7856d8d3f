"""What one run has to show, and what those who look want of it; between the run and the server."""

import base64
import bisect
import io
import itertools
import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from PIL import Image

from nst_lightning.data.encoding import Samples
from nst_lightning.preview.series import Series

Phase = Literal["starting", "painting", "finished", "stopped", "failed"]

SIDE = 512
"""Long side, at most, of what is sent, in pixels."""
LOOKING = 6.0
"""Seconds for which somebody who asked counts as looking."""

_QUALITY = 90
_MOST_POINTS = 2000  # of the curves: beyond, every second one is left out
_RUNS = itertools.count(1)


class Shot:
    """A picture, encoded when it is first asked for and by the thread that asks."""

    def __init__(self, number: int, levels: Samples) -> None:
        self.number = number
        self._levels: Samples | None = levels
        self._sent = b""
        self._encoding = threading.Lock()

    def as_json(self) -> bytes:
        """Return the address that a page gives its image: a JPEG's data, in JSON."""
        with self._encoding:
            if self._levels is not None:
                file = io.BytesIO()
                Image.fromarray(self._levels).save(
                    file, "JPEG", quality=_QUALITY, subsampling="4:4:4"
                )
                data = base64.b64encode(file.getbuffer())
                self._sent, self._levels = b'"data:image/jpeg;base64,%s"' % data, None
            return self._sent


class Feed:
    """One run as it is seen in browsers.

    The run's thread puts in what there is to see and asks for what is wanted; the server's threads
    do the reverse. Nothing here waits for a browser.

    Args:
        title: What is painted, in a few words.
        memory: Returns how many bytes the run has taken.
        series: Of pictures, of which this is one.
    """

    def __init__(
        self,
        title: str,
        memory: Callable[[], float] = lambda: 0.0,
        series: Series | None = None,
    ) -> None:
        self.run = next(_RUNS)
        self.shots: dict[str, Shot] = {}
        self.finish_asked = False
        self._title, self._memory, self._series = title, memory, series
        self._phase: Phase = "starting"
        self._facts: dict[str, Any] = {}
        self._points: list[tuple[int, bytes]] = []  # step, and as they are sent
        self._said: tuple[str, bytes] | None = None  # phase, and all but losses as it is sent
        self._stride = 1
        self._seen = itertools.count()
        self._looked = -math.inf
        self._lock = threading.Lock()
        self._may_go_on = threading.Event()
        self._may_go_on.set()
        self._waits = False

    # What the run does.

    @property
    def is_watched(self) -> bool:
        """Whether somebody looks."""
        return time.monotonic() - self._looked < LOOKING

    def tell(self, phase: Phase | None = None, **facts: Any) -> None:
        """Change what is said of the run: steps, sizes, seconds left."""
        with self._lock:
            self._phase = phase or self._phase
            self._facts |= facts
            self._said = None

    def show(self, name: str, levels: Samples) -> None:
        """Put a picture in the place of the last one of this name; ``(h, w, 3)``, uint8."""
        with self._lock:
            number = self.shots[name].number + 1 if name in self.shots else 1
            self.shots[name] = Shot(number, levels)
            self._said = None

    def add_losses(self, step: int, losses: Mapping[str, float]) -> None:
        """Let the curves go on: the losses of a step by term."""
        with self._lock:
            if next(self._seen) % self._stride:
                return
            self._points.append((step, as_json([step, _finite(losses)])))
            if len(self._points) > _MOST_POINTS:
                del self._points[1::2]
                self._stride *= 2

    def hold(self, ends: Callable[[], bool]) -> None:
        """Wait while the run is paused; ``ends`` says whether it is to end all the same."""
        self._waits = True
        try:
            while not (self._may_go_on.is_set() or ends()):
                # In pieces, so that a signal is noticed; waiting takes no processor time.
                self._may_go_on.wait(0.2)
        finally:
            self._waits = False

    # What those who look do.

    @property
    def phase(self) -> str:
        """What the run is at, wishes that it has not noticed yet included."""
        if self._phase not in ("starting", "painting"):
            return self._phase
        if self.finish_asked:
            return "finishing"
        if not self._may_go_on.is_set():
            return "paused" if self._waits else "pausing"
        return self._phase

    def pause(self) -> None:
        """Have the run wait after the step in hand."""
        self._may_go_on.clear()

    def go_on(self) -> None:
        """Let it go on."""
        self._may_go_on.set()

    def finish(self) -> None:
        """Have the run end after the step in hand, with picture and checkpoint."""
        self.finish_asked = True
        self._may_go_on.set()

    def state(self, run: int, since: int, known: Mapping[str, int] | None = None) -> bytes:
        """Return all that a page shows, in JSON; whoever asks is looking.

        It is put together of what is made once for all who ask, and pictures come along: each
        answer costs the run as much as a step's curves, however little is in it.

        Args:
            run: That the page knows.
            since: The last step whose losses it has; those after it are sent.
            known: The numbers of its pictures; others are sent.
        """
        self._looked = time.monotonic()
        with self._lock:
            since, known = (since, known or {}) if run == self.run else (-1, {})
            first = bisect.bisect_right(self._points, since, key=lambda point: point[0])
            losses = b", ".join(point for _, point in self._points[first:])
            phase = self.phase
            if self._said is None or self._said[0] != phase:
                self._said = phase, self._all_but_losses(phase)
            said, shots = self._said[1], dict(self.shots)
        sent = b", ".join(
            b"%s: %s" % (as_json(name), shot.as_json())
            for name, shot in shots.items()
            if shot.number != known.get(name)
        )
        # A series goes on between two runs.
        series = as_json(self._series and self._series.told())
        own = b'{"series": %s, "losses": [%s], "pictures": {%s}}' % (series, losses, sent)
        return together(said, own)

    def _all_but_losses(self, phase: str) -> bytes:
        shots = {name: shot.number for name, shot in self.shots.items()}
        about = {"run": self.run, "title": self._title, "phase": phase, "memory": self._memory()}
        return as_json({**about, **self._facts, "shots": shots})


def as_json(value: Any) -> bytes:
    """Return what is sent."""
    return json.dumps(value, allow_nan=False).encode()


def together(*objects: bytes) -> bytes:
    """Make one object of JSON of several, none empty and all keys different."""
    return b"{%s}" % b", ".join(each[1:-1] for each in objects)


def _finite(losses: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in losses.items()}
