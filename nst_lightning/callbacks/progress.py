"""One bar for the whole run: step, loss by term, time left."""

import sys
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class StyleProgressBar(Callback):
    """Shows the run's progress on a terminal, and nothing at all elsewhere."""

    # Not Lightning's ProgressBar: that is one bar an epoch, and wants to count validation too.

    def __init__(self) -> None:
        self._progress: Any = None
        self._task: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar at the step where the run starts or goes on."""
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("painting"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=Console(stderr=True),
        )
        self._progress.start()
        steps = trainer.estimated_stepping_batches
        self._task = self._progress.add_task(
            "", total=steps, completed=trainer.global_step, losses=""
        )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        if self._progress is None:
            return
        metrics = trainer.callback_metrics
        names = ["loss", *(name for name in metrics if name.endswith("_loss"))]
        losses = "  ".join(
            f"{name.removesuffix('_loss')} {float(metrics[name]):.4g}"
            for name in names
            if name in metrics
        )
        self._progress.update(self._task, completed=trainer.global_step, losses=losses)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close the bar, however the run ended."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Close the bar, which hides the cursor: Lightning calls no teardown then."""
        self.teardown(trainer, pl_module, "fit")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar before the summary is printed."""
        self.teardown(trainer, pl_module, "fit")
