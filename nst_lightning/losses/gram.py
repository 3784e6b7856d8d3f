"""The style term of Gatys et al."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from nst_lightning.checks import choice
from nst_lightning.losses.products import at_least_single, self_product, squared_error
from nst_lightning.losses.summed import SummedTerm
from nst_lightning.losses.term import STD5

GramDivisor = Literal["hw", "chw", "none"]
GramReduction = Literal["mean", "sum", "relative"]


def gram_matrix(features: Tensor, divisor: GramDivisor = "hw") -> Tensor:
    """Products of the channels with each other, summed over all places: what a texture is made of.

    Gatys, Ecker & Bethge, "Texture Synthesis Using Convolutional Neural Networks" (2015). ``"chw"``
    is the normalisation of Johnson, Alahi & Fei-Fei, "Perceptual Losses for Real-Time Style
    Transfer" (2016), and of the PyTorch tutorial; ``"hw"`` that of the TensorFlow tutorial and of
    Gatys' own PyTorch code. Either makes pictures of different sizes comparable, which the papers'
    bare sum (``"none"``) does not.

    One batched matrix product on a view, in either memory layout; the gradient is one more. Of
    features in half precision the sums are float32: rounded sums would drown small differences. (In
    bfloat16 on a CPU they are float32 sums of 512 places' products each, exact to 3e-4.) Their
    gradient is multiplied in the features' own precision.

    Returns:
        ``(N, C, C)`` of ``(N, C, H, W)``, symmetric, in squared units of the features.
    """
    _, channels, height, width = features.shape
    divisors = {"hw": height * width, "chw": channels * height * width, "none": 1}
    if divisor not in divisors:
        raise ValueError(f'divisor must be "hw", "chw" or "none", got {divisor!r}')
    return self_product(features.flatten(2), 1.0 / divisors[divisor])


def relative_error(value: Tensor, target: Tensor) -> Tensor:
    """Sum of the squared differences over that of the target's own squares, in float32 at least.

    Raises:
        ValueError: If the shapes differ.
    """
    least = torch.finfo(torch.float32).tiny  # a target that is 0 everywhere
    own = at_least_single(target).square().mean().clamp_min(least)
    return squared_error(value, target) / own


class GramLoss(SummedTerm):
    """Squared distance of the features' Gram matrices to the style's.

    Gatys, Ecker & Bethge, "A Neural Algorithm of Artistic Style" (2015) and "Image Style Transfer
    Using Convolutional Neural Networks" (2016). Unlike the papers, which divide the summed squares
    by 4·C²·(H·W)², the Grams themselves are divided and the mean of the squares is taken: the
    default is four times the papers' layer loss. Divisor ``"chw"`` is that of Johnson, Alahi &
    Fei-Fei (2016).

    Several styles are blended before they are compared: the target is the weighted mean of their
    Grams. A style picture may have any size.

    Args:
        weight: Factor of the term.
        layers: Where style is compared.
        layer_weights: One for each layer, or a single number for all (0.2 is the mean over five); 1
            each by default.
        divisor: What the Grams are divided by: ``"hw"``, ``"chw"``, or ``"none"``.
        reduction: Over all elements of a Gram matrix: ``"mean"``, ``"sum"``, or ``"relative"``, the
            mean divided by that of the style's own squares, so that a weight means the same for
            every style, layer and divisor.

    Raises:
        InputError: If a weight, a layer, the divisor or the reduction is not valid.
    """

    takes_half = True

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[str] = STD5,
        layer_weights: float | list[float] | None = None,
        divisor: GramDivisor = "hw",
        reduction: GramReduction = "mean",
    ) -> None:
        super().__init__(weight, layers, layer_weights)
        choice(self.named("divisor"), divisor, get_args(GramDivisor))
        choice(self.named("reduction"), reduction, get_args(GramReduction))
        self.divisor = divisor
        self.reduction = reduction

    def represent(self, layer: str, features: Tensor) -> Tensor:
        """See `gram_matrix`."""
        return gram_matrix(features, self.divisor)

    def part(self, layer: str, features: Tensor) -> tuple[Tensor, ...]:
        """Return the undivided Gram matrix and the number of places."""
        gram = gram_matrix(features, "none")
        return gram, gram.new_tensor(features.shape[-2] * features.shape[-1])

    def whole(self, layer: str, sums: tuple[Tensor, ...]) -> Tensor:
        """Return the Gram matrix of the sums of `part`."""
        gram, places = sums
        if self.divisor == "none":
            return gram
        return gram / (places * (gram.shape[-1] if self.divisor == "chw" else 1))

    def distance(self, layer: str, representation: Tensor, target: Tensor) -> Tensor:
        """See `squared_error` and `relative_error`."""
        if self.reduction == "relative":
            return relative_error(representation, target)
        return squared_error(representation, target, self.reduction)
