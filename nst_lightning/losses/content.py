"""The content term."""

from collections.abc import Sequence
from typing import get_args

from torch import Tensor

from nst_lightning.checks import choice
from nst_lightning.losses.products import Reduction, squared_error
from nst_lightning.losses.term import LossTerm


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
        reduction: Over all elements of a layer: ``"mean"``, or ``"sum"``.

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
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(weight, layers, layer_weights)
        choice(self.named("reduction"), reduction, get_args(Reduction))
        self.reduction = reduction

    def distance(self, layer: str, representation: Tensor, target: Tensor) -> Tensor:
        """See `squared_error`."""
        return squared_error(representation, target, self.reduction)
