"""Ctrl-C and SIGTERM for a film: heard between its frames, too, and never lost."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from lightning.pytorch import Callback, LightningModule, Trainer

from nst_lightning.callbacks.graceful_stop import FREE, STOPPING, GracefulStop
from nst_lightning.say import say


class Interrupts(Callback):
    """Ends a film after the step in hand, wherever a signal comes; a second one ends it at once.

    A frame's own run listens while it is optimised. Between two runs an exception out of a signal
    could come where Python drops it, and a signal in a frame's last step would be that frame's.
    A handler that the caller has set stays: it is the caller's word on what a signal means.

    Attributes:
        asked: Whether a signal has come.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Start listening (in the main thread only: elsewhere signals do not arrive)."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                if before in FREE:
                    self._before[number] = before
                    signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        while self._before:
            signal.signal(*self._before.popitem())

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        say(STOPPING, error=True)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End the frame's run if a signal has come."""
        if self.asked:
            trainer.should_stop = True
            for stop in trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(stop, GracefulStop):
                    stop.asked = True

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` if a signal has come."""
        if self.asked:
            raise KeyboardInterrupt
