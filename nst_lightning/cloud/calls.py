"""Calls of a service that counts them: paced, and repeated later when it is too busy."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class TryAgainError(Exception):
    """The service was too busy, or could not be reached: the same call may succeed later."""


class PacedCalls:
    """Spaces calls evenly, and waits longer and longer while the service says that it is busy.

    Even spacing bounds the calls of every minute, not only their average: of ``n`` a minute, no
    window of ``s`` seconds sees more than ``n * s / 60 + 1``. Repeated calls count like any other.

    Args:
        per_minute: Calls a minute at most.
        patience: Seconds after which a call is given up.
        now: The clock.
        sleep: Waits.
    """

    def __init__(
        self,
        per_minute: int,
        patience: float = 900.0,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.interval = 60.0 / per_minute
        self.patience = patience
        self._now, self._sleep = now, sleep
        self._next = -float("inf")
        self._lock = threading.Lock()

    def __call__(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Make a call.

        Args:
            call: Raises :class:`TryAgainError` if it should be made again.
            *args: Its arguments.
            **kwargs: Its arguments.

        Raises:
            TryAgainError: If the service stays busy for longer than the patience lasts.
        """
        delay, began = 1.0, self._now()
        while True:
            self._wait_for_turn()
            try:
                return call(*args, **kwargs)
            except TryAgainError:
                if self._now() - began + delay > self.patience:
                    raise
                # With jitter, so that several launchers do not come back at the same moment.
                self._sleep(random.uniform(delay / 2, delay))
                delay = min(2 * delay, 60.0)

    def _wait_for_turn(self) -> None:
        with self._lock:
            turn = max(self._now(), self._next)
            self._next = turn + self.interval
        if (wait := turn - self._now()) > 0:
            self._sleep(wait)
