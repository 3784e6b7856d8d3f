"""What a picture's layers show at the places of one grid, however large the picture is."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nst_lightning.losses.matching import on_grid
from nst_lightning.losses.places import LayerInTiles, averaged
from nst_lightning.losses.products import at_least_single

Size = Sequence[int]


def no_finer(features: Tensor, size: Size) -> Tensor:
    """Return ``(1, C, h, w)`` averaged down to a grid, or as it is where it is coarser than that.

    The result is float32 at least.
    """
    if is_finer(features, size):
        return on_grid(features, size)
    return at_least_single(features)


def is_finer(features: Tensor | LayerInTiles, size: Size) -> bool:
    """Return whether a layer has more places than a grid."""
    return features.shape[-2:].numel() > size[0] * size[1]


def rows_at(features: Tensor, size: Size, index: Tensor) -> Tensor:
    """Return places of a grid, ``(n, C)``; between those of the features they are bilinear.

    Args:
        features: ``(1, C, h, w)``, no finer than the grid. The result is float32 at least.
        size: ``(height, width)`` of the grid.
        index: Of the places, row by row, ``(n,)``.
    """
    height, width = features.shape[-2:]
    rows = features[0].flatten(1).mT  # (h · w, C); a view where channels lie last
    if (height, width) == (size[0], size[1]):
        return at_least_single(rows[index])
    above, below, down = _between(index // size[1], height, size[0])
    left, right, along = _between(index % size[1], width, size[1])
    kind = torch.promote_types(rows.dtype, torch.float32)
    along, down = along.to(rows.device, kind)[:, None], down.to(rows.device, kind)[:, None]
    upper = rows[above * width + left].to(kind).lerp_(rows[above * width + right].to(kind), along)
    lower = rows[below * width + left].to(kind).lerp_(rows[below * width + right].to(kind), along)
    return upper.lerp_(lower, down)


def _between(place: Tensor, length: int, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return between which two of so many places a cell's middle lies, and how far along."""
    at = ((place.double() + 0.5) * (length / cells) - 0.5).clamp_(min=0)
    first = at.long()
    return first, (first + 1).clamp_(max=length - 1), at - first


class Places:
    """A layer's places on a grid; of a layer in tiles no more are kept than are asked for.

    Args:
        features: ``(1, C, h, w)``.
        size: ``(height, width)`` of the grid.
        inside: Which of the grid's places count, ``(height · width,)``; all if None.
    """

    def __init__(
        self, features: Tensor | LayerInTiles, size: Size, inside: Tensor | None = None
    ) -> None:
        self._features, self._size = features, size
        self._which = None if inside is None else inside.nonzero().squeeze(1)

    def __len__(self) -> int:
        """How many count."""
        return self._size[0] * self._size[1] if self._which is None else len(self._which)

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return some of them, ``(n, C)``."""
        index = index if self._which is None else self._which[index.to(self._which.device)]
        layer, size = self._features, self._size
        if isinstance(layer, Tensor):
            return rows_at(no_finer(layer, size), size, index)
        if layer.shape[-2:].numel() < size[0] * size[1]:
            return rows_at(layer.whole(), size, index)
        row, column = index // size[1], index % size[1]
        found: Tensor | None = None
        for part, own in averaged(layer, (size[0], size[1])):
            if found is None:
                row, column = row.to(part.device), column.to(part.device)
                found = part.new_empty(len(index), part.shape[1])
            down, along = row - own.top, column - own.left
            here = (down >= 0) & (row < own.bottom) & (along >= 0) & (column < own.right)
            found[here] = part[0, :, down[here], along[here]].mT
        assert found is not None
        return found


class Hypercolumns:
    """All layers of each place as one vector, ``(P, sum of C)``, put together when asked for.

    Args:
        parts: The layers, each ``(1, C, h, w)``, no finer than the grid.
        size: ``(height, width)`` of the grid.
    """

    def __init__(self, parts: Sequence[Tensor], size: Size) -> None:
        self.parts, self._size = parts, size

    def __len__(self) -> int:
        """How many places the grid has."""
        return self._size[0] * self._size[1]

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return some of them, ``(n, sum of C)``."""
        index = index.to(self.parts[0].device)
        return torch.cat([rows_at(part, self._size, index) for part in self.parts], 1)
