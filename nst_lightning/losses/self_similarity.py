"""The content term of relations between places."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from nst_lightning.checks import whole_number
from nst_lightning.losses.matching import on_grid
from nst_lightning.losses.products import check_same_shape, self_product
from nst_lightning.losses.reference import Reference
from nst_lightning.losses.term import LossTerm

_DARK = 1e-4  # share of the mean squared length added to each: features of 0 have a gradient too
_NOTHING = 1e-8  # in case all are 0
_MOST_PLACES = 4096  # 64 MB a matrix in float32


def grid_within(size: Sequence[int], places: int) -> tuple[int, int]:
    """Return the largest ``(height, width)`` of a size's proportions with at most ``places``."""
    height, width = size
    shrink = min(1.0, (places / (height * width)) ** 0.5)
    rows = max(1, min(int(height * shrink), places))
    return rows, max(1, min(int(width * shrink), places // rows))


def relations(vectors: Tensor) -> Tensor:
    """Cosine distances between all places, each column divided by its sum.

    Returns:
        ``(N, P, P)`` of ``(N, P, C)``; no unit: 1 / P on average.
    """
    squares = vectors.square().sum(2, keepdim=True)  # (N, P, 1)
    dark = _DARK * squares.mean(1, keepdim=True) + _NOTHING
    distances = 1 - self_product(vectors / (squares + dark).sqrt(), 1.0)
    return distances / distances.sum(1, keepdim=True)


def relation_distance(seen: Tensor, target: Tensor) -> Tensor:
    """Sum of the absolute differences in a column, mean over the columns: from 0 to 2.

    Raises:
        ValueError: If there are not as many places.
    """
    check_same_shape(seen, target)
    return seen.shape[1] * (seen - target).abs().mean()


class SelfSimilarityLoss(LossTerm):
    """Distance of the relations between the picture's places to those between the content's.

    Kolkin, Salavon & Shakhnarovich, "Style Transfer by Relaxed Optimal Transport and
    Self-Similarity" (CVPR 2019, arXiv:1904.12785), equations 7 and 8: how unlike each place is to
    every other (`relations`) stays as in the content, whatever the colours and textures are. Unlike
    the paper, which draws 1024 places at random, the places are a regular grid, whose features are
    means; and small features count a little less, so that those of 0 have a gradient.

    The picture must have the content picture's size. Time and memory grow with the square of
    ``places``.

    Args:
        weight: Factor of the term.
        layers: Where places are compared.
        layer_weights: One for each layer, or a single number for all; 1 each by default.
        places: Most places of a layer, 2 to 4096; a larger layer is averaged down to a grid.
        hypercolumns: Compare all layers of a place as one vector, as the paper does, instead of
            layer by layer. A layer weight is then the layer's part in the cosine, and the loss is
            multiplied by their mean.

    Raises:
        InputError: If a weight, a layer or the number of places is not valid.
    """

    target_from = "content"

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[str] = ("relu3_1", "relu4_1"),
        layer_weights: float | list[float] | None = None,
        places: int = 1024,
        hypercolumns: bool = False,
    ) -> None:
        super().__init__(weight, layers, layer_weights)
        self.places = whole_number(self.named("places"), places, least=2, most=_MOST_PLACES)
        self.hypercolumns = hypercolumns

    @torch.no_grad()
    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        """See the base class."""
        super().set_targets(content, styles)
        for name, vectors in self._vectors(self.take(content.features)):
            self.set_target(name, relations(vectors))

    def places_kept(
        self, layer: str, places: Mapping[str, float], in_tiles: bool
    ) -> tuple[float, float]:
        """See the base class: as good as none."""
        return 0.0, 0.0

    def forward(self, image: Tensor, features: Mapping[str, Tensor]) -> Tensor:
        """See the base class."""
        kind = torch.promote_types(image.dtype, torch.float32)
        losses = [
            relation_distance(relations(vectors), self.target(name)).to(kind)
            for name, vectors in self._vectors(features)
        ]
        if not self.hypercolumns:
            return self.sum_layers(losses)
        return losses[0] * (sum(self.layer_weights) / len(self.layer_weights))

    def _vectors(self, features: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Give the places that are compared with each other, each ``(N, P, C)``, and a name."""
        if not self.hypercolumns:
            for layer in self.layers:
                size = grid_within(features[layer].shape[-2:], self.places)
                yield layer, on_grid(features[layer], size).flatten(2).mT
            return
        largest = max((features[layer].shape[-2:] for layer in self.layers), key=torch.Size.numel)
        size = grid_within(largest, self.places)
        columns = [
            on_grid(features[layer], size).flatten(2) * weight**0.5
            for layer, weight in zip(self.layers, self.layer_weights, strict=True)
        ]
        yield "hypercolumns", torch.cat(columns, 1).mT
