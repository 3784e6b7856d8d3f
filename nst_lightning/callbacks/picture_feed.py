"""Shows the picture as it is painted, to whoever looks."""

import time
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image

from nst_lightning.data.encoding import quantise
from nst_lightning.data.image_pair import pictures_of
from nst_lightning.data.resizing import at_most
from nst_lightning.data.sides import fit_long_side

SIDE = 512
"""Long side, at most, of what is shown, in pixels."""
EVERY = 1.0
"""Seconds between two pictures, at least."""


class PictureFeed(Callback):
    """Hands over a small copy of the picture once a second, and the last one.

    Args:
        show: Is given each, all of one size: that of the finished picture, 512 pixels at most.
        watched: Whether somebody looks; else nothing is done but at the end.
    """

    def __init__(
        self, show: Callable[[Image.Image], Any], watched: Callable[[], bool] = lambda: True
    ) -> None:
        self._show, self._watched, self._last = show, watched, 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show the picture, if it is time."""
        if time.monotonic() - self._last >= EVERY and self._watched():
            self._hand_over(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the finished picture."""
        self._hand_over(trainer, pl_module)

    def _hand_over(self, trainer: Trainer, model: Any) -> None:
        pair, self._last = pictures_of(trainer), time.monotonic()
        pixels, alpha = at_most(model.picture(), pair.alpha, SIDE)
        if not bool(torch.isfinite(pixels).all()):  # a step may ruin it; the guard mends that
            return
        picture = Image.fromarray(quantise(pixels, alpha, 8))
        width, height = pair.largest
        if max(width, height) > SIDE:
            height, width = fit_long_side(width, height, SIDE)
        # Those of the coarse scales are enlarged: a page or a cell does not jump.
        self._show(picture.resize((width, height), Image.Resampling.BICUBIC))
