"""One bar for the whole run: step, size, loss by term, time left over all scales."""

import functools
import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from nst_lightning.callbacks.pace import Pace
from nst_lightning.data.image_pair import pictures_of
from nst_lightning.objective import Objective
from nst_lightning.progress import ProgressBar
from nst_lightning.tiles import OnTile


def _bar(steps: float, words: str) -> ProgressBar:
    # Steps of other sizes take longer: what the steps so far took says nothing of the time left.
    return ProgressBar(steps, "painting", details=words, guesses=False)


class _Evaluation:
    """How long the tiles of a step's evaluations take."""

    def __init__(self) -> None:
        self.number = 0
        self.began = self._turned = 0.0  # when it began, and the pass back did
        self._done = self._of = 0

    def add(self, now: float, done: int, of: int) -> None:
        """Note a tile, of how many in both passes."""
        if done == 1:
            self.number, self.began = self.number + 1, now
        if done == of // 2 + 1:
            self._turned = now
        self._done, self._of = done, of

    def seconds(self, now: float) -> float | None:
        """Estimate what the evaluation takes in all; None before the second tile of the pass back.

        A tile takes longer there than before, and what is computed whole lies in between.
        """
        back = self._done - self._of // 2 - 1
        if back < 1:
            return None
        return now - self.began + (now - self._turned) / back * (self._of - self._done)


class StyleProgressBar(Callback):
    """Shows the run's progress on a terminal, and nothing at all elsewhere.

    Args:
        bar: Makes another bar of all steps, with words to begin with: what
            `nst_lightning.progress.ProgressBar` can do but for its ``print``.
    """

    # Not Lightning's ProgressBar: that is one bar an epoch, and wants to count validation too.

    def __init__(self, bar: Callable[[float, str], Any] | None = None) -> None:
        self._make_bar = bar or (_bar)
        self._bar: Any = None
        self._began = 0.0
        self._pace = Pace()
        self._left: float | None = None  # seconds, as the last step ended
        self._losses = ""
        self._evaluation = _Evaluation()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar: what is done before the first step takes minutes for large pictures."""
        steps, details = trainer.estimated_stepping_batches, self._looking(trainer)
        self._bar = self._make_bar(steps, details).start()
        if self._bar.is_shown:
            self._watch(pl_module, functools.partial(self._within_step, trainer))

    def _looking(self, trainer: Trainer, scale: int | None = None) -> str:
        pair = pictures_of(trainer)
        height, width = pair.sizes(pair.scale if scale is None else scale)[0]
        return f"looking at {width}x{height} px  {self._losses}".rstrip()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move the bar to the step where the run starts or goes on."""
        if self._bar is not None:
            self._bar.update(trainer.global_step)

    @staticmethod
    def _watch(pl_module: LightningModule, on_tile: OnTile | None) -> None:
        if isinstance(objective := getattr(pl_module, "objective", None), Objective):
            objective.on_tile = on_tile

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Look at the clock, and say what a new size waits for."""
        self._began, self._evaluation = time.monotonic(), _Evaluation()
        pair = pictures_of(trainer)
        scale = pair.scale_at(trainer.global_step)
        if self._bar is not None and scale != pair.scale:
            self._bar.update(details=self._looking(trainer, scale))

    def _within_step(self, trainer: Trainer, done: int, of: int) -> None:
        """Say how far a step is that is computed in tiles."""
        if self._bar is None:
            return
        now, scale = time.monotonic(), pictures_of(trainer).scale
        self._evaluation.add(now, done, of)
        began, left = self._began, self._left
        if not self._pace.is_steady(scale) and (each := self._evaluation.seconds(now)) is not None:
            began = self._evaluation.began
            left = self._pace.left(trainer, {scale: each})
        tile = f"evaluation {self._evaluation.number}, tile {done} of {of}"
        self._bar.update(
            left=None if left is None else max(0.0, left - (now - began)),
            details=f"{tile}  {self._losses}".rstrip(),
        )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        if self._bar is None or not self._bar.is_shown:
            return
        metrics = trainer.callback_metrics
        names = ["loss", *(name for name in metrics if name.endswith("_loss"))]
        losses = "  ".join(
            # Reading a number waits for the device: only where it is shown.
            f"{name.removesuffix('_loss')} {float(metrics[name]):.4g}"
            for name in names
            if name in metrics
        )
        pair, taken = pictures_of(trainer), time.monotonic() - self._began
        self._pace.add(pair.scale, taken)
        width, height = pair.content.shape[-1], pair.content.shape[-2]
        each = self._pace.seconds[pair.scale]
        self._losses = f"{losses}  {each:.3g} s a step of {width}x{height} px"
        self._left = self._pace.left(trainer)
        self._bar.update(trainer.global_step, left=self._left, details=self._losses)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close the bar, however the run ended."""
        self._watch(pl_module, None)
        if self._bar is not None:
            self._bar.stop()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Close the bar, which hides the cursor: Lightning calls no teardown then."""
        self.teardown(trainer, pl_module, "fit")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar before the summary is printed."""
        self.teardown(trainer, pl_module, "fit")
