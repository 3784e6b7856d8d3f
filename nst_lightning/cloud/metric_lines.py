"""One line a logging step that SageMaker's metric definitions can read."""

import math
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

MARK = "nst"
"""First word of every metric line."""


def metric_line(values: Mapping[str, float], **labels: Any) -> str:
    """Return a line such as ``nst step=3 loss=12.5 style_loss=11;``.

    Args:
        values: Numbers by name; those that are not finite are left out, as CloudWatch refuses them.
        labels: Further words, put first.
    """
    words = [f"{key}={value}" for key, value in labels.items()]
    words += [f"{key}={value:.9g}" for key, value in values.items() if math.isfinite(value)]
    return f"{MARK} {' '.join(words)};"


def metric_definitions(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the estimator's ``metric_definitions`` for metrics of these names.

    Args:
        names: As in the lines: ``loss``, ``style_loss``, ``ssim``, ….
    """
    number = r"([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)"
    return [
        {"Name": name, "Regex": rf"{MARK} (?:.* )?{re.escape(name)}={number}[ ;]"} for name in names
    ]


class MetricLines(Callback):
    """Prints the step's losses at every logging step, flushed and ended by a newline."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Print the line."""
        step = trainer.global_step
        if step % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        losses = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name == "loss" or name.endswith("_loss")
        }
        # One write: the toolkit reads the pipe in blocks, and half a line matches nothing.
        sys.stdout.write(metric_line(losses, step=step) + "\n")
        sys.stdout.flush()
