"""Notices an exploding loss and goes back to the best picture."""

import math
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from nst_lightning.errors import InputError


class LossExplosion(Callback):
    """Returns to the best picture when the loss explodes, and stops if it keeps doing so.

    An explosion is a loss that is not finite, or above ``factor`` times the best loss of the run. The
    best picture is put back and the optimiser's memory cleared; after ``max_retries`` such returns the
    next one ends the run. A run always ends with its best picture, exploded or not.

    Args:
        factor: How many times the best loss counts as an explosion; above 1.
        max_retries: Returns to the best picture before the run is stopped.
        enabled: False watches nothing, to reproduce what a recipe does by itself.

    Raises:
        InputError: If a value is out of range.
    """

    def __init__(self, factor: float = 1.25, max_retries: int = 3, enabled: bool = True) -> None:
        if not factor > 1:
            raise InputError(f"explosion.factor: {factor} is not above 1; use 1.25, say")
        if max_retries < 0:
            raise InputError(
                f"explosion.max_retries: {max_retries} is negative; use 0 to stop at once"
            )
        self.factor = factor
        self.max_retries = max_retries
        self.enabled = enabled
        self.explosions: list[int] = []
        """The steps at which the loss exploded."""
        self.stopped = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Compare this step's loss with the best."""
        best = pl_module.best
        if not self.enabled or best.loss is None:
            return
        loss, lowest = float(outputs["loss"]), float(best.loss)
        if loss <= self.factor * lowest:  # False for NaN
            return
        if not math.isfinite(lowest):
            raise InputError(
                "the loss is not finite at the very first picture; lower the weights or check the pictures"
            )
        step = trainer.global_step
        self.explosions.append(step)
        pl_module.replace_picture(best.picture)
        what = f"step {step}: the loss exploded ({loss:.4g}; best {lowest:.4g})"
        if len(self.explosions) <= self.max_retries:
            rank_zero_info(
                f"{what}; back to the best picture, try {len(self.explosions)} of {self.max_retries}"
            )
            return
        rank_zero_info(f"{what}; stopping with the best picture")
        self.stopped = True
        trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hand over the best picture if the last one is worse."""
        best = pl_module.best
        if not self.enabled or best.picture is None or pl_module.average is not None:
            return
        with torch.no_grad():
            final = float(pl_module.losses(pl_module.picture())["loss"])
        if not final <= float(best.loss):
            pl_module.replace_picture(best.picture)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know."""
        return {"explosions": list(self.explosions)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting where the checkpoint was written."""
        self.explosions = list(state_dict["explosions"])
