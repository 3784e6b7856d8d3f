"""Ctrl-C and SIGTERM end the run after the step in hand."""

import signal
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from nst_lightning.say import say


class GracefulStop(Callback):
    """Finishes the step, writes picture and checkpoint, and ends; a second signal ends at once.

    A step that is cut in half leaves picture and optimiser out of step, and then no resume could be
    exact.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start listening (the main thread only: elsewhere signals do not arrive)."""
        self.received = None
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) == signal.SIG_IGN:  # as nohup asks for
                continue
            try:
                self._previous[number] = signal.signal(number, self._handle)
            except ValueError:
                return

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number
        say("\nstopping after this step; once more to stop at once", error=True)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ask the trainer to stop if a signal has come."""
        if self.received is not None:
            trainer.should_stop = True

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the signals back."""
        while self._previous:
            number, handler = self._previous.popitem()
            # Lightning has put back already what was there before its own handlers, at the end of a
            # run and after an exception (where this hook is not called).
            if signal.getsignal(number) == self._handle:
                signal.signal(number, handler)
