"""How much memory a run takes at most, estimated before it begins."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nst_lightning.encoder import Step, Stepwise
from nst_lightning.losses.term import LossTerm
from nst_lightning.stages import Stage, Tiles, stages
from nst_lightning.vgg19 import CONVOLUTIONS

# Times what is computed, since blocks freed lie scattered; and what a process that computes in
# tiles, whose blocks are kept, has besides.
_SURE, SURE_IN_TILES, _SCATTERED = 1.24, 1.15, 0.7e9
_CHANNELS = {c.name: c.shape[0] for c in CONVOLUTIONS}

Size = tuple[int, int]


@dataclass(frozen=True)
class Job:
    """What is to be computed.

    Attributes:
        encoder: Whose features.
        terms: By name.
        content: Height and width of the picture.
        styles: Of each style.
        half: Whether the features of the picture are bfloat16.
        pairs: Secant pairs that the optimiser keeps; 0 if it keeps none.
    """

    encoder: Stepwise
    terms: Mapping[str, LossTerm]
    content: Size
    styles: Sequence[Size]
    half: bool
    pairs: int = 0

    def scaled(self, factor: float) -> "Job":
        """Return the same at another size."""
        content, *styles = (
            (max(1, round(h * factor)), max(1, round(w * factor)))
            for h, w in (self.content, *self.styles)
        )
        return Job(self.encoder, self.terms, content, styles, self.half, self.pairs)


def peak(job: Job, tiles: Tiles | None, pairs: int, half: bool) -> float:
    """Return the bytes beside the pictures of all scales, which are there before."""
    pixels, of_styles = math.prod(job.content), [math.prod(size) for size in job.styles]
    picture = 12 * pixels  # float32
    kept, redrawn = _kept(job, tiles is not None)
    # The picture, its gradient, both of the step before, the best one, a preconditioner's filter.
    steady = picture * (7 + 2 * pairs / (2 if half else 1)) + kept
    # Fourier transforms in the optimiser, to show and to write a picture; pairs for a checkpoint.
    step = picture * max(9, 2 * pairs / (2 if half else 1))
    if tiles is None:
        taps = sum(_channels(n) / _area(n) for n in job.encoder.taps)
        references = 4 * (taps * (pixels + sum(of_styles)) + 3 * 64 * max(pixels, *of_styles))
        search = redrawn + references / 2
    else:
        # What two stages begin with, and a layer of the fourth block.
        begins = 48.0 * max(pixels, *of_styles)
        references = begins + 32.0 * (pixels + sum(of_styles)) + _tile(job, tiles, 4)
        # Of the content, which is mixed in: what two stages begin with, or one and a layer.
        search = redrawn + 48.0 * pixels + _tile(job, tiles, 4)
    found = steady + max(_evaluation(job, tiles), references, search, step)
    return _SURE * found if tiles is None else SURE_IN_TILES * found + _SCATTERED


def _evaluation(job: Job, tiles: Tiles | None) -> float:
    pixels, number = math.prod(job.content), 2 if job.half else 4
    parts = list(stages(job.encoder.steps, tiles.cuts if tiles is not None else ()))
    cut = tiles.stages if tiles is not None else 0
    carried, area = 0.0, 1
    for steps in parts[:cut]:
        channels = _channels(steps[-1][1])
        area *= 4 ** sum(operation == "pool" for operation, _ in steps)
        carried += 2 * number * channels * pixels / area  # and its gradient
        for name in (name for _, name in steps if name in job.encoder.taps):
            laid = any(
                name in term.layers and term.reach(name, job.content) is None
                for term in job.terms.values()
            )
            # The layer, as float32, and the gradient.
            carried += laid * (2 * number + 8) * _channels(name) * pixels / _area(name)
    rest = [step for steps in parts[cut:] for step in steps]
    # What terms make of the layers behind the cut, in float32, until the gradient is taken.
    seen = sum(12 * _channels(name) / _area(name) for _, name in rest if name in job.encoder.taps)
    whole = _graph(rest, number) / area
    largest = max((_channels(name) / _area(name) for _, name in rest), default=0.0)
    work = max(3.0 * number * largest * pixels, _tile(job, tiles, number) if tiles else 0.0)
    return carried + (whole + seen) * pixels + work


def tiles_kept(job: Job, tiles: Tiles, bytes_: float) -> tuple[int, ...]:
    """Return of each stage how many tiles' graphs so many bytes hold."""
    numbers = []
    for count, one in _tiles(job, tiles, 2 if job.half else 4):
        numbers.append(min(count, int(max(bytes_, 0.0) / one)))
        bytes_ -= numbers[-1] * one
    return tuple(numbers)


def _tile(job: Job, tiles: Tiles, number: int) -> float:
    """Return the bytes of the largest tile, with its graph."""
    return max(one for _, one in _tiles(job, tiles, number))


def _tiles(job: Job, tiles: Tiles, number: int) -> Iterator[tuple[int, float]]:
    """Give how many tiles each stage has, and the bytes of the largest, with its graph."""
    height, width = job.content
    for place, steps in enumerate(list(stages(job.encoder.steps, tiles.cuts))[: tiles.stages]):
        stage = Stage(lambda x: (x, {}), steps, (height, width), tiles.size_of(place))
        sides = [stage.outer(window) for window in stage.windows]
        cells = max((r.stop - r.start) * (c.stop - c.start) for r, c in sides)
        one = 3 * number * _channels(steps[0][1])  # in the work, of the first layer's size
        yield len(sides), cells * (_graph(steps, number) + one)
        height, width = (side // stage.scales[stage.end] for side in (height, width))


def _graph(steps: Sequence[Step], number: int) -> float:
    """Return the bytes a place, of what the steps begin with, that a graph of theirs keeps."""
    kept, area = 0.0, 1
    for operation, name in steps:
        if operation == "pool":
            kept += 8 * _channels(name) / (4 * area)  # where the maxima were
            area *= 4
            continue
        # A ReLU's result; and as much for what a convolution begins with, padded.
        kept += number * _channels(name) / area
    return kept


def _kept(job: Job, in_tiles: bool) -> tuple[float, float]:
    """Return the bytes of the terms' targets, and what they take besides to renew them."""
    kept = redrawn = 0.0
    for term in job.terms.values():
        places = {layer: math.prod(job.content) / _area(layer) for layer in term.layers}
        for layer in term.layers:
            always, then = term.places_kept(layer, places, in_tiles)
            kept += 4 * _channels(layer) * always
            redrawn += 4 * _channels(layer) * then
    return kept, redrawn


def _area(layer: str) -> int:
    """Return how many pixels a place of a layer has."""
    return int(4 ** (int(layer[4]) - 1))


def _channels(name: str) -> int:
    if name.startswith("pool"):
        return _CHANNELS[f"conv{name[4:]}_1"]
    return _CHANNELS["conv" + name[4:]]
