"""Pictures in bands of rows, so that what is computed for each pixel needs no copy of the whole."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_BAND = 2**18  # pixels: 3 MB of a picture in float32


def bands(height: int, width: int, pixels: int | None = None) -> Iterator[slice]:
    """Yield the rows of a picture from the top on, about so many pixels at a time."""
    rows = max(1, (pixels or _BAND) // width)
    for first in range(0, height, rows):
        yield slice(first, min(first + rows, height))


def joined(parts: Iterable[Tensor], height: int) -> Tensor:
    """Lay bands of a picture of that height together; they need not all be there at a time."""
    whole, first = torch.empty(0), 0
    for part in parts:
        if not first:
            whole = part.new_empty(*part.shape[:-2], height, part.shape[-1])
        whole[..., first : first + part.shape[-2], :] = part
        first += part.shape[-2]
    return whole


@dataclass
class Rows:
    """A picture that is read in bands.

    Attributes:
        height: In pixels.
        width: In pixels.
        transparent: Whether there is an alpha.
        read: Rows -> pixels (1, 3, h, W), float, not premultiplied, and alpha (1, 1, h, W) or None.
        notes: Remarks for the user.
    """

    height: int
    width: int
    transparent: bool
    read: Callable[[slice], tuple[Tensor, Tensor | None]]
    notes: list[str]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield pixels and alpha of each band; it may be gone through several times."""
        return (self.read(rows) for rows in bands(self.height, self.width))

    def with_alpha(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pixels and alpha of each band of a transparent picture."""
        return ((pixels, alpha) for pixels, alpha in self if alpha is not None)

    def alphas(self) -> Iterator[Tensor]:
        """Yield the alpha of each band; nothing of an opaque picture."""
        return (alpha for _, alpha in self.with_alpha())

    def whole(self) -> tuple[Tensor, Tensor | None]:
        """Return pixels and alpha of the whole."""
        pixels = joined((pixels for pixels, _ in self), self.height)
        return pixels, joined(self.alphas(), self.height) if self.transparent else None
