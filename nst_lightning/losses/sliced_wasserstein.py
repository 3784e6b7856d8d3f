"""The style term of whole distributions, seen along random directions."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nst_lightning.checks import whole_number
from nst_lightning.losses.matching import union_by_share
from nst_lightning.losses.products import squared_error
from nst_lightning.losses.reference import Reference
from nst_lightning.losses.term import LossTerm

_NOISE = 1e-3  # that tells equal values apart, as a share of the style's root mean square


def ascending(rows: Tensor, noise: Tensor | None = None) -> Tensor:
    """Sort each row of ``(..., P)``; a value's gradient goes to the place that it came from.

    On a CPU by NumPy, whose sort is 3 times as fast as torch's with a gradient, 12 without.

    Args:
        rows: What is sorted.
        noise: Added where values are compared, so that equal ones come in no order of their places.
    """
    compared = rows.detach() if noise is None else rows.detach() + noise
    if rows.device.type != "cpu":
        return rows.gather(-1, compared.argsort(dim=-1))
    if noise is None and not rows.requires_grad:
        return torch.from_numpy(np.sort(rows.numpy(), axis=-1))
    return rows.gather(-1, torch.from_numpy(np.argsort(compared.numpy(), axis=-1)))


def even_noise(rows: int, columns: int, random: np.random.Generator) -> Tensor:
    """Return ``(rows, columns)`` numbers in [0, 1), in each row at least 1 / (2 columns) apart."""
    # A permutation times an odd number, modulo a power of two, is another one.
    numbers = 1 << (columns - 1).bit_length()
    odd = torch.from_numpy(2 * random.integers(numbers, size=(rows, 1)) + 1)
    shift = torch.from_numpy(random.integers(numbers, size=(rows, 1)))
    ranks = torch.from_numpy(random.permutation(columns))
    return ((odd * ranks + shift) & (numbers - 1)) / numbers


def quantiles(rows: Tensor, count: int) -> Tensor:
    """Return ``(..., count)`` evenly spread quantiles of ascending rows ``(..., P)``.

    They are values of the row: the row itself if it has as many.
    """
    if rows.shape[-1] == count:
        return rows
    middles = 2 * torch.arange(count, device=rows.device) + 1  # of equal parts, times 2 · count
    return rows[..., middles * rows.shape[-1] // (2 * count)]


def wasserstein_1d(a: Tensor, b: Tensor, power: int = 1) -> Tensor:
    """Wasserstein distance of the distributions of ascending rows, without the p-th root.

    The mean, over all quantiles, of their distance to the power p. The rows may differ in length:
    (..., n) and (..., m) -> (...).
    """
    n, m = a.shape[-1], b.shape[-1]
    if n == m:
        return (a - b).abs().pow(power).mean(-1)
    # Where one of the two steps, in units of 1 / (n · m): whole numbers, so exact.
    steps = [torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]
    ends = torch.unique(torch.cat(steps)).to(a.device)
    widths = ends.diff(prepend=ends.new_zeros(1))
    starts = ends - widths
    apart = (a[..., starts // m] - b[..., starts // n]).abs().pow(power)
    distance: Tensor = (apart * widths.to(apart)).sum(-1) / (n * m)
    return distance


def random_directions(count: int, channels: int, random: np.random.Generator) -> Tensor:
    """Return unit vectors ``(count, C)`` in float64, evenly spread over the sphere."""
    return F.normalize(torch.from_numpy(random.standard_normal((count, channels))), dim=1)


def projections(places: Tensor, directions: Tensor) -> Tensor:
    """Project ``(N, P, C)`` onto directions ``(K, C)``: ``(N, K, P)``."""
    # Autocast would round the result of the product to half precision.
    with torch.autocast(device_type=places.device.type, enabled=False):
        return directions.to(places) @ places.mT


class SlicedWassersteinLoss(LossTerm):
    """Distance of the features' distribution to the style's, along random directions.

    Heitz, Vanhoey, Chambon & Belcour, "A Sliced Wasserstein Loss for Neural Texture Synthesis"
    (CVPR 2021, arXiv:2006.07229): the features of all places are projected onto random unit
    vectors, and each projection's sorted values are compared with the style's, by the mean of the
    squared differences. That is all of a distribution, of which a Gram matrix is the second
    moments. Unlike the paper, which draws directions at each evaluation, they are held for several
    steps, so that the loss is smooth between them.

    A style may have any size: it is compared at as many quantiles as the picture has places. Of
    several styles each takes part with as many places, evenly spread, as its share allows. To a
    region belong the places where its mask is at least a half; if there is none, where it is
    largest.

    Args:
        weight: Factor of the term.
        layers: Where distributions are compared.
        layer_weights: One for each layer, or a single number for all; 1 each by default.
        directions: Directions in each layer; as many as it has channels if null.
        every: Steps for which directions are held.
        places: Most places of a picture's layer that take part; of more they are drawn at random,
            anew with the directions. Null for all: sorting a large layer takes longer than the
            network.
        seed: Of directions and places.

    Raises:
        InputError: If a weight, a layer or another value is not valid.
    """

    guided = True

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[str] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1"),
        layer_weights: float | list[float] | None = None,
        directions: int | None = None,
        every: int = 10,
        places: int | None = 16384,
        seed: int = 0,
    ) -> None:
        super().__init__(weight, layers, layer_weights)
        self.every = whole_number(self.named("every"), every, 1)
        self.seed = whole_number(self.named("seed"), seed, 0)
        for name, value in (("directions", directions), ("places", places)):
            if value is not None:
                whole_number(self.named(name), value, 1)
        self.directions, self.places = directions, places
        self._draw = 0

    @torch.no_grad()
    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        """See the base class; the draw is the first of the run."""
        self._draw = 0
        super().set_targets(content, styles)

    # A picture is sorted along the target's directions, so what represents it is its places.

    def represent(self, layer: str, features: Tensor) -> Tensor:
        """Return the places that take part, ``(N, P, C)``."""
        return self._some(layer, features.flatten(2).mT)

    def represent_region(self, layer: str, features: Tensor, guidance: Tensor) -> Tensor:
        """Return the region's places that take part, ``(N, P, C)``."""
        mask = guidance.flatten()
        inside = mask >= mask.max().clamp(max=0.5)
        return self._some(layer, features.flatten(2).mT[:, inside])

    def _some(self, layer: str, places: Tensor) -> Tensor:
        if self.places is None or places.shape[1] <= self.places:
            return places
        chosen = self._random(layer, 1).choice(places.shape[1], self.places, replace=False)
        return places.index_select(1, torch.from_numpy(chosen).to(places.device))

    def _random(self, layer: str, purpose: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, self._draw, self.layers.index(layer), purpose))

    def blend(
        self, layer: str, representations: Sequence[Tensor], weights: Sequence[float]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the styles' places ``(1, P, C)``, directions ``(K, C)``, sorted ``(1, K, P)``."""
        places = [places[0] for places in representations]
        return self._along(layer, union_by_share(places, weights).unsqueeze(0))

    def _along(self, layer: str, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        channels = places.shape[2]
        count = self.directions or channels
        directions = random_directions(count, channels, self._random(layer, 0)).to(places)
        return places, directions, ascending(projections(places, directions))

    def distance(
        self, layer: str, representation: Tensor, target: tuple[Tensor, Tensor, Tensor]
    ) -> Tensor:
        """Return the squared Wasserstein distance, mean over the directions."""
        _, directions, wanted = target
        seen = projections(representation, directions)
        # Where a picture is flat, or black, places are equal, and their order would be the sort's.
        noise = even_noise(seen.shape[1], seen.shape[2], self._random(layer, 2)).to(seen)
        noise *= _NOISE * wanted.square().mean().sqrt().to(seen)
        return squared_error(ascending(seen, noise), quantiles(wanted, seen.shape[2]))

    def redraw(self, step: int, features: Callable[[], Mapping[str, Tensor]]) -> bool:
        """Draw directions and places anew each ``every`` steps."""
        return self._turn_to(step // self.every)

    def held(self) -> Tensor:
        """Return the number of the draw."""
        return torch.tensor(self._draw)

    def hold(self, held: Tensor) -> None:
        """Go on with the draw of `held`."""
        self._turn_to(int(held))

    @torch.no_grad()
    def _turn_to(self, draw: int) -> bool:
        if draw == self._draw:
            return False
        self._draw = draw
        for layer in self.layers:
            for name in self._names(layer):
                places, _, _ = self.target(name)
                self.set_target(name, self._along(layer, places))
        return True
