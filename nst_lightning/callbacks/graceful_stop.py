"""Ctrl-C and SIGTERM end the run after the step in hand."""

import contextlib
import signal
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from nst_lightning.say import say

FREE = (signal.default_int_handler, signal.SIG_DFL)
"""Handlers that nobody has set: any other is the caller's word on what a signal means."""
STOPPING = "\nstopping after this step; once more to stop at once"
"""What is said to a first signal."""


class GracefulStop(Callback):
    """Finishes the step, writes picture and checkpoint, and ends; a second signal ends at once.

    A step that is cut in half leaves picture and optimiser out of step, and then no resume could be
    exact. A handler that the caller has set is the caller's word on what a signal means: it is
    called at once, and the run goes on unless it raises.

    Attributes:
        received: Number of the signal that came.
        asked: Whether somebody asked otherwise, as by the preview's button: the run ends in the
            same way, and counts as one that did what it was told.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.asked = False
        self._callers: dict[int, Any] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Look whose the signals are, before Lightning sets handlers of its own."""
        self._callers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start listening (the main thread only: elsewhere signals do not arrive)."""
        self.received, self.asked = None, False
        for number, callers in self._callers.items():
            free = callers in FREE
            # None is a handler that Python cannot set again.
            with contextlib.suppress(ValueError, TypeError):
                signal.signal(number, self._handle if free else callers)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number
        say(STOPPING, error=True)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ask the trainer to stop if a signal has come."""
        if self.received is not None or self.asked:
            trainer.should_stop = True

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the signals back."""
        while self._callers:
            number, handler = self._callers.popitem()
            # Lightning has put back already what was there before its own handlers, at the end of a
            # run and after an exception (where this hook is not called).
            if signal.getsignal(number) == self._handle:
                signal.signal(number, handler)
