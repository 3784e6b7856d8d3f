"""Where a frame's flow to another one can be trusted.

After Ruder, Dosovitskiy & Brox, "Artistic Style Transfer for Videos" (GCPR 2016), sections 4.2 to
4.4, who take the tests of Sundaram, Brox & Keutzer (ECCV 2010).
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

_SOFT = 0.8  # standard deviation, in pixels, by which a mask's edges are softened


def places(flow: Tensor) -> Tensor:
    """Return where the pixels of a flow ``(1, 2, H, W)`` lead to: x and y, in pixels."""
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(height, dtype=flow.dtype), torch.arange(width, dtype=flow.dtype), indexing="ij"
    )
    return flow + torch.stack([x, y])


def warp(picture: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Return another frame's values at the places of this one.

    Args:
        picture: Of the other frame, ``(1, C, H, W)``.
        flow: From this frame to the other, ``(1, 2, H, W)``, x then y, in pixels.
        mode: ``bilinear``, ``nearest``, or ``spline``: by B-splines of the fifth degree, of which a
            painting that is moved from frame to frame keeps its strokes: moved nine times by half a
            pixel they are as strong as before, while bicubic weights make them a seventh stronger.

    Returns:
        ``(1, C, H, W)``; places beyond the border have the values of the border.
    """
    if mode == "spline":
        return _by_splines(picture, flow)
    height, width = flow.shape[-2:]
    size = flow.new_tensor([max(width - 1, 1), max(height - 1, 1)]).view(1, 2, 1, 1)
    grid = (places(flow) * 2 / size - 1).permute(0, 2, 3, 1)  # (1, H, W, 2)
    moved: Tensor = F.grid_sample(
        picture, grid, mode=mode, padding_mode="border", align_corners=True
    )
    return moved


def _by_splines(picture: Tensor, flow: Tensor) -> Tensor:
    from skimage import transform

    resample: Callable[..., NDArray[np.float64]] = transform.warp
    coordinates = places(flow)[0].flip(0).numpy()  # rows, then columns
    channels = [
        resample(one, coordinates, order=5, mode="edge", clip=False, preserve_range=True)
        for one in picture[0].numpy()
    ]
    return torch.from_numpy(np.stack(channels))[None].to(picture)


def hidden(flow: Tensor, back: Tensor) -> Tensor:
    """Return which places of this frame another one does not show.

    Those that something covers there, |w + ŵ|² ≥ 0.01 (|w|² + |ŵ|²) + 0.5 with ŵ the flow back from
    where w leads, and those where w leads out of the picture.

    Args:
        flow: w = (u, v), from this frame to the other, ``(1, 2, H, W)`` in pixels.
        back: From the other frame to this one.

    Returns:
        ``(1, 1, H, W)``, true or false.
    """
    height, width = flow.shape[-2:]
    returned = warp(back, flow)
    covered = _squared(flow + returned) >= 0.01 * (_squared(flow) + _squared(returned)) + 0.5
    x, y = torch.split(places(flow), 1, 1)
    # To half a pixel: a still camera's flow is never quite zero, and the rim is seen all the same.
    outside = (x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)
    return covered | outside


def reliable(flow: Tensor, back: Tensor) -> Tensor:
    """Return where the flow from this frame to another is reliable, 1 or 0 before softening.

    It is not where the place was `hidden` in the other frame, nor at edges of motion,
    |∇u|² + |∇v|² > 0.01 |w|² + 0.002.

    Args:
        flow: w = (u, v), from this frame to the other, ``(1, 2, H, W)`` in pixels.
        back: From the other frame to this one.

    Returns:
        ``(1, 1, H, W)``, values in [0, 1]: softened by a Gaussian, inwards alone. What comes into
        sight is a pixel or two wide, and held even a little it would never be painted.
    """
    edge = _squared(_slopes(flow)) > 0.01 * _squared(flow) + 0.002
    trusted = (~(hidden(flow, back) | edge)).to(flow.dtype)
    soft: Tensor = gaussian_blur(trusted, 5, _SOFT)
    return soft.clamp(0, 1) * trusted


def _squared(values: Tensor) -> Tensor:
    return values.square().sum(1, keepdim=True)


def _slopes(flow: Tensor) -> Tensor:
    """Return the derivatives of u and v by x and y, ``(1, 4, H, W)``, in pixels a pixel."""
    height, width = flow.shape[-2:]
    slopes = []
    for axis, length in ((3, width), (2, height)):
        slopes.append(torch.gradient(flow, dim=axis)[0] if length > 1 else torch.zeros_like(flow))
    return torch.cat(slopes, 1)


def closest_first(masks: Sequence[Tensor]) -> list[Tensor]:
    """Return masks of frames ever further away, each without what the nearer ones have.

    ``c_long = max(c - Σ c_nearer, 0)`` (Ruder et al., equation 9).

    Args:
        masks: From the nearest frame on, each ``(1, 1, H, W)``.
    """
    left: list[Tensor] = []
    taken = torch.zeros_like(masks[0]) if masks else torch.empty(0)
    for mask in masks:
        left.append((mask - taken).clamp_min(0))
        taken = taken + mask
    return left
