"""A style term on the distribution of each channel."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nst_lightning.checks import whole_number
from nst_lightning.losses.places import Tile
from nst_lightning.losses.products import weighted_sum
from nst_lightning.losses.term import STD5, LossTerm


def channel_moments(features: Tensor, mean: Tensor, deviation: Tensor, order: int) -> Tensor:
    """Moments of each channel over all places, measured against a mean and deviation ``(1, C)``.

    Returns:
        ``(N, order, C)`` of ``(N, C, H, W)``: the mean of the k-th powers, k from 1 to ``order``;
        no unit.
    """
    flat = features.flatten(2)  # (N, C, H·W)
    standard = (flat - mean.unsqueeze(2)) / deviation.unsqueeze(2)
    powers = [standard]
    for _ in range(order - 1):
        powers.append(powers[-1] * standard)
    return torch.stack([power.mean(2) for power in powers], dim=1)


def moment_distance(moments: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of moments ``(N or 1, order, C)``, summed with 1/k! for the k-th."""
    squared = (moments - target).square().mean((0, 2))  # (order,)
    return torch.stack([part / math.factorial(k) for k, part in enumerate(squared, 1)]).sum()


class MomentLoss(LossTerm):
    """Squared distance of the channels' moments to the style's.

    With two moments this matches mean and standard deviation, the batch-normalisation statistics of
    Li et al., "Demystifying Neural Style Transfer" (2017); with more, the shape of each channel's
    distribution too, as Kalischek, Wegner & Schindler, "In the Light of Feature Distributions"
    (2021). Unlike both, moments are measured in units of the style's deviations (of the layer's
    mean deviation where the channel's is less), so every layer counts alike, and the k-th counts
    1/k!. It looks at no channel together with another, and so costs far less memory than a Gram
    matrix.

    Args:
        weight: Factor of the term.
        layers: Where the moments are compared.
        layer_weights: One for each layer, or a single number for all; 1 each by default.
        order: Up to which moment, 1 to 6.

    Raises:
        InputError: If a weight, a layer or the order is not valid.
    """

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[str] = STD5,
        layer_weights: float | list[float] | None = None,
        order: int = 3,
    ) -> None:
        super().__init__(weight, layers, layer_weights)
        self.order = whole_number(self.named("order"), order, least=1, most=6)

    # A picture's moments depend on the target's mean and deviation, so what represents it is its
    # features.

    def blend(
        self, layer: str, representations: Sequence[Tensor], weights: Sequence[float]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and deviation ``(1, C)`` over the styles, and moments ``(1, order, C)`` in these."""
        flat = [features.flatten(2) for features in representations]
        mean = weighted_sum(weights, [f.mean(2) for f in flat])
        deviation = weighted_sum(weights, [f.std(2, correction=0) for f in flat])
        # In units of its own, a channel that is nearly dead in the style would weigh a million
        # times as much as the others, at the third power.
        deviation = deviation.clamp_min(float(deviation.mean()) + 1e-6)
        moments = [channel_moments(f, mean, deviation, self.order) for f in representations]
        return mean, deviation, weighted_sum(weights, moments)

    def distance(
        self, layer: str, representation: Tensor, target: tuple[Tensor, Tensor, Tensor]
    ) -> Tensor:
        """See `moment_distance`."""
        mean, deviation, moments = target
        return moment_distance(
            channel_moments(representation, mean, deviation, self.order), moments
        )

    def reach(self, layer: str, size: tuple[int, int]) -> int | None:
        """See the base class: 0."""
        return 0

    def sums(self, layer: str, computed: Tensor, tile: Tile) -> tuple[Tensor, ...]:
        """Return the moments ``(N, order, C)``, each times the tile's share of the places."""
        mean, deviation, _ = self.target(layer)
        moments = channel_moments(tile.own(computed), mean, deviation, self.order)
        return (moments.double() * tile.share,)

    def score_sums(self, layer: str, sums: tuple[Tensor, ...]) -> Tensor:
        """See `moment_distance`."""
        return moment_distance(sums[0], self.target(layer)[2])
