"""Coherence-enhancing filtering: an enlarged painting in strokes instead of blown-up pixels.

After Kyprianidis and Kang, Image and Video Abstraction by Coherence-Enhancing Filtering (Computer
Graphics Forum 30, 2011): smoothed along the strokes, which takes away stairs and the grain that no
longer means anything, and sharpened across them by a shock filter (Osher and Rudin, 1990).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from nst_lightning.data.rows import bands, joined

# In pixels, for a painting enlarged twice: a stair of it is two long.
_TENSOR = 2.0  # standard deviation of the window in which a direction is measured
_ALONG = 4.0  # of the smoothing along it
_REACH = 2  # how far the shock filter looks across
_EDGE = 1.2  # standard deviation of the lightness whose curvature says which side of an edge it is
_SURE = 0.004  # curvature from which on the shock filter works in full: below is noise
_BAND = 2**21  # pixels at a time
_MARGIN = 40  # rows beyond a band that it may depend on: the sum of all of the above, thrice


def coherent(picture: Tensor, sharpness: float = 1.0) -> Tensor:
    """Draw a picture in coherent strokes, a band of rows at a time.

    Args:
        picture: Shape (1, 3, H, W), float, values in [0, 1].
        sharpness: How far it is sharpened across edges, from 0, not at all, to 1.

    Returns:
        The same shape and range.
    """
    height, width = picture.shape[-2:]

    def parts(rows: slice) -> Tensor:
        first, last = max(0, rows.start - _MARGIN), min(height, rows.stop + _MARGIN)
        part = smooth_along(picture[..., first:last, :], _TENSOR, _ALONG)
        if sharpness:
            part = torch.lerp(part, shocked(part, _TENSOR, _REACH), sharpness)
        return part[..., rows.start - first : rows.stop - first, :].clamp(0, 1)

    return joined((parts(rows) for rows in bands(height, width, _BAND)), height)


def structure(picture: Tensor, sigma: float) -> Tensor:
    """Return the direction in which a picture changes most, as a vector of twice its angle.

    Of the structure tensor, summed over the channels (Di Zenzo, 1986): a direction and its
    opposite are the same vector, so that it can be averaged and interpolated.

    Args:
        picture: Shape (N, C, H, W).
        sigma: Standard deviation in pixels of the window that it is averaged over.

    Returns:
        Shape (N, 2, H, W): cosine and sine of twice the angle to the x axis, times how much the
        squared slopes along the direction and across it differ.
    """
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    across, down = padded[..., 2:] - padded[..., :-2], padded[..., 2:, :] - padded[..., :-2, :]
    dx, dy = _scharr(across, -2), _scharr(down, -1)  # (N, C, H, W) each
    doubled = torch.stack([dx * dx - dy * dy, 2 * dx * dy], 1).sum(2)  # (N, 2, H, W)
    return _blurred(doubled, sigma)


def smooth_along(picture: Tensor, window: float, sigma: float) -> Tensor:
    """Average along the lines that follow a picture's strokes (line integral convolution).

    Args:
        picture: Shape (N, C, H, W).
        window: See `structure`.
        sigma: Standard deviation in pixels of the Gaussian along a line, cut off at twice that.
    """
    field, grid, pixel = structure(picture, window), _grid(picture), _pixel(picture)
    both = torch.cat([field, picture], 1)  # (N, 2 + C, H, W)
    total, weights = picture.clone(), 1.0
    for sign in (1.0, -1.0):
        place, heading = grid, sign * _tangent(field)
        for step in range(1, int(2 * sigma) + 1):
            place = place + heading * pixel
            weight = math.exp(-0.5 * (step / sigma) ** 2)
            here = _sample(both, place)
            total.add_(here[:, 2:], alpha=weight)
            weights += weight
            ahead = _tangent(here)
            # The tangent has no sign; a line has: it goes on as it went.
            ahead *= torch.where((ahead * heading).sum(-1, keepdim=True) < 0, -1.0, 1.0)
            heading = ahead
    return total.div_(weights)


def shocked(picture: Tensor, window: float, reach: int) -> Tensor:
    """Sharpen edges: each place becomes what lies on its side of the edge.

    On the light side of an edge, where the lightness bends down, it is the lightest colour across
    the edge within reach, on the dark side the darkest; no colour appears that was not there.

    Args:
        picture: Shape (N, 3, H, W), values in [0, 1].
        window: See `structure`.
        reach: In pixels.
    """
    normal = _angle(structure(picture, window)) * _pixel(picture)
    grid, lightness = _grid(picture), picture.mean(1, keepdim=True)
    smooth = _blurred(lightness, _EDGE)
    bend = _sample(smooth, grid + _EDGE * normal) + _sample(smooth, grid - _EDGE * normal)
    bend = bend - 2 * smooth
    lightest, most = picture, lightness
    darkest, least = picture, lightness
    for step in (step for far in range(1, reach + 1) for step in (far, -far)):
        colour = _sample(picture, grid + step * normal)
        light = colour.mean(1, keepdim=True)
        lightest, most = torch.where(light > most, colour, lightest), torch.maximum(light, most)
        darkest, least = torch.where(light < least, colour, darkest), torch.minimum(light, least)
    edge = (bend.abs() / _SURE).clamp(max=1)
    return torch.lerp(picture, torch.where(bend < 0, lightest, darkest), edge)


def _angle(doubled: Tensor) -> Tensor:
    """Return unit vectors (N, H, W, 2), x first, of half the angle."""
    angle = 0.5 * torch.atan2(doubled[:, 1], doubled[:, 0])
    return torch.stack([angle.cos(), angle.sin()], -1)


def _tangent(doubled: Tensor) -> Tensor:
    x, y = _angle(doubled).unbind(-1)
    return torch.stack([-y, x], -1)


def _grid(picture: Tensor) -> Tensor:
    """Return where grid_sample finds each pixel, (1, H, W, 2)."""
    height, width = picture.shape[-2:]
    y, x = ((2 * torch.arange(n).to(picture) + 1) / n - 1 for n in (height, width))
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]


def _pixel(picture: Tensor) -> Tensor:
    """Return the size of a pixel as grid_sample measures it."""
    height, width = picture.shape[-2:]
    return torch.tensor([2 / width, 2 / height]).to(picture)


def _sample(picture: Tensor, grid: Tensor) -> Tensor:
    grid = grid.expand(picture.shape[0], -1, -1, -1)
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=False)


def _scharr(difference: Tensor, axis: int) -> Tensor:
    """Smooth a central difference over three places of the other axis."""
    size = difference.shape[axis] - 2
    before, here, after = (difference.narrow(axis, start, size) for start in range(3))
    return (3 * before + 10 * here + 3 * after) / 32


def _blurred(picture: Tensor, sigma: float) -> Tensor:
    blurred: Tensor = gaussian_blur(picture, 2 * math.ceil(3 * sigma) + 1, sigma)
    return blurred
