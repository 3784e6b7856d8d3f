"""What an encoder sees of a picture, at the sizes and layers that measures are taken at."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from nst_lightning.losses.term import STD5
from nst_lightning.metrics.patches import patch_distance, sliced_wasserstein
from nst_lightning.metrics.pictures import reduced
from nst_lightning.metrics.self_similarity import (
    content_feature_structural_distance,
    self_similarity_distance,
)
from nst_lightning.metrics.style_distance import Encoder, encode, gram_matrices

DISTRIBUTION_LAYERS = ("relu3_2", "relu4_2")
PATCH_LAYER, PATCH_SIZE = "relu4_3", 384
SELF_SIMILARITY_LAYER, CFSD_LAYER, RELATIONS_SIZE = "relu4_1", "relu3_1", 256

#: All layers that a measure is taken at.
MEASURED_LAYERS = (*STD5, *DISTRIBUTION_LAYERS, PATCH_LAYER)

_SHORT_SIDE = 32  # a panorama is not made so low that the encoder sees nothing of it


class Eye:
    """Encodes a picture at several sizes, each once; in turn, because only the last one is kept.

    Args:
        picture: Shape (1, 3, H, W), values in [0, 1].
        encoder: Gives `MEASURED_LAYERS`.
    """

    def __init__(self, picture: Tensor, encoder: Encoder) -> None:
        self._picture, self._encoder = picture, encoder
        self._size: torch.Size | None = None
        self._features: Mapping[str, Tensor] = {}

    def at(self, long_side: int | None = None) -> Mapping[str, Tensor]:
        """Return the features of the picture reduced to a long side in pixels, or as it is.

        Raises:
            ValueError: If the encoder does not give a layer.
        """
        picture = self._picture
        if long_side is not None:
            picture = reduced(picture, long_side, _SHORT_SIDE)
        if picture.shape != self._size:
            self._features = {}  # before the next are made
            self._features = encode(picture, self._encoder, MEASURED_LAYERS)
            self._size = picture.shape
        return self._features


@dataclass(frozen=True)
class StyleView:
    """What is seen of a picture's style."""

    grams: dict[str, Tensor]
    distributions: dict[str, Tensor]  # features at the picture's own size
    patches: Tensor  # features at 384 px

    @classmethod
    def of(cls, eye: Eye) -> Self:
        """Look at a picture as it is, and at 384 px."""
        own = eye.at()
        grams = gram_matrices(own)
        distributions = {layer: own[layer] for layer in DISTRIBUTION_LAYERS}
        del own
        return cls(grams, distributions, eye.at(PATCH_SIZE)[PATCH_LAYER])

    def measures(self, style: Self) -> dict[str, float]:
        """Return how far it is from a style's."""
        distances = {
            layer: sliced_wasserstein(features, style.distributions[layer]).item()
            for layer, features in self.distributions.items()
        }
        return {
            "patch_distance/style": patch_distance(self.patches, style.patches).item(),
            "sliced_wasserstein/style": statistics.fmean(distances.values()),
            **{f"sliced_wasserstein/{layer}": value for layer, value in distances.items()},
        }


@dataclass(frozen=True)
class ContentView:
    """What is seen of a picture's content, at 256 px."""

    relations: dict[str, Tensor]

    @classmethod
    def of(cls, eye: Eye) -> Self:
        """Look at a picture at 256 px."""
        seen = eye.at(RELATIONS_SIZE)
        return cls({layer: seen[layer] for layer in (SELF_SIMILARITY_LAYER, CFSD_LAYER)})

    def measures(self, content: Self) -> dict[str, float]:
        """Return how far the relations between places are from those of a content of its size."""

        def both(layer: str) -> tuple[Tensor, Tensor]:
            return self.relations[layer], content.relations[layer]

        alike = self_similarity_distance(*both(SELF_SIMILARITY_LAYER))
        structure = content_feature_structural_distance(*both(CFSD_LAYER))
        return {"self_similarity/content": alike.item(), "cfsd/content": structure.item()}
