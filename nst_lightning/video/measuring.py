"""How steady a film is: the difference of neighbouring frames along the flow."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nst_lightning.video.consistency import reliable, warp
from nst_lightning.video.flow import Frame, optical_flow

STILL = 0.1
"""Pixels a frame, below which a place counts as still."""


def warping_error(picture: Tensor, other: Tensor, flow: Tensor, mask: Tensor) -> float:
    """Mean squared difference to another frame moved here, over the places where that is reliable.

    Lai et al., "Learning Blind Video Temporal Consistency" (ECCV 2018), with the masks of Ruder et
    al. (2016).

    Args:
        picture: Shape ``(1, 3, H, W)``, values in [0, 1].
        other: The other frame's, likewise.
        flow: From this frame to the other, ``(1, 2, H, W)`` in pixels.
        mask: ``(1, 1, H, W)`` in [0, 1].

    Returns:
        From 0 to 1; NaN where no place is reliable.
    """
    moved = warp(other, flow)
    return float((mask * (picture - moved).square()).sum() / (mask.sum() * picture.shape[1]))


@dataclass
class Steadiness:
    """Of one frame and the one before it, of the same scene.

    Attributes:
        reliable: Share of the places whose flow is.
        painting: Warping error of the paintings.
        content: Of what was painted: compression, noise and the flow's own errors.
        still: Mean absolute change of the painting where nothing moves, in levels of 255; NaN where
            everything does.
    """

    reliable: float
    painting: float
    content: float
    still: float


def steadiness(frames: Sequence[Frame], paintings: Sequence[Tensor]) -> Steadiness:
    """Measure a frame and the one before it.

    Args:
        frames: The earlier and the later one, ``(H, W, 3)``.
        paintings: Theirs, each ``(1, 3, H, W)``, values in [0, 1].
    """
    flow, back = (
        torch.from_numpy(optical_flow(*pair))[None]
        for pair in ((frames[1], frames[0]), (frames[0], frames[1]))
    )
    mask = reliable(flow, back)
    contents = [torch.from_numpy(f).permute(2, 0, 1)[None].float() / 255 for f in frames]
    still = mask * (flow.square().sum(1, keepdim=True) < STILL**2)
    change = (still * (paintings[1] - paintings[0]).abs()).sum() / (3 * still.sum())
    return Steadiness(
        reliable=float(mask.mean()),
        painting=warping_error(paintings[1], paintings[0], flow, mask),
        content=warping_error(contents[1], contents[0], flow, mask),
        still=float(255 * change),
    )
