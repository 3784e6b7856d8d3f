"""Sizes by the long side, and the antialiased resampling that gets there."""

import math
import operator

import torch
import torch.nn.functional as F
from torch import Tensor

from nst_lightning.errors import InputError

MINIMUM_SIDE = 16
"""Pixels: below this the deepest layers of VGG-19 have nothing left to look at."""
MAXIMUM_SIDE = 16384
"""Pixels: the largest long side that may be asked for."""

# Below this opacity dividing by it is too unsteady: the colour fades to the fill colour instead.
_FAINT_ALPHA = 1 / 16


def check_size(size: object, key: str = "size") -> int:
    """Return a long side in pixels as an ``int``.

    Raises:
        InputError: If it is not a whole number between `MINIMUM_SIDE` and `MAXIMUM_SIDE`.
    """
    try:
        if isinstance(size, bool):
            raise TypeError
        value = operator.index(size)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"{key} must be a whole number of pixels, not {size!r}") from None
    if not MINIMUM_SIDE <= value <= MAXIMUM_SIDE:
        raise InputError(
            f"{key} is {value}, but must be from {MINIMUM_SIDE} to {MAXIMUM_SIDE} pixels"
        )
    return value


def fit_long_side(width: int, height: int, size: int) -> tuple[int, int]:
    """Return ``(height, width)`` with the long side ``size`` and the other rounded, at least 1."""
    long, short = max(width, height), min(width, height)
    # Integers throughout: halves are rounded up whatever the sizes.
    other = max(1, (2 * short * size + long) // (2 * long))
    return (other, size) if width >= height else (size, other)


def check_sides(name: str, width: int, height: int, size: int | None = None) -> None:
    """Refuse a picture that the network cannot see, before or after resizing.

    Args:
        name: What to call the picture in the message.
        width: Its width in pixels.
        height: Its height in pixels.
        size: The long side that it is to get; None if it stays as it is, or is not known yet.

    Raises:
        InputError: If a side has, or would get, less than `MINIMUM_SIDE` pixels.
    """
    least = f"every side must have at least {MINIMUM_SIDE}"
    if min(width, height) < MINIMUM_SIDE:
        raise InputError(f"{name} is {width} x {height} pixels; {least}: use another picture")
    if size is None:
        return
    new_height, new_width = fit_long_side(width, height, size)
    if min(new_width, new_height) < MINIMUM_SIDE:
        needed = math.ceil(MINIMUM_SIDE * max(width, height) / min(width, height))
        advice = f"use size {needed} or more, or crop it" if needed <= MAXIMUM_SIDE else "crop it"
        raise InputError(
            f"{name} is {width} x {height} pixels and becomes {new_width} x {new_height} "
            f"at size {size}; {least}: {advice}"
        )


def resize_to(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize by bicubic interpolation, with the kernel widened when shrinking (antialiasing).

    Args:
        pixels: Shape (N, C, H, W), values in [0, 1].
        size: ``(height, width)`` in pixels.

    Returns:
        Shape (N, C, *size), values in [0, 1]; the very same tensor if it has the size already.
    """
    if tuple(pixels.shape[-2:]) == tuple(size):
        return pixels
    resized = F.interpolate(pixels, size=size, mode="bicubic", antialias=True, align_corners=False)
    return resized.clamp(0.0, 1.0)


def carry_up(picture: Tensor, coarse: Tensor, fine: Tensor) -> Tensor:
    """Bring a painting of a content to a larger size without losing the content's detail.

    What the painting changed is enlarged and laid on the content at its new size: the strokes are
    carried up, and what only the larger content shows comes in.

    Args:
        picture: The painting, ``(1, 3, h, w)`` in [0, 1].
        coarse: The content at its size.
        fine: The content at the new size, ``(1, 3, H, W)``.

    Returns:
        ``(1, 3, H, W)`` in [0, 1].
    """
    change = F.interpolate(
        picture - coarse, size=tuple(fine.shape[-2:]), mode="bicubic", antialias=True
    )
    return (fine + change).clamp(0.0, 1.0)


def fill_transparent(pixels: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Give wholly transparent pixels the mean colour of what can be seen.

    What lies under a zero alpha is arbitrary (often black, sometimes rubbish), yet the network
    would see it as edges and texture.

    Args:
        pixels: Shape (1, 3, H, W), not premultiplied.
        alpha: Shape (1, 1, H, W), with at least one value above 0.

    Returns:
        The filled pixels, and the colour of the filling, shape (1, 3, 1, 1).
    """
    weight = alpha.double()
    mean = (pixels * weight).sum((-2, -1), keepdim=True) / weight.sum((-2, -1), keepdim=True)
    fill = mean.to(pixels.dtype)
    return torch.where(alpha > 0, pixels, fill), fill


def resize_with_alpha(
    pixels: Tensor, alpha: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Resize premultiplied, so that no colour from under a transparent pixel bleeds out.

    Args:
        pixels: Shape (1, 3, H, W), not premultiplied.
        alpha: Shape (1, 1, H, W).
        size: ``(height, width)`` in pixels.

    Returns:
        Pixels (not premultiplied, transparent ones filled) and alpha of the new size.
    """
    pixels, fill = fill_transparent(pixels, alpha)
    if tuple(pixels.shape[-2:]) == tuple(size):
        return pixels, alpha
    # Premultiplied about the fill colour, not about black: where the picture is faint, the division
    # below then ends at that colour.
    colour = F.interpolate((pixels - fill) * alpha, size=size, mode="bicubic", antialias=True)
    opacity = F.interpolate(alpha, size=size, mode="bicubic", antialias=True).clamp(0.0, 1.0)
    return (fill + colour / opacity.clamp(min=_FAINT_ALPHA)).clamp(0.0, 1.0), opacity
