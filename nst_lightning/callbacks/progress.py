"""One bar for the whole run: step, size, loss by term, time left over all scales."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from nst_lightning.data.image_pair import pictures_of
from nst_lightning.progress import ProgressBar

_RECENT = 10  # steps whose mean time counts


def seconds_left(pace: Mapping[int, float], left: Sequence[int], pixels: Sequence[int]) -> float:
    """Estimate the time that a run still takes.

    Args:
        pace: Seconds a step by scale, of at least one; others are estimated by their pixels from
            the largest one known.
        left: Steps left at each scale.
        pixels: Of each scale.
    """
    known = max(pace)
    each = [pace.get(s, pace[known] * size / pixels[known]) for s, size in enumerate(pixels)]
    return sum(steps * seconds for steps, seconds in zip(left, each, strict=True))


class StyleProgressBar(Callback):
    """Shows the run's progress on a terminal, and nothing at all elsewhere."""

    # Not Lightning's ProgressBar: that is one bar an epoch, and wants to count validation too.

    def __init__(self) -> None:
        self._bar: ProgressBar | None = None
        self._began = 0.0
        self._taken: dict[int, list[float]] = {}  # seconds of each step, by scale

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar at the step where the run starts or goes on."""
        steps = trainer.estimated_stepping_batches
        self._bar = ProgressBar(steps, "painting", completed=trainer.global_step).start()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Look at the clock."""
        self._began = time.monotonic()

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
        self._taken.setdefault(pair.scale, []).append(taken)
        pace = {k: sum(v[-_RECENT:]) / len(v[-_RECENT:]) for k, v in self._taken.items()}
        left = pair.steps_left(trainer.global_step, int(trainer.estimated_stepping_batches))
        width, height = pair.content.shape[-1], pair.content.shape[-2]
        self._bar.update(
            trainer.global_step,
            left=seconds_left(pace, left, pair.pixels),
            details=f"{losses}  {pace[pair.scale]:.3g} s a step of {width}x{height} px",
        )

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close the bar, however the run ended."""
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
