"""The geometry of tiles: where a network is cut into stages, and a stage's beginning into tiles."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nst_lightning.encoder import Step
from nst_lightning.losses.places import Tile, layout_of
from nst_lightning.losses.products import at_least_single
from nst_lightning.losses.term import LossTerm

Run = tuple[Tensor, dict[str, Tensor]]
"""What a stage ends with, and the taps on the way."""

Laid = list[tuple[Tensor, Tile]]
"""A tile's part of each layer that is laid together."""

Sums = list[tuple[Tensor, ...]]
"""What each term sums over a tile, of each layer."""

Window = tuple[int, int, int, int]
"""Top, bottom, left and right of a tile, in places of what its stage begins with."""


@dataclass(frozen=True)
class Tiles:
    """How a picture is cut.

    Attributes:
        size: Height and width of a tile in pixels, about.
        stages: Stages that are computed in tiles, 1 to 3: up to the second, the third and the
            fourth pooling. What is behind them is computed whole.
        kept: Of each stage, how many tiles keep their graph for the pass back, where there is
            memory to spare; the others are computed once more. It changes no bit of the result.
    """

    size: int
    stages: int = 1
    kept: tuple[int, ...] = field(default=(), compare=False)

    def size_of(self, stage: int) -> int:
        """Return a tile's size in places of what a stage begins with."""
        # More channels to a place: as many bytes to a tile, about.
        return self.size // (1, 2, 3, 3)[stage]

    @property
    def cuts(self) -> tuple[str, ...]:
        """The poolings that a stage ends with."""
        return ("pool2", "pool3", "pool4")[: self.stages]


def stages(steps: Sequence[Step], cuts: Sequence[str]) -> Iterator[list[Step]]:
    """Give the stages that the steps are cut into, each up to and with a pooling."""
    stage: list[Step] = []
    for step in steps:
        stage.append(step)
        if step[1] in cuts:
            yield stage
            stage = []
    if stage:
        yield stage


def bounds(length: int, size: int, multiple: int) -> list[int]:
    """Return where tiles of about a size begin and end, evenly spread, at multiples of a number."""
    count = max(1, round(length / size)) if length > size else 1
    inner = (round(i * length / count / multiple) * multiple for i in range(1, count))
    return [0, *sorted({at for at in inner if 0 < at < length - length % multiple}), length]


class Stage:
    """A part of the network that is computed in tiles of what it begins with."""

    def __init__(
        self,
        run: Callable[[Tensor], Run],
        steps: Sequence[Step],
        size: tuple[int, int],
        tile: int,
        taps: Sequence[str] = (),
        terms: Mapping[str, LossTerm] | None = None,
        reach: int = 0,
    ) -> None:
        self.run, self.size, self.terms = run, size, terms or {}
        # Of every step's result: places of the beginning to one of its own, and how many of these
        # it sees on each side beyond its own.
        pixels, sees, margin = 1, 0, 0
        self.end = steps[-1][1]
        self.summed: list[tuple[str, str]] = []  # (term, layer)
        self.laid: dict[str, int] = {}  # layers laid together -> places of the beginning to one
        self.scales: dict[str, int] = {}
        for operation, name in steps:
            if operation == "pool":
                pixels *= 2
            elif operation == "conv":
                sees += pixels
            margin = max(margin, sees + reach * pixels)
            self.scales[name] = pixels
            if name not in taps:
                continue
            layer_size = (size[0] // pixels, size[1] // pixels)
            for term_name, term in self.terms.items():
                if name in term.layers:
                    wanted = term.reach(name, layer_size)
                    if wanted is None:
                        self.laid[name] = pixels
                    else:
                        self.summed.append((term_name, name))
                        margin = max(margin, sees + wanted * pixels)
        if operation == "pool":
            self.laid[self.end] = pixels
        self.margin = -(-margin // pixels) * pixels
        self.windows = [
            (top, bottom, left, right)
            for top, bottom in itertools.pairwise(bounds(size[0], tile, pixels))
            for left, right in itertools.pairwise(bounds(size[1], tile, pixels))
        ]
        self.lengths: list[int] = []  # of the sums of each of `summed`
        self.kept = 0  # tiles whose graph is kept
        self.on_tile: Callable[[], None] | None = None  # called after each tile of `each`

    def each(self) -> Iterator[Window]:
        """Give the tiles one after another."""
        for window in self.windows:
            yield window
            if self.on_tile is not None:
                self.on_tile()

    def outer(self, window: Window) -> tuple[slice, slice]:
        """Return the rows and columns that a tile is computed from."""
        top, bottom, left, right = window
        height, width = self.size
        rows = slice(max(top - self.margin, 0), min(bottom + self.margin, height))
        return rows, slice(max(left - self.margin, 0), min(right + self.margin, width))

    def products(self, part: Tensor, window: Window) -> tuple[Laid, Sums]:
        """Return of one tile the layers to be laid together, and the terms' sums."""
        end, taps = self.run(part)
        taps = {**taps, self.end: end}
        laid = [(self.tile(layer, window).own(taps[layer]), self.tile(layer, window))
                for layer in self.laid]  # fmt: skip
        sums = []
        for name, layer in self.summed:
            term = self.terms[name]
            features = taps[layer] if term.takes_half else at_least_single(taps[layer])
            sums.append(term.sums(layer, features, self.tile(layer, window)))
        return laid, sums

    def tile(self, layer: str, window: Window) -> Tile:
        """Return a tile's places in a layer."""
        pixels, (rows, columns) = self.scales[layer], self.outer(window)
        top, bottom, left, right = (at // pixels for at in window)
        size = (self.size[0] // pixels, self.size[1] // pixels)
        return Tile(size, top, bottom, left, right, (rows.start // pixels, columns.start // pixels))


def room(part: Tensor, size: tuple[int, int]) -> Tensor:
    """Return memory for a whole layer that lies as a part does."""
    shape = (*part.shape[:2], *size)
    return torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=layout_of(part))
