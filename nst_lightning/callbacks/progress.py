"""One bar for the whole run: step, loss by term, time left."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from nst_lightning.progress import ProgressBar


class StyleProgressBar(Callback):
    """Shows the run's progress on a terminal, and nothing at all elsewhere."""

    # Not Lightning's ProgressBar: that is one bar an epoch, and wants to count validation too.

    def __init__(self) -> None:
        self._bar: ProgressBar | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar at the step where the run starts or goes on."""
        steps = trainer.estimated_stepping_batches
        self._bar = ProgressBar(steps, "painting", completed=trainer.global_step).start()

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
        self._bar.update(trainer.global_step, details=losses)

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
