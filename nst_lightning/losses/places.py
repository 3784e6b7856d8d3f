"""Which places of a layer a tile has, and what terms need of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from nst_lightning.losses.products import at_least_single


@dataclass(frozen=True)
class Tile:
    """A rectangle of a layer's places, out of more that were computed around it.

    Every place of the layer is one tile's own. The places around are right too, as many of them as
    a term says that it reaches (`LossTerm.reach`), except beyond the layer's borders.

    Attributes:
        size: ``(height, width)`` of the whole layer.
        top: First row of its own.
        bottom: The row after its last.
        left: First column of its own.
        right: The column after its last.
        first: Row and column, in the whole layer, of the first place that was computed.
    """

    size: tuple[int, int]
    top: int
    bottom: int
    left: int
    right: int
    first: tuple[int, int] = (0, 0)

    @property
    def share(self) -> float:
        """How much of the layer is its own."""
        own = (self.bottom - self.top) * (self.right - self.left)
        return own / (self.size[0] * self.size[1])

    def own(self, computed: Tensor) -> Tensor:
        """Return its own places out of those that were computed, ``(N, C, h, w)``."""
        row, column = self.first
        return cropped(
            computed, self.top - row, self.bottom - row, self.left - column, self.right - column
        )

    def out_of(self, whole: Tensor) -> Tensor:
        """Return its own places out of a whole layer, ``(N, C, H, W)``; a view."""
        return whole[..., self.top : self.bottom, self.left : self.right]


@runtime_checkable
class LayerInTiles(Protocol):
    """A layer of a reference that is computed when it is looked at, and not kept."""

    @property
    def shape(self) -> torch.Size:
        """Of the whole, as a tensor's; the number of channels is not known, and 0."""

    def tiles(self, reach: int = 0) -> Iterator[tuple[Tensor, Tile]]:
        """Give each tile, as `LossTerm.sums` gets it, with so many right places around it."""

    def whole(self) -> Tensor:
        """Return the whole layer, ``(N, C, H, W)``."""


def cropped(whole: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """Return a rectangle of ``(N, C, H, W)``; it and its gradient lie in memory as the whole does.

    (A slice's gradient comes back channels first, and all before it would be laid out anew.)
    """
    if (top, bottom, left, right) == (0, whole.shape[-2], 0, whole.shape[-1]):
        return whole
    part: Tensor = _Cropped.apply(whole, (slice(top, bottom), slice(left, right)))
    return part


def layout_of(like: Tensor) -> torch.memory_format:
    """Return in which layout ``(N, C, H, W)`` lies, whatever its strides of one place are."""
    last = like.stride(1) == 1 and like.shape[1] > 1
    return torch.channels_last if last else torch.contiguous_format


class _Cropped(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(whole: Tensor, part: tuple[slice, slice]) -> Tensor:
        rows, columns = part
        return whole[..., rows, columns].clone(memory_format=layout_of(whole))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, tuple[slice, slice]], output: Any) -> None:
        whole, ctx.part = inputs
        ctx.shape, ctx.layout = whole.shape, layout_of(whole)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (grad,), (rows, columns) = grads, ctx.part
        whole = torch.empty(
            ctx.shape, dtype=grad.dtype, device=grad.device, memory_format=ctx.layout
        ).zero_()
        whole[..., rows, columns] = grad
        return whole, None


