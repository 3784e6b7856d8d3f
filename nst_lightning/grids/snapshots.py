"""Keeps the pictures of a run that a grid shows, with what is known of each."""

import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from nst_lightning.callbacks.loss_explosion import has_exploded
from nst_lightning.data.image_pair import pictures_of
from nst_lightning.data.output import save_image
from nst_lightning.files import write_whole
from nst_lightning.grids.spec import MEASURES
from nst_lightning.metrics.evaluate import PictureMetrics
from nst_lightning.session import Session


class Snapshots(Callback):
    """Writes ``step-00100.png`` and ``step-00100.json`` at the steps that a grid shows.

    Each is the picture that a run of so many steps hands over. Where the run ends by itself before,
    as after too many explosions, the steps that are left show the picture that it ended with.

    Args:
        session: The run.
        steps: Their numbers.
        measure: Measures a picture; None for losses only.
    """

    def __init__(
        self, session: Session, steps: list[int], measure: PictureMetrics | None = None
    ) -> None:
        self.session = session
        self.steps = set(steps)
        self.measure = measure
        self.seconds = 0.0
        self.exploded_at: int | None = None
        self._clock = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Start the clock."""
        self._clock = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the loss; keep the picture if it is one of those."""
        step, loss = trainer.global_step, float(outputs["loss"])
        self.seconds += time.monotonic() - self._clock
        if self._is_above(trainer, pl_module, loss):
            self.exploded_at = self.exploded_at or step
        if step in self.steps:
            self._keep(trainer, pl_module, step, loss)
        self._clock = time.monotonic()

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Show how the run ended in the steps that it did not take, unless it was interrupted."""
        if self.session.interrupted:
            return
        for step in sorted(step for step in self.steps if step > trainer.global_step):
            self._keep(trainer, pl_module, step, math.nan, ended=trainer.global_step)

    @staticmethod
    def _is_above(trainer: Trainer, pl_module: Any, loss: float) -> bool:
        """Whether a loss is an explosion; the best is of the present weights and scale."""
        began: int = pictures_of(trainer).scale_began
        return has_exploded(loss, float(pl_module.best.loss), trainer.global_step - began)

    @torch.no_grad()
    def _keep(
        self, trainer: Trainer, pl_module: Any, step: int, loss: float, ended: int | None = None
    ) -> None:
        painted = pl_module.painted
        if self.session.guard.is_worse(pl_module):
            painted, loss = pl_module.best.picture, float(pl_module.best.loss)
        picture = pl_module.shown(painted)
        row: dict[str, Any] = {"step": step, "seconds": round(self.seconds, 2), "ended": ended}
        finite = bool(torch.isfinite(picture).all())
        folder = Path(trainer.default_root_dir)
        if finite:
            row |= {name: float(value) for name, value in pl_module.losses(picture).items()}
            # A picture of a coarser scale has nothing of its size to be compared with.
            pair = pictures_of(trainer)
            if self.measure is not None and pair.scale == len(pair.scales):
                measures = self.measure(picture.cpu())
                row |= {name: measures[name] for name in MEASURES if name in measures}
        # Within bounds, but of its own colours: moved to a palette they cost loss, as they may.
        within = float(pl_module.losses(pl_module.view.carried(painted))["loss"])
        row["best_loss"] = float(pl_module.best.loss)
        row["first_explosion"] = self.exploded_at
        losses = (within,) if ended is not None else (within, loss)
        row["exploded"] = any(self._is_above(trainer, pl_module, value) for value in losses)
        if finite:
            alpha = pictures_of(trainer).alpha
            save_image(picture, folder / f"step-{step:05d}.png", alpha=alpha)
        # The picture first: where there is a row, there is a picture.
        write_whole(folder / f"step-{step:05d}.json", json.dumps(row))

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know."""
        return {"seconds": self.seconds, "exploded_at": self.exploded_at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint was written."""
        self.seconds, self.exploded_at = state_dict["seconds"], state_dict["exploded_at"]
