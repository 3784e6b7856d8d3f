"""Places of pictures, and which of them are most alike."""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from nst_lightning.losses.places import LayerInTiles, Tile, averages, laid_together
from nst_lightning.losses.products import at_least_single
from nst_lightning.processor import has_fast_bfloat16

_SIMILARITIES_AT_ONCE = 2**24  # 64 MB in float32
_ROWS_AT_ONCE = 2**14
_CHUNKS = 8  # of the places that are searched, each of which puts up its best


def on_grid(features: Tensor | LayerInTiles, size: Sequence[int]) -> Tensor:
    """Reduce ``(N, C, H, W)`` to ``(height, width)`` by averaging, or enlarge it linearly.

    The result is float32 at least. Features in half precision are averaged as they are, which is a
    quarter of the time.
    """
    if not isinstance(features, Tensor):
        if features.shape[-2] >= size[0] and features.shape[-1] >= size[1]:
            return laid_together(features, (size[0], size[1]))
        features = features.whole()
    height, width = features.shape[-2:]
    # Not interpolate's antialiasing: for a width of 1 its gradient is wrong (torch 2.14).
    if height * width > size[0] * size[1]:
        if features.is_cuda and torch.are_deterministic_algorithms_enabled():
            # The gradient of what follows has no deterministic kernel (torch 2.14).
            whole = Tile((height, width), 0, height, 0, width)
            return at_least_single(averages(features, whole, (size[0], size[1]))[0])
        return at_least_single(F.adaptive_avg_pool2d(features, (size[0], size[1])))
    features = at_least_single(features)
    if (height, width) == (size[0], size[1]):
        return features
    return F.interpolate(features, size=(size[0], size[1]), mode="bilinear")


def every_so_many(features: Tensor | LayerInTiles, side: int, draw: int = 0) -> Tensor:
    """Take a regular grid of places of ``(N, C, H, W)``, about ``side`` along the longer side.

    Where the grid begins is drawn by the number of the draw.
    """
    features = features if isinstance(features, Tensor) else features.whole()
    height, width = features.shape[-2:]
    stride = -(-max(height, width) // side)  # rounded up
    stride = min(stride, height, width)
    random = torch.Generator().manual_seed(draw)
    top, left = torch.randint(stride, (2,), generator=random).tolist() if stride > 1 else (0, 0)
    rows, columns = height // stride, width // stride
    return features[..., top::stride, left::stride][..., :rows, :columns]


class Rows(Protocol):
    """Vectors, ``(P, C)``, of which some are asked for at a time: a tensor, or made when asked."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: Tensor, /) -> Tensor:
        """Return some of them, ``(n, C)``."""


def most_similar(
    wanted: Rows, there: Tensor, half: bool | None = None, index: Tensor | None = None
) -> Tensor:
    """For each row of ``(P, C)`` the row of ``(S, C)`` with the largest cosine: ``(P,)``.

    Both sides are first centred at the mean of their rows. Memory is bounded by blocks.

    Args:
        wanted: What is searched for.
        there: Where it is searched.
        half: Search in bfloat16; if left out, where the processor multiplies it faster than
            float32. Of equal parts of the rows each then puts up its best, and among these float32
            decides, so what is found is the most similar or, by its cosine, within 0.01 of it.
        index: Which of the rows are searched for; all if None.
    """
    there = F.normalize(there - there.mean(0), dim=1)
    index = torch.arange(len(wanted), device=there.device) if index is None else index
    mean = torch.stack([wanted[block].sum(0) for block in torch.split(index, _ROWS_AT_ONCE)]).sum(0)
    mean /= len(index)
    if half is None:
        half = there.dtype == torch.float32 and not there.is_cuda and has_fast_bfloat16()
    rounded = there.bfloat16().mT.contiguous() if half and len(there) >= 2 * _CHUNKS else None
    found = []
    for block in torch.split(index, max(1, _SIMILARITIES_AT_ONCE // len(there))):
        rows = F.normalize(wanted[block] - mean, dim=1)
        if rounded is None:
            found.append((rows @ there.mT).argmax(1))
        else:
            found.append(_best_of_chunks(rows, there, rounded))
    return torch.cat(found)


def _best_of_chunks(wanted: Tensor, there: Tensor, rounded: Tensor) -> Tensor:
    each = len(there) // _CHUNKS
    similar = wanted.bfloat16() @ rounded  # (P, S)
    best = similar[:, : each * _CHUNKS].reshape(-1, _CHUNKS, each).argmax(2)  # (P, chunks)
    best += each * torch.arange(_CHUNKS, device=best.device)
    left_over = torch.arange(each * _CHUNKS, len(there), device=best.device)
    candidates = torch.cat([best, left_over.expand(len(best), -1)], 1)
    exact = torch.stack([(wanted * there[column]).sum(1) for column in candidates.mT], 1)
    return candidates.gather(1, exact.argmax(1, keepdim=True)).squeeze(1)


def most_similar_by_region(
    wanted: Rows, there: Tensor, regions_wanted: Tensor, regions_there: Tensor
) -> Tensor:
    """Like `most_similar`, where each row is searched for among the rows of its own region.

    Args:
        wanted: ``(P, C)``.
        there: ``(S, C)``, with at least one row of every region that is wanted.
        regions_wanted: Number of each row's region, ``(P,)``.
        regions_there: The same, ``(S,)``.

    Returns:
        Indices into the rows of ``there``, ``(P,)``.
    """
    found = torch.empty_like(regions_wanted)
    for region in torch.unique(regions_wanted):
        mine = (regions_wanted == region).nonzero().squeeze(1)
        theirs = (regions_there == region).nonzero().squeeze(1)
        found[mine] = theirs[most_similar(wanted, there[theirs], index=mine)]
    return found


def evenly(rows: Rows, count: int) -> Tensor:
    """Take at most so many rows, evenly spread, the first and the last among them."""
    if count >= len(rows):
        return rows if isinstance(rows, Tensor) else rows[torch.arange(len(rows))]
    # float32 cannot count the pixels of a large painting; not every device knows float64.
    places = torch.linspace(0, len(rows) - 1, count, dtype=torch.float64).long()
    return rows[places.to(rows.device) if isinstance(rows, Tensor) else places]


def union_by_share(
    places: Sequence[Rows], weights: Sequence[float], most: float = math.inf
) -> Tensor:
    """Join the places ``(S, C)`` of several styles, of each as many as its share allows.

    Args:
        places: Of each style; they are taken evenly spread.
        weights: The styles' shares, above 0; they sum to 1.
        most: No more places than this in all.
    """
    every = list(zip(places, weights, strict=True))
    most = min(most, *(len(rows) / weight for rows, weight in every))
    return torch.cat([evenly(rows, math.ceil(w * most - 1e-9)) for rows, w in every])
