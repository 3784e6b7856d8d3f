"""Where a flow changes: at the edges of what moves, not around them."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from nst_lightning.video.consistency import warp

_STEPS = (8, 4, 2, 1)  # pixels; together as far as a window of the methods spills over
_SHARE, _LEVELS = 0.95, 0.5  # of 255: by how much another motion must fit better, against noise
_MIDDLE = 3  # pixels, square, of the median
_SPREAD, _MOTION = 3.0, 0.25  # standard deviations of what is averaged: pixels of place, of motion


def edges_sharpened(
    flow: NDArray[np.float32], frame: NDArray[np.uint8], other: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Give each place that of its neighbours' motions under which the two frames agree best.

    Motions spread in steps of 8, 4, 2 and 1 pixels, as PatchMatch does it (Barnes et al., SIGGRAPH
    2009), judged on 3 x 3 pixels. A median and a bilateral filter take out what noise chose.

    Args:
        flow: ``(2, H, W)``, x then y, in pixels.
        frame: From which it leads, ``(H, W, 3)``, RGB.
        other: To which it leads.
    """
    here, there = (
        torch.from_numpy(np.moveaxis(one, -1, 0)[None]).float() for one in (frame, other)
    )
    best = torch.from_numpy(flow)[None]  # (1, 2, H, W)
    height, width = flow.shape[1:]
    least = _SHARE * _misfit(here, there, best) - _LEVELS
    for step in _STEPS:
        around = F.pad(best, [step] * 4, mode="replicate")
        for down, right in ((0, step), (2 * step, step), (step, 0), (step, 2 * step)):
            motion = around[..., down : down + height, right : right + width]
            misfit = _misfit(here, there, motion)
            better = misfit < least
            best, least = torch.where(better, motion, best), torch.where(better, misfit, least)
    return _smoothed(best[0].numpy())


def _misfit(here: Tensor, there: Tensor, flow: Tensor) -> Tensor:
    """Return the difference of colours under a flow, a mean of 3 x 3 pixels, ``(1, 1, H, W)``."""
    difference = (here - warp(there, flow)).abs().sum(1, keepdim=True)
    return F.avg_pool2d(F.pad(difference, [1] * 4, mode="replicate"), 3, 1)


def _smoothed(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    from skimage import filters, restoration

    middle: Any = filters.median
    alike: Any = restoration.denoise_bilateral
    window = np.ones((_MIDDLE, _MIDDLE))
    parts = [middle(part, window, mode="nearest") for part in flow]
    # It takes pictures alone: three channels, nothing below zero.
    lowest = min(float(part.min()) for part in parts)
    picture = np.stack([*parts, np.full_like(parts[0], lowest)], -1) - lowest
    smooth = alike(
        picture,
        win_size=9,
        sigma_color=_MOTION,
        sigma_spatial=_SPREAD,
        mode="edge",
        channel_axis=-1,
    )
    return np.ascontiguousarray(np.moveaxis(smooth[..., :2], -1, 0) + lowest, dtype=np.float32)
