"""Features of a picture computed tile by tile, so that no more than a tile's are kept at once.

The network is cut behind some of its poolings into stages. In a stage a first pass goes over the
tiles without a graph: what the terms sum over places is added up (`LossTerm.sums`), and what the
next stage begins with is laid together. The pass back goes over the tiles again, with a graph of
one tile at a time. Each tile is computed with a margin as wide as what its places see, so that loss
and gradient are those of the whole picture but for the order of summation; the picture's own
borders are padded as ever. (The two passes are those of Galerne et al., "Scaling Painting Style
Transfer", arXiv:2212.13459, whose margins are fixed and whose tiles go through the whole network.)
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from nst_lightning.encoder import Stepwise
from nst_lightning.losses.places import Tile
from nst_lightning.losses.products import at_least_single
from nst_lightning.losses.term import LossTerm
from nst_lightning.stages import Laid, Run, Stage, Sums, Tiles, Window, room, stages

Seen = dict[str, dict[str, Tensor | tuple[Tensor, ...]]]
"""Term -> layer -> the features, or the sums of what the term's `LossTerm.sums` gave."""

OnTile = Callable[[int, int], None]
"""Is told how many tiles of an evaluation are done, of how many."""


def features_in_tiles(
    encoder: Stepwise,
    terms: Mapping[str, LossTerm],
    picture: Tensor,
    tiles: Tiles,
    on_tile: OnTile | None = None,
) -> Seen:
    """Return what every term looks at in a picture, ``(1, 3, H, W)``; it may be differentiated.

    Args:
        encoder: Whose features.
        terms: By name.
        picture: In [0, 1].
        tiles: How it is cut.
        on_tile: Called after each tile with how many are done, of how many; those of the pass back
            count where there will be one. On a GPU a tile is called done when it was asked for.
    """
    seen: Seen = {name: {} for name in terms}
    half = encoder.in_half(picture)
    parts = list(stages(encoder.steps, tiles.cuts))

    def run(part: Tensor, number: int) -> Run:
        return encoder.run(encoder.prepared(part, half) if number == 0 else part, parts[number])

    tiled: list[Stage] = []
    size = (picture.shape[-2], picture.shape[-1])
    for number, steps in enumerate(parts[: tiles.stages]):
        its_run = functools.partial(run, number=number)
        stage = Stage(its_run, steps, size, tiles.size_of(number), encoder.taps, terms)
        stage.kept = sum(tiles.kept[number : number + 1])
        tiled.append(stage)
        pixels = stage.scales[stage.end]
        size = (size[0] // pixels, size[1] // pixels)
    if on_tile is not None:
        passes = 2 if picture.requires_grad and torch.is_grad_enabled() else 1
        of, numbers = passes * sum(len(stage.windows) for stage in tiled), itertools.count(1)
        for stage in tiled:
            stage.on_tile = lambda: on_tile(next(numbers), of)
    x = picture
    for stage in tiled:
        x = _put_into(seen, stage, x)
    if len(parts) > len(tiled):
        _, taps = run(x, len(tiled))
        for name, term in terms.items():
            seen[name] |= _taken(term, taps)
    return seen


def _taken(term: LossTerm, taps: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {layer: taps[layer] for layer in term.layers if layer in taps}
    return found if term.takes_half else {k: at_least_single(v) for k, v in found.items()}


def _put_into(seen: Seen, stage: Stage, x: Tensor) -> Tensor:
    """Compute the stage, and put what the terms look at where they look for it.

    Returns:
        What the next stage begins with; ``x`` if there is none.
    """
    values: list[Tensor] = list(_InTiles.apply(x, stage))
    laid = {layer: values.pop(0) for layer in stage.laid}
    for (name, layer), length in zip(stage.summed, stage.lengths, strict=True):
        seen[name][layer] = tuple(values.pop(0) for _ in range(length))
    for name, term in stage.terms.items():
        seen[name] = {**_taken(term, laid), **seen[name]}
    return laid.get(stage.end, x)


class _InTiles(torch.autograd.Function):
    """What a stage lays together and sums up, of what it begins with."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stage: Stage) -> tuple[Tensor, ...]:
        wholes: list[Tensor] = []
        totals: list[list[Tensor]] = []
        ctx.kept = {}
        for number, window in enumerate(stage.each()):
            if ctx.needs_input_grad[0] and number < stage.kept:
                part, laid, sums = ctx.kept[window] = _with_graph(x, stage, window)
            else:
                rows, columns = stage.outer(window)
                laid, sums = stage.products(x[..., rows, columns], window)
            if window == stage.windows[0]:
                wholes = [room(part, tile.size) for part, tile in laid]
                totals = [[value.detach() for value in term] for term in sums]
                stage.lengths = [len(term) for term in sums]
            else:
                for total, term in zip(totals, sums, strict=True):
                    total[:] = [a + b for a, b in zip(total, term, strict=True)]
            for whole, (part, tile) in zip(wholes, laid, strict=True):
                tile.out_of(whole).copy_(part)
        ctx.save_for_backward(x)
        ctx.stage = stage
        ctx.set_materialize_grads(False)
        return (*wholes, *(tensor for total in totals for tensor in total))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor, None]:
        (x,), stage = ctx.saved_tensors, ctx.stage
        gradient = torch.zeros_like(x)
        for window in stage.each():
            rows, columns = stage.outer(window)
            part, laid, sums = ctx.kept.pop(window, None) or _with_graph(x, stage, window)
            outputs = [tensor for tensor, _ in laid] + [t for term in sums for t in term]
            places = [tile for _, tile in laid] + [None] * (len(outputs) - len(laid))
            given = [
                (output, grad if tile is None else tile.out_of(grad))
                for output, tile, grad in zip(outputs, places, grads, strict=True)
                if grad is not None and output.requires_grad
            ]
            del laid, sums, outputs
            if given:
                wanted, of_them = zip(*given, strict=True)
                del given
                (of_part,) = torch.autograd.grad(wanted, part, of_them)
                gradient[..., rows, columns] += of_part
        return gradient, None


def _with_graph(x: Tensor, stage: Stage, window: Window) -> tuple[Tensor, Laid, Sums]:
    rows, columns = stage.outer(window)
    with torch.enable_grad():
        part = x[..., rows, columns].detach().requires_grad_()
        return part, *stage.products(part, window)


class LayersInTiles(Mapping[str, "LayerInTiles"]):
    """The layers of a picture that targets are made of, each computed when it is looked at.

    Args:
        encoder: Whose features they are.
        picture: ``(1, 3, H, W)``, in [0, 1].
        tiles: How it is cut.
    """

    def __init__(self, encoder: Stepwise, picture: Tensor, tiles: Tiles) -> None:
        self._encoder, self._tiles = encoder, tiles
        self._stages = list(stages(encoder.steps, tiles.cuts))
        self._half = encoder.in_half(picture)
        self._picture = picture.detach()
        # The newest stage that was looked at, and what it begins with: all would be too large.
        self._begin = (0, self._picture)

    def __getitem__(self, layer: str) -> "LayerInTiles":
        if layer not in self._encoder.taps:
            raise KeyError(layer)
        return LayerInTiles(self, layer)

    def __iter__(self) -> Iterator[str]:
        return iter(self._encoder.taps)

    def __len__(self) -> int:
        return len(self._encoder.taps)

    def size_of(self, layer: str) -> tuple[int, int]:
        """Return a layer's height and width."""
        height, width = self._picture.shape[-2:]
        for operation, name in self._encoder.steps:
            if operation == "pool":
                height, width = height // 2, width // 2
            if name == layer:
                break
        return height, width

    def stage(self, layer: str, reach: int) -> tuple[Stage, Tensor]:
        """Return the stage that ends with a layer, or a pooling, and what it begins with."""
        number, steps = next(
            (number, steps)
            for number, steps in enumerate(self._stages)
            if any(name == layer for _, name in steps)
        )
        if self._begin[0] > number:
            self._begin = (0, self._picture)
        while self._begin[0] < number:
            _, end = self._stages[self._begin[0]][-1]
            self._begin = (self._begin[0] + 1, LayerInTiles(self, end).whole())
        (_, begin), half = self._begin, self._half
        steps = steps[: [name for _, name in steps].index(layer) + 1]

        def run(part: Tensor) -> Run:
            part = self._encoder.prepared(part, half) if number == 0 else part
            return self._encoder.run(part, steps)

        begins = (begin.shape[-2], begin.shape[-1])
        return Stage(run, steps, begins, self._tiles.size_of(number), reach=reach), begin


class LayerInTiles:
    """See `nst_lightning.losses.places.LayerInTiles`."""

    def __init__(self, layers: LayersInTiles, layer: str) -> None:
        self._layers, self._layer = layers, layer

    @property
    def shape(self) -> torch.Size:
        """See the protocol."""
        height, width = self._layers.size_of(self._layer)
        return torch.Size((1, 0, height, width))

    @torch.no_grad()
    def tiles(self, reach: int = 0) -> Iterator[tuple[Tensor, Tile]]:
        """See the protocol."""
        stage, begin = self._layers.stage(self._layer, reach)
        for window in stage.windows:
            rows, columns = stage.outer(window)
            yield stage.run(begin[..., rows, columns])[0], stage.tile(self._layer, window)

    def whole(self) -> Tensor:
        """See the protocol."""
        found: Tensor | None = None
        for computed, tile in self.tiles():
            part = tile.own(computed)
            found = room(part, tile.size) if found is None else found
            tile.out_of(found).copy_(part)
        assert found is not None
        return found


def score(term: LossTerm, picture: Tensor, seen: dict[str, Tensor | tuple[Tensor, ...]]) -> Tensor:
    """Return a term's loss of what `features_in_tiles` gave it."""
    loss: Tensor
    if not term.layers and picture.requires_grad and torch.is_grad_enabled():
        # What it keeps for its gradient is as large as the picture: computed again instead.
        loss = checkpoint(term, picture, {}, use_reentrant=False)
        return loss
    whole = {layer: value for layer, value in seen.items() if isinstance(value, Tensor)}
    if len(whole) < len(seen):
        return term.add_up(picture, seen)
    loss = term(picture, whole)
    return loss
