"""A place that comes into sight settles in several frames, not in one.

What comes into sight in one frame is a strip a few pixels wide. Painted once and held from then on,
each strip makes up for what its held neighbours lack, and something that moves leaves stripes
behind. So a place is painted anew while it is young, together with all that came into sight since,
and then held ever more.
"""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from nst_lightning.video.consistency import warp

_ANEW = 3  # frames in which it is painted anew
_SETTLES = 6  # frames after these, until it is held as much as any
SETTLED = _ANEW + _SETTLES
"""The highest age, in frames."""


def of_a_first_frame(height: int, width: int) -> Tensor:
    """Return the ages where nothing is seen for the first time, ``(1, 1, H, W)``."""
    return torch.full((1, 1, height, width), float(SETTLED))


def older(age: Tensor, flow: Tensor, mask: Tensor, hidden: Tensor) -> Tensor:
    """Return how long the places of this frame have been in sight.

    Args:
        age: Of the other frame's places, ``(1, 1, H, W)``, in frames, at most `SETTLED`.
        flow: From this frame to the other, ``(1, 2, H, W)``, in pixels.
        mask: Where that is reliable, ``(1, 1, H, W)``.
        hidden: Where the other frame does not show the place, ``(1, 1, H, W)``, true or false.

    Returns:
        Zero where it was hidden. Noise makes a place unreliable now and then: two frames younger.
    """
    moved = warp(age, flow, "nearest")
    moved = torch.where(mask > 0, moved + 1, moved - 2)
    return torch.where(hidden, torch.zeros_like(moved), moved).clamp(0, SETTLED)


def carried(mask: Tensor, age: Tensor) -> Tensor:
    """Return where a painting is taken over: where it is reliable, and nothing young is near."""
    young = max_pool2d((age <= _ANEW).to(mask), 3, 1, 1)
    return mask * (1 - young)


def held(mask: Tensor, age: Tensor) -> Tensor:
    """Return how much a place is held, of a mask that `carried` returned."""
    return mask * ((age - _ANEW) / _SETTLES).clamp(0, 1).square()
