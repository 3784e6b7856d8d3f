"""The style term for pictures with regions."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from nst_lightning.losses import functional
from nst_lightning.losses.gram import GramLoss
from nst_lightning.losses.term import Reference


class GuidedGramLoss(GramLoss):
    """Gram loss in each region of the picture to the style that belongs there.

    The guided Gram matrices of Gatys et al., "Controlling Perceptual Factors in Neural Style
    Transfer" (2017): the features are multiplied by the region's mask before the Gram matrix is
    taken. Masks are brought to a layer's size by averaging, so an edge is as soft as the layer is
    coarse. Opposed to the paper, where each region has a weight of its own, regions count by their
    share of the picture: a picture cut into regions of one and the same style has nearly the loss
    of the whole.

    Without masks it is ``GramLoss``. The arguments are the same.
    """

    guided = True
    takes_half = False
    regions = 0
    """Regions of the masks that the targets were set with; 0 without masks."""

    @torch.no_grad()
    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        """Keep each region's mask and the Gram matrix of its style, one a layer.

        Args:
            content: Its mask has one channel a region, ``(1, R, H, W)``; its features, or a
                picture of its size, tell the layers' sizes.
            styles: Their masks have one channel a region too, all zero in a region that the style
                has no part in.

        Raises:
            InputError: If a region has no style.
        """
        self.regions = 0 if content.mask is None else content.mask.shape[1]
        if content.mask is None:
            super().set_targets(content, styles)
            return
        areas = content.mask.mean((0, 2, 3))
        self.set_target("shares", areas / areas.sum())
        shares = self._shares_of_styles(styles)
        for layer in self.layers:
            self.set_target(f"{layer}_guidance", _at_size_of(content.mask, content.features[layer]))
            grams = torch.zeros(())
            for style, share in zip(styles, shares, strict=True):
                features = functional._at_least_single(style.features[layer])
                assert style.mask is not None
                guidance = _at_size_of(style.mask, features)
                of_regions = torch.cat(
                    [
                        functional.guided_gram(features, guidance[:, r : r + 1], self.divisor)
                        for r in range(self.regions)
                    ]
                )
                grams = grams.to(of_regions) + share.view(-1, 1, 1).to(of_regions) * of_regions
            self.set_target(layer, grams)

    def _shares_of_styles(self, styles: Sequence[Reference]) -> list[Tensor]:
        """Return how much of each region's target each style is; they sum to 1 over the styles."""
        there = []
        for style in styles:
            if style.mask is None or style.mask.shape[1] != self.regions:
                raise ValueError(f"every style needs a mask with {self.regions} regions")
            there.append(style.weight * (style.mask.amax((0, 2, 3)) > 0).double())
        total = torch.stack(there).sum(0)
        if bool((total == 0).any()):
            raise self.error(f"region {int((total == 0).nonzero()[0]) + 1} has no style")
        return [part / total for part in there]

    def forward(self, image: Tensor, features: dict[str, Tensor]) -> Tensor:
        """Sum over the layers, each times its weight, and over the regions, by their share."""
        if not self.regions:
            return super().forward(image, features)
        return self.sum_layers(self._layer_loss(layer, features[layer]) for layer in self.layers)

    def _layer_loss(self, layer: str, features: Tensor) -> Tensor:
        guidance, target = self.target(f"{layer}_guidance"), self.target(layer)
        losses = [
            functional.gram_loss(
                functional.guided_gram(features, guidance[:, r : r + 1], self.divisor),
                target[r : r + 1],
                self.reduction,
            )
            for r in range(self.regions)
        ]
        return (torch.stack(losses) * self.target("shares").to(losses[0])).sum()


def _at_size_of(mask: Tensor, features: Tensor) -> Tensor:
    height, width = features.shape[-2:]
    return F.adaptive_avg_pool2d(mask, (height, width))
