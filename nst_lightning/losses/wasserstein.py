"""The style term of crowsonkb."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nst_lightning.losses import functional
from nst_lightning.losses.term import STD5, LossTerm, Reference, blend, blend_weights


class WassersteinLoss(LossTerm):
    """Squared Wasserstein-2 distance between the Gaussians fitted to the features.

    As in crowsonkb's style-transfer-pytorch. It compares means and covariances, where a Gram matrix
    has both in one, and is measured in the features' own squared units, where Gram losses grow with
    the fourth power. Opposed to that code, the square root is exact; see
    ``functional.wasserstein2``.

    Several styles are blended as one population: the target is the mean and covariance of the
    features of all of them, each style as likely as its weight. (The weighted mean of the
    covariances alone would forget that the styles' means differ.) A style picture may have any
    size.

    The small matrices are in float64, so the device must have it: CPU and CUDA do, Apple's MPS does
    not.

    Args:
        weight: Factor of the term.
        layers: Where style is compared.
        layer_weights: One for each layer, or a single number for all; 1 each by default.
        eps: Added to the diagonal of every covariance, in squared units of the features.

    Raises:
        InputError: If a weight, a layer or ``eps`` is not valid.
    """

    takes_half = True

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[str] = STD5,
        layer_weights: float | list[float] | None = None,
        eps: float = 1e-4,
    ) -> None:
        super().__init__(weight, layers, layer_weights)
        if not self.layers:
            raise self.error("layers is empty; name at least one layer, for instance relu1_1")
        if not math.isfinite(eps) or eps <= 0:
            raise self.error(f"eps must be a finite number > 0, got {eps!r}")
        self.eps = eps

    @torch.no_grad()
    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        """Keep mean and covariance of the styles, one a layer; the content is not looked at."""
        weights = blend_weights(styles)
        for layer in self.layers:
            statistics = [
                functional.gaussian_statistics(style.features[layer], self.eps) for style in styles
            ]
            mean = blend(weights, [m for m, _ in statistics])
            # The law of total covariance: within the styles, and between them.
            covariance = blend(
                weights,
                [c + (m - mean).unsqueeze(2) * (m - mean).unsqueeze(1) for m, c in statistics],
            )
            self.set_target(f"{layer}_mean", mean)
            self.set_target(f"{layer}_covariance", covariance)
            self.set_target(f"{layer}_sqrt", functional.matrix_sqrt(covariance))

    def forward(self, image: Tensor, features: dict[str, Tensor]) -> Tensor:
        """Sum over the layers, each times its weight."""
        return self.sum_layers(self._distance(layer, features[layer]) for layer in self.layers)

    def _distance(self, layer: str, features: Tensor) -> Tensor:
        mean, covariance = functional.gaussian_statistics(features, self.eps)
        distance = functional.wasserstein2(
            mean,
            covariance,
            self.target(f"{layer}_mean"),
            self.target(f"{layer}_covariance"),
            self.target(f"{layer}_sqrt"),
        )
        return distance.to(features.dtype)
