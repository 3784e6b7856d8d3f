"""The content term."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from nst_lightning.checks import choice
from nst_lightning.losses.places import Tile
from nst_lightning.losses.products import at_least_single, check_same_shape, squared_error
from nst_lightning.losses.reference import Reference
from nst_lightning.losses.term import LossTerm

ContentReduction = Literal["mean", "sum", "scaled", "balanced"]

_NOTHING = 1e-8  # beside a sum that may be 0


def scaled_error(value: Tensor, target: Tensor) -> Tensor:
    """Sum of the squared differences, divided by the sum of the absolute ones.

    As crowsonkb/style-transfer-pytorch defines its content loss. The gradient's absolute values sum
    to about 1, whatever the features' number and scale are.

    Raises:
        ValueError: If the shapes differ.
    """
    squares, absolutes = _sums(value, target)
    return squares / (absolutes + _NOTHING)


def _sums(value: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    check_same_shape(value, target)
    difference = at_least_single(value) - at_least_single(target)
    return difference.square().sum(), difference.abs().sum()


class ContentLoss(LossTerm):
    """Squared distance of the features to the content picture's.

    Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks" (2016),
    equation 1. Unlike the paper, which takes half of the sum, the mean is the default, as in the
    systems since: a weight then means the same at any size of picture.

    The picture must have the content picture's size.

    Args:
        weight: Factor of the term.
        layers: Where content is compared; the paper's relu4_2 by default.
        layer_weights: One for each layer, or a single number for all; 1 each by default.
        reduction: Over all elements of a layer: ``"mean"``, ``"sum"``, or ``"scaled"``, the sum
            divided by that of the absolute differences (`scaled_error`): near the content it pulls
            harder, far from it less hard than a squared difference; or ``"balanced"``, the mean
            divided by the root mean squares of the content's and of the styles' features: a weight
            then means the same for a foggy landscape and a sharp portrait, for a smooth painting
            and a rough one.

    Raises:
        InputError: If a weight, a layer or the reduction is not valid.
    """

    target_from = "content"
    takes_half = True

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[str] = ("relu4_2",),
        layer_weights: float | list[float] | None = None,
        reduction: ContentReduction = "mean",
    ) -> None:
        super().__init__(weight, layers, layer_weights)
        choice(self.named("reduction"), reduction, get_args(ContentReduction))
        self.reduction: ContentReduction = reduction

    @torch.no_grad()
    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        """See the base class."""
        super().set_targets(content, styles)
        if self.reduction != "balanced":
            return
        total = sum(style.weight for style in styles)
        for layer in self.layers:
            own = _mean_square(content, layer)
            theirs = [style.weight / total * _mean_square(style, layer) for style in styles]
            unit = (own * sum(theirs[1:], theirs[0])).sqrt().clamp_min(_NOTHING)
            self.set_target(f"{layer} unit", unit)

    def distance(self, layer: str, representation: Tensor, target: Tensor) -> Tensor:
        """See `squared_error` and `scaled_error`."""
        if self.reduction == "scaled":
            return scaled_error(representation, target)
        if self.reduction == "balanced":
            unit: Tensor = self.target(f"{layer} unit")
            return squared_error(representation, target) / unit
        return squared_error(representation, target, self.reduction)

    def reach(self, layer: str, size: tuple[int, int]) -> int | None:
        """See the base class: 0."""
        return 0

    def sums(self, layer: str, computed: Tensor, tile: Tile) -> tuple[Tensor, ...]:
        """Return the sum of the squared differences, and of the absolute ones if it is scaled."""
        own, target = tile.own(computed), tile.out_of(self.target(layer))
        if self.reduction == "scaled":
            return _sums(own, target)
        return (squared_error(own, target, "sum"),)

    def score_sums(self, layer: str, sums: tuple[Tensor, ...]) -> Tensor:
        """Return what `distance` gives."""
        if self.reduction == "scaled":
            return sums[0] / (sums[1] + _NOTHING)
        if self.reduction == "sum":
            return sums[0]
        target: Tensor = self.target(layer)
        mean = sums[0] / target.numel()
        if self.reduction == "mean":
            return mean
        unit: Tensor = self.target(f"{layer} unit")
        return mean / unit


def _mean_square(reference: Reference, layer: str) -> Tensor:
    features = reference.features[layer]
    if isinstance(features, Tensor):
        return at_least_single(features).square().mean()
    shares = [
        tile.share * at_least_single(tile.own(computed)).square().mean()
        for computed, tile in features.tiles()
    ]
    return torch.stack(shares).sum()
