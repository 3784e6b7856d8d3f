"""The last lines of a run: where the picture is and what became of it."""

import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from nst_lightning.board import log_beginning, log_result
from nst_lightning.callbacks.image_checkpoint import ImageCheckpoint
from nst_lightning.data.image_pair import pictures_of
from nst_lightning.say import say


class RunSummary(Callback):
    """Prints the picture's path, the loss by term, SSIM and MSE to the content, and the time.

    Args:
        images: What writes the picture, if anything does.
    """

    def __init__(self, images: ImageCheckpoint | None = None) -> None:
        self._images = images
        self._started = time.monotonic()
        self._trained = False

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Start the clock."""
        self._started = time.monotonic()
        for note in pictures_of(trainer).notes:
            say(f"note: {note}")

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Say what will be done."""
        self._trained, pair = True, pictures_of(trainer)
        width, height = pair.largest
        scales = f", {len(pair.scales) + 1} scales" if pair.scales else ""
        steps = f"{trainer.estimated_stepping_batches} steps".replace("inf steps", "no last step")
        steps += f" from step {trainer.global_step}" if trainer.global_step else ""
        say(
            f"painting {width}x{height} px, {steps}{scales}, on {pl_module.device}, into "
            f"{Path(trainer.default_root_dir)}",
        )
        log_beginning(trainer.loggers)

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Say so if the checkpoint was that of a finished run."""
        if not self._trained:
            step = trainer.global_step
            name = "max_steps" if trainer.max_steps in range(step + 1) else "max_epochs"
            longer = step < trainer.estimated_stepping_batches
            why = ", for its epochs are done" if longer else ""
            done = f"the run is finished already, at step {step}{why}"
            say(f"{done}; to go on, raise --trainer.{name}")

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Measure the picture, print, and tell TensorBoard."""
        measures = measures_of(trainer, pl_module)
        log_result(trainer.loggers, measures, trainer.global_step)
        losses = {k: v for k, v in measures.items() if k.endswith("_loss")}
        terms = ", ".join(f"{name.removesuffix('_loss')} {v:.4g}" for name, v in losses.items())
        if self._images is not None:
            say(f"picture  {self._images.out or self._images.result_path(trainer)}")
        total = f"{measures['loss']:.4g} ({terms})"
        say(f"loss     {total} of this picture, after {trainer.global_step} steps")
        say(f"content  SSIM {measures['ssim']:.3f}, MSE {measures['mse']:.4f}")
        say(f"time     {_duration(time.monotonic() - self._started)}")


@torch.no_grad()
def measures_of(trainer: Trainer, pl_module: Any) -> dict[str, float]:
    """Return the losses of the picture by term, their sum ``loss``, and ``ssim`` and ``mse``."""
    from torchmetrics.functional import mean_squared_error

    from nst_lightning.metrics.functional import structural_similarity
    from nst_lightning.metrics.pictures import MEASURED_SIDE, reduced

    picture = pl_module.picture()
    content = pictures_of(trainer).content.to(picture.device)
    found = {name: float(value) for name, value in pl_module.losses(picture).items()}
    seen, wanted = (reduced(shown, MEASURED_SIDE) for shown in (picture, content))
    ssim, mse = structural_similarity(seen, wanted), mean_squared_error(seen, wanted)
    return found | {"ssim": float(ssim), "mse": float(mse)}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
