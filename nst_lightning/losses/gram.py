"""The style term of Gatys et al."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from nst_lightning.losses import functional
from nst_lightning.losses.term import STD5, LossTerm, Reference, blend, blend_weights


class GramLoss(LossTerm):
    """Squared distance of the features' Gram matrices to the style's.

    Gatys, Ecker & Bethge, "A Neural Algorithm of Artistic Style" (2015) and "Image Style Transfer
    Using Convolutional Neural Networks" (2016). Opposed to the papers, which divide the summed
    squares by 4·C²·(H·W)², the Grams themselves are divided and the mean of the squares is taken:
    the default is four times the papers' layer loss. Divisor ``"chw"`` is that of Johnson, Alahi &
    Fei-Fei (2016).

    Several styles are blended before they are compared: the target is the weighted mean of their
    Grams. A style picture may have any size.

    Args:
        weight: Factor of the term.
        layers: Where style is compared.
        layer_weights: One for each layer, or a single number for all (0.2 is the mean over five); 1
            each by default.
        divisor: What the Grams are divided by: ``"hw"``, ``"chw"``, or ``"none"``.
        reduction: Over all elements of a Gram matrix: ``"mean"``, or ``"sum"``.

    Raises:
        InputError: If a weight, a layer, the divisor or the reduction is not valid.
    """

    takes_half = True

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[str] = STD5,
        layer_weights: float | list[float] | None = None,
        divisor: Literal["hw", "chw", "none"] = "hw",
        reduction: Literal["mean", "sum"] = "mean",
    ) -> None:
        super().__init__(weight, layers, layer_weights)
        if not self.layers:
            raise self.error("layers is empty; name at least one layer, for instance relu1_1")
        self.check_choice("divisor", divisor, ("hw", "chw", "none"))
        self.check_choice("reduction", reduction, ("mean", "sum"))
        self.divisor = divisor
        self.reduction = reduction

    @torch.no_grad()
    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        """Keep the blended Gram matrix of the styles, one a layer; the content is not looked at."""
        weights = blend_weights(styles)
        for layer in self.layers:
            grams = [functional.gram_matrix(s.features[layer], self.divisor) for s in styles]
            self.set_target(layer, blend(weights, grams))

    def forward(self, image: Tensor, features: dict[str, Tensor]) -> Tensor:
        """Sum over the layers, each times its weight."""
        return self.sum_layers(
            functional.gram_loss(
                functional.gram_matrix(features[layer], self.divisor),
                self.target(layer),
                self.reduction,
            )
            for layer in self.layers
        )
