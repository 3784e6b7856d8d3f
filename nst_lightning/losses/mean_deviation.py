"""A style term on the mean and the standard deviation of each channel."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nst_lightning.losses.products import squared_error
from nst_lightning.losses.summed import SummedTerm
from nst_lightning.losses.term import STD5

_NOTHING = 1e-8  # beside a variance that may be 0


def mean_and_deviation(features: Tensor) -> Tensor:
    """Return mean and standard deviation of each channel, ``(N, 2, C)`` of ``(N, C, H, W)``."""
    variance, mean = torch.var_mean(features.flatten(2), dim=2, correction=0)
    return _with_deviation(mean, variance)


def _with_deviation(mean: Tensor, variance: Tensor) -> Tensor:
    return torch.stack([mean, (variance + _NOTHING).sqrt()], dim=1)


class MeanDeviationLoss(SummedTerm):
    """Squared distance of the channels' means and standard deviations to the style's.

    The statistics of Li, Wang, Liu & Hou, "Demystifying Neural Style Transfer" (2017), which
    Galerne et al., "Scaling Painting Style Transfer" (arXiv:2212.13459), add to Gram matrices
    against colours that drift. They are compared as they are, in units of the features; in
    ``MomentLoss`` every channel counts by its own deviation.

    Args:
        weight: Factor of the term.
        layers: Where style is compared.
        layer_weights: One for each layer, or a single number for all; 1 each by default.

    Raises:
        InputError: If a weight or a layer is not valid.
    """

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[str] = STD5,
        layer_weights: float | list[float] | None = None,
    ) -> None:
        super().__init__(weight, layers, layer_weights)

    def represent(self, layer: str, features: Tensor) -> Tensor:
        """See `mean_and_deviation`."""
        return mean_and_deviation(features)

    def part(self, layer: str, features: Tensor) -> tuple[Tensor, ...]:
        """Return the number of places, the sum of the values and of their squares, float64."""
        variance, mean = torch.var_mean(features.flatten(2), dim=2, correction=0)
        variance, mean = variance.double(), mean.double()
        places = mean.new_tensor(features.shape[-2] * features.shape[-1])
        return places, places * mean, places * (variance + mean.square())

    def whole(self, layer: str, sums: tuple[Tensor, ...]) -> Tensor:
        """Return means and deviations from the sums of `part`."""
        places, total, squares = sums
        mean = total / places
        return _with_deviation(mean, (squares / places - mean.square()).clamp_min(0))

    def distance(self, layer: str, representation: Tensor, target: Tensor) -> Tensor:
        """Return the mean squared difference of the means, plus that of the deviations."""
        return 2 * squared_error(representation, target)
