"""The jobs of the app: one is painted, the others wait; every page looks at the same state."""

import itertools
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from nst_lightning.app.choices import Choices
from nst_lightning.mistakes import as_mistake, report_line
from nst_lightning.say import say

_NOBODY = 5.0
"""Seconds after which a page that has not asked again is taken for closed."""


@dataclass(frozen=True)
class Job:
    """One picture to be painted.

    Attributes:
        content: The photograph, a path or ``sample:NAME``.
        style: The painting.
        label: What people call it.
        choices: What it is painted with.
    """

    content: str
    style: str
    label: str
    choices: Choices
    number: int = 0

    @property
    def words(self) -> str:
        """What is painted, and with what, in one line."""
        return f"{self.label}, {self.choices.words}, {self.choices.size} px"


@dataclass(frozen=True)
class State:
    """What every page shows.

    Attributes:
        version: Another one after every change.
        job: What is painted, or was painted last.
        phase: What became of it.
        step: Steps taken.
        steps: Steps in all; 0 before that is known.
        left: Seconds left, if known.
        details: What it is doing at the moment.
        picture: As far as it is painted, small.
        file: The finished picture.
        line: What went wrong, in one line, or what else there is to say.
        waiting: The jobs after this one.
        finished: How many pictures have been finished.
    """

    version: int = 0
    job: Job | None = None
    phase: Literal["idle", "painting", "stopping", "finished", "stopped", "failed"] = "idle"
    step: int = 0
    steps: int = 0
    left: float | None = None
    details: str = ""
    picture: Image.Image | None = None
    file: Path | None = None
    line: str = ""
    waiting: tuple[Job, ...] = ()
    finished: int = 0

    @property
    def busy(self) -> bool:
        """Whether something is painted at the moment or waits for it."""
        return self.phase in ("painting", "stopping") or bool(self.waiting)


Paint = Callable[[Job, "Jobs"], Path]
"""Paints a job, reports on the way, and returns the picture's file."""


@dataclass
class Jobs:
    """Paints one job after another in a thread of its own.

    A run belongs to one thread from its beginning to its end, and a page that is closed or loaded
    anew ends none.
    """

    paint: Paint
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._state, self._changed = State(), threading.Condition()
        self._numbers, self._closed, self._asked = itertools.count(1), False, 0.0
        self._thread = threading.Thread(target=self._work, name="painter", daemon=True)
        self._thread.start()

    @property
    def state(self) -> State:
        """As it is now."""
        return self._state

    def report(self, **changes: Any) -> None:
        """Change fields of the state, and wake the pages."""
        with self._changed:
            self._state = replace(self._state, version=self._state.version + 1, **changes)
            self._changed.notify_all()

    def add(self, job: Job) -> int:
        """Let a job wait for its turn; return how many are before it."""
        with self._changed:
            before = len(self._state.waiting) + (self._state.phase in ("painting", "stopping"))
            job = replace(job, number=next(self._numbers))
            self.report(waiting=(*self._state.waiting, job))
        return before

    def ask_to_stop(self) -> None:
        """Leave the picture as it is after the step in hand; the next job follows."""
        with self._changed:
            if self._state.phase == "painting":
                self.stop.set()
                self.report(phase="stopping")

    def forget_waiting(self) -> None:
        """Let nothing wait any more."""
        self.report(waiting=())

    def after(self, version: int, seconds: float) -> State:
        """Return the state as soon as it is another than that version, or after some seconds."""
        with self._changed:
            self._asked = time.monotonic()
            self._changed.wait_for(lambda: self._state.version != version, seconds)
            return self._state

    @property
    def watched(self) -> bool:
        """Whether some page is open: pictures on the way cost time that nobody need wait for."""
        return time.monotonic() - self._asked < _NOBODY

    def close(self) -> None:
        """Leave the picture in hand as it is, write it, and end."""
        with self._changed:
            self._closed = True
            self.forget_waiting()
            self.ask_to_stop()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or bool(self._state.waiting))
                if self._closed:
                    return
                job, *waiting = self._state.waiting
                self.stop.clear()
                self.report(
                    **{"job": job, "waiting": tuple(waiting), "phase": "painting", "line": ""},
                    **{"step": 0, "steps": 0, "left": None, "details": "reading the pictures"},
                    **{"picture": None, "file": None},
                )
            self._paint(job)

    def _paint(self, job: Job) -> None:
        try:
            file = self.paint(job, self)
        except Exception as error:
            line = str(as_mistake(error) or "") or report_line(error).removeprefix("error: ")
            if as_mistake(error) is None:
                say(f"{job.label}: {line}\n{traceback.format_exc()}", error=True)
            self.report(phase="failed", line=line, details="")
            return
        stopped = self.stop.is_set() and self._state.step < self._state.steps
        self.report(
            **{"phase": "stopped" if stopped else "finished", "file": file, "details": ""},
            **{"finished": self._state.finished + 1, "left": None},
        )
