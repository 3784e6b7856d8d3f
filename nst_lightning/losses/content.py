"""The content term."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from nst_lightning.losses import functional
from nst_lightning.losses.term import LossTerm, Reference, require_whole


class ContentLoss(LossTerm):
    """Squared distance of the features to the content picture's (Gatys, Ecker & Bethge 2016).

    Opposed to the paper, which takes half of the sum, the mean is the default.

    Args:
        weight: Factor of the term.
        layers: Where content is compared; the paper's relu4_2 by default.
        layer_weights: One for each layer, or a single number for all; 1 each by default.
        reduction: Over all elements of a layer: ``"mean"``, or ``"sum"``.

    Raises:
        InputError: If a weight, a layer or the reduction is not valid.
    """

    takes_half = True

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[str] = ("relu4_2",),
        layer_weights: float | list[float] | None = None,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> None:
        super().__init__(weight, layers, layer_weights)
        if not self.layers:
            raise self.error("layers is empty; name at least one layer, for instance relu4_2")
        self.check_choice("reduction", reduction, ("mean", "sum"))
        self.reduction = reduction

    @torch.no_grad()
    def set_targets(self, content: Reference, styles: Sequence[Reference] = ()) -> None:
        """Keep the content picture's features; the styles are not looked at.

        The picture must have the content picture's size from here on.
        """
        for layer in self.layers:
            self.set_target(layer, require_whole(content).features[layer])

    def forward(self, image: Tensor, features: dict[str, Tensor]) -> Tensor:
        """Sum over the layers, each times its weight."""
        return self.sum_layers(
            functional.content_loss(features[layer], self.target(layer), self.reduction)
            for layer in self.layers
        )
