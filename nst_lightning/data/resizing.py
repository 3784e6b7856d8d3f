"""The antialiased resampling that gets a picture to its size."""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from nst_lightning.data.rows import Rows, joined
from nst_lightning.data.sides import fit_long_side

# Below this opacity dividing by it is too unsteady: the colour fades to the fill colour instead.
_FAINT_ALPHA = 1 / 16


def resize_to(pixels: Tensor, size: Sequence[int]) -> Tensor:
    """Resize by bicubic interpolation, with the kernel widened when shrinking (antialiasing).

    (N, C, H, W) with values in [0, 1] becomes (N, C, *size); the very same tensor if it has the
    size, ``(height, width)`` in pixels, already.
    """
    if tuple(pixels.shape[-2:]) == tuple(size):
        return pixels
    resized = F.interpolate(pixels, size=tuple(size), mode="bicubic", antialias=True)
    return resized.clamp(0.0, 1.0)


def carry_up(picture: Tensor, coarse: Tensor, fine: Tensor, detail: float = 1.0) -> Tensor:
    """Bring a painting of a content to a larger size without losing the content's detail.

    What the painting changed is enlarged and laid on the content at its new size: the strokes are
    carried up, and what only the larger content shows comes in.

    Args:
        picture: The painting, ``(1, 3, h, w)`` in [0, 1].
        coarse: The content at its size.
        fine: The content at the new size, ``(1, 3, H, W)``, which is the result's.
        detail: Share of the content's detail that comes in, from 0 to 1.
    """
    size = fine.shape[-2:]
    if detail < 1:
        without = F.interpolate(coarse, size=size, mode="bicubic", antialias=True)
        fine = torch.lerp(without, fine, detail)
    change = F.interpolate(picture - coarse, size=size, mode="bicubic", antialias=True)
    return change.add_(fine).clamp_(0.0, 1.0)


def at_most(pixels: Tensor, alpha: Tensor | None, side: int | None) -> tuple[Tensor, Tensor | None]:
    """Shrink a picture, and its alpha, whose long side is over so many pixels; None for no limit.

    The very same tensors if it is not.
    """
    height, width = pixels.shape[-2:]
    if side is None or max(height, width) <= side:
        return pixels, alpha
    size = fit_long_side(width, height, side)
    if alpha is None:
        return resize_to(pixels, size), None
    return resize_with_alpha(pixels, alpha.to(pixels), size)


def resize_with_alpha(pixels: Tensor, alpha: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Resize a picture with transparency as `resized` does.

    Args:
        pixels: Shape (1, 3, H, W), not premultiplied.
        alpha: Shape (1, 1, H, W), with at least one value above 0.
        size: ``(height, width)`` in pixels.

    Returns:
        Pixels, not premultiplied, and alpha of the new size.
    """
    height, width = alpha.shape[-2:]
    source = Rows(height, width, True, lambda r: (pixels[..., r, :], alpha[..., r, :]), [])
    pixels, opacity = resized(source, size)
    assert opacity is not None
    return pixels, opacity


def resized(source: Rows, size: Sequence[int]) -> tuple[Tensor, Tensor | None]:
    """Resize a picture that is read in bands: as `resize_to`, but no copy of the whole is made.

    One with transparency is resized premultiplied, so that no colour from under a transparent pixel
    bleeds out. Wholly transparent pixels get the mean colour of what can be seen: what lies under a
    zero alpha is arbitrary (often black, sometimes rubbish), yet the network would see it as edges.

    Args:
        source: With at least one alpha above 0 if it is transparent.
        size: ``(height, width)`` in pixels.

    Returns:
        Pixels, not premultiplied, and alpha of the new size; no alpha of an opaque picture.
    """
    same = (source.height, source.width) == tuple(size)
    if not source.transparent:
        if same:
            return source.whole()
        parts = (pixels for pixels, _ in source)
        return _bicubic(parts, source.height, size).clamp_(0.0, 1.0), None
    fill = _mean_seen(source)  # (1, 3, 1, 1)
    if same:
        parts = (torch.where(alpha > 0, pixels, fill) for pixels, alpha in source.with_alpha())
        return joined(parts, source.height), joined(source.alphas(), source.height)
    # Premultiplied about the fill colour, not about black: where the picture is faint, the division
    # below then ends at that colour.
    parts = (
        (torch.where(alpha > 0, pixels, fill) - fill) * alpha
        for pixels, alpha in source.with_alpha()
    )
    colour = _bicubic(parts, source.height, size)
    opacity = _bicubic(source.alphas(), source.height, size).clamp_(0.0, 1.0)
    colour /= opacity.clamp(min=_FAINT_ALPHA)
    return colour.add_(fill).clamp_(0.0, 1.0), opacity


def _mean_seen(source: Rows) -> Tensor:
    """Return the mean colour, each pixel as heavy as it is opaque."""
    total = weight = torch.zeros((), dtype=torch.float64)
    for pixels, alpha in source.with_alpha():
        total = total + (pixels * alpha.double()).sum((-2, -1), keepdim=True)
        weight = weight + alpha.double().sum()
    return (total / weight).to(pixels.dtype)


def _bicubic(parts: Iterable[Tensor], height: int, size: Sequence[int]) -> Tensor:
    """Resize bands of rows as one picture: across, then down, as F.interpolate itself does."""
    across = (
        F.interpolate(part, (part.shape[-2], size[1]), mode="bicubic", antialias=True)
        for part in parts
    )
    narrow = joined(across, height)
    down = narrow.new_empty(*narrow.shape[:2], *size)
    # A channel at a time: F.interpolate makes a copy of what it gets.
    for channel, plane in zip(torch.split(down, 1, 1), torch.split(narrow, 1, 1), strict=True):
        channel[:] = F.interpolate(plane, tuple(size), mode="bicubic", antialias=True)
    return down