def averages(computed: Tensor, tile: Tile, size: tuple[int, int]) -> tuple[Tensor, Tile]:
    """Average a tile down to a coarser grid, exactly as ``adaptive_avg_pool2d`` does the whole.

    A place of the grid belongs to the tile in which its first row and column begin, so the tile
    must reach as many places further down and right as a place of the grid is high and wide.

    Args:
        computed: ``(N, C, h, w)``, what was computed of the tile.
        tile: Of the layer.
        size: ``(height, width)`` of the grid, neither larger than the layer's.

    Returns:
        ``(N, C, rows, columns)``, and which of the grid's places these are.
    """
    if size == tile.size:
        own = Tile(size, tile.top, tile.bottom, tile.left, tile.right)
        return tile.own(computed), own
    down = _Bins(tile.top, tile.bottom, tile.size[0], size[0])
    along = _Bins(tile.left, tile.right, tile.size[1], size[1])
    own = Tile(size, down.begin, down.end, along.begin, along.end)
    row, column = tile.first
    part = cropped(
        computed, down.first - row, down.last - row, along.first - column, along.last - column
    )
    over_rows, over_columns = down.members(part), along.members(part)
    # Sums by products with zeros and ones, which are exact in any precision; channels last.
    x = part.permute(0, 2, 3, 1)  # (N, h, w, C)
    x = (over_rows @ x.flatten(2)).view(len(x), len(over_rows), *x.shape[2:])  # (N, rows, w, C)
    x = over_columns @ x  # (N, rows, columns, C)
    counts = torch.outer(over_rows.sum(1), over_columns.sum(1))  # (rows, columns)
    return (x / counts.to(x).unsqueeze(2)).permute(0, 3, 1, 2), own


def reach_of(size: Sequence[int], grid: Sequence[int]) -> int:
    """Return how many places beyond its own a tile must know for `averages`.

    Args:
        size: ``(height, width)`` of the layer.
        grid: Of the grid, neither larger.
    """
    across = max(places / cells for places, cells in zip(size, grid, strict=True))
    return 0 if across == 1 else int(across) + 1


def averaged(layer: LayerInTiles, size: tuple[int, int]) -> Iterator[tuple[Tensor, Tile]]:
    """Give what `averages` gives of each tile of a layer, in float32 at least."""
    for computed, tile in layer.tiles(reach_of(layer.shape[-2:], size)):
        part, own = averages(computed, tile, size)
        yield at_least_single(part), own


def laid_together(
    layer: LayerInTiles, size: tuple[int, int], scale: Tensor | None = None, half: bool = False
) -> Tensor:
    """Return the averages of all tiles as one, ``(N, C, height, width)``, channels last.

    Args:
        layer: In tiles.
        size: ``(height, width)``, neither larger than the layer's.
        scale: What to divide by; None for nothing.
        half: Whether in bfloat16. No more than a tile is in more at a time.
    """
    found: Tensor | None = None
    for part, own in averaged(layer, size):
        part = part if scale is None else part / scale
        if found is None:
            found = torch.empty(
                (*part.shape[:2], *size),
                dtype=torch.bfloat16 if half else part.dtype,
                device=part.device,
                memory_format=torch.channels_last,
            )
        own.out_of(found).copy_(part)
    assert found is not None
    return found


def bands(size: tuple[int, int], grid: tuple[int, int], rows: int) -> Iterator[tuple[slice, Tile]]:
    """Give, of about so many rows each, what `averages` needs to reduce a layer to a grid.

    Yields:
        The layer's rows that must be computed, and the tile.
    """
    (height, width), reach = size, reach_of(size, grid)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        yield slice(top, min(bottom + reach, height)), Tile(size, top, bottom, 0, width, (top, 0))


class _Bins:
    """The bins of one direction that begin within a range of places, and the places in them."""

    def __init__(self, begin: int, end: int, places: int, bins: int) -> None:
        self._places, self._bins = places, bins
        # Bin i has the places from ⌊i · places / bins⌋ to ⌈(i + 1) · places / bins⌉.
        self.begin, self.end = -(-begin * bins // places), -(-end * bins // places)
        self.first = self.begin * places // bins
        self.last = -(-self.end * places // bins)

    def members(self, like: Tensor) -> Tensor:
        """Return 1 where a place is in a bin: ``(bins, places)``."""
        index = torch.arange(self.begin, self.end, device=like.device)[:, None]
        place = torch.arange(self.first, self.last, device=like.device)
        start = index * self._places // self._bins
        stop = -(-(index + 1) * self._places // self._bins)
        return ((place >= start) & (place < stop)).to(like.dtype)
