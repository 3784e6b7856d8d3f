"""A style term on the distribution of each channel."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nst_lightning.losses import functional
from nst_lightning.losses.term import STD5, LossTerm, Reference, blend, blend_weights

_MOST = 6


class MomentLoss(LossTerm):
    """Squared distance of the channels' moments to the style's.

    With two moments this matches mean and standard deviation, the batch-normalisation statistics of
    Li et al., "Demystifying Neural Style Transfer" (2017); with more, the shape of each channel's
    distribution too, as Kalischek, Wegner & Schindler, "In the Light of Feature Distributions"
    (2021). Opposed to both, moments are measured in units of the style's deviations (of the layer's
    mean deviation where the channel's is less), so every layer counts alike, and the k-th counts
    1/k!. It looks at no channel together with
    another, and so costs far less memory than a Gram matrix.

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
        if not self.layers:
            raise self.error("layers is empty; name at least one layer, for instance relu1_1")
        if not 1 <= order <= _MOST:
            raise self.error(f"order must be from 1 to {_MOST}, got {order!r}")
        self.order = order

    @torch.no_grad()
    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        """Keep the styles' blended moments; the content is not looked at."""
        weights = blend_weights(styles)
        for layer in self.layers:
            features = [functional._at_least_single(style.features[layer]) for style in styles]
            flat = [f.flatten(2) for f in features]
            mean = blend(weights, [f.mean(2) for f in flat])
            deviation = blend(weights, [f.std(2, correction=0) for f in flat])
            # In units of its own, a channel that is nearly dead in the style would weigh a million
            # times as much as the others, at the third power.
            deviation = deviation.clamp_min(float(deviation.mean()) + 1e-6)
            moments = [functional.channel_moments(f, mean, deviation, self.order) for f in features]
            self.set_target(f"{layer}_mean", mean)
            self.set_target(f"{layer}_deviation", deviation)
            self.set_target(layer, blend(weights, moments))

    def forward(self, image: Tensor, features: dict[str, Tensor]) -> Tensor:
        """Sum over the layers, each times its weight."""
        return self.sum_layers(self._layer_loss(layer, features[layer]) for layer in self.layers)

    def _layer_loss(self, layer: str, features: Tensor) -> Tensor:
        moments = functional.channel_moments(
            features, self.target(f"{layer}_mean"), self.target(f"{layer}_deviation"), self.order
        )
        squared = (moments - self.target(layer)).square().mean((0, 2))
        return torch.stack([squared[k] / math.factorial(k + 1) for k in range(self.order)]).sum()
