"""How far a picture's style is from a style image's: relative distance of Gram matrices."""

import statistics
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from nst_lightning.losses.gram import gram_matrix
from nst_lightning.losses.products import weighted_sum
from nst_lightning.losses.term import STD5
from nst_lightning.metrics.functional import relative_gram_distance
from nst_lightning.metrics.pictures import MEASURED_SIDE, reduced

#: Picture of shape (N, 3, H, W) in [0, 1] -> features of shape (N, C, h, w) by layer name.
Encoder = Callable[[Tensor], Mapping[str, Tensor]]


def encode(picture: Tensor, encoder: Encoder, layers: Sequence[str]) -> Mapping[str, Tensor]:
    """Features of a picture in the encoder's precision.

    Raises:
        ValueError: If the encoder does not give a layer.
    """
    features = encoder(picture.to(torch.float32))
    missing = [layer for layer in layers if layer not in features]
    if missing:
        raise ValueError(
            f"the encoder gives {', '.join(features)}; {', '.join(missing)} is missing"
        )
    return features


def gram_matrices(
    features: Mapping[str, Tensor], layers: Sequence[str] = STD5
) -> dict[str, Tensor]:
    """Gram matrices (N, C, C) of features (N, C, H, W), F·Fᵀ / (H·W), by layer.

    Divided by H·W: a mean over places, so that pictures of different sizes compare.
    """
    return {layer: gram_matrix(features[layer], divisor="hw") for layer in layers}


def style_grams(
    picture: Tensor, encoder: Encoder, layers: Sequence[str] = STD5
) -> dict[str, Tensor]:
    """`gram_matrices` of a picture's features.

    Raises:
        ValueError: If the encoder does not give a layer.
    """
    return gram_matrices(encode(picture, encoder, layers), layers)


def style_distances(
    grams: Mapping[str, Tensor], targets: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Relative Gram distances ‖G(x) − G(s)‖²_F / ‖G(s)‖²_F of a picture x to a style s, by layer.

    0 for the same style, 1 for a black layer. The form is the squared one: each number is the
    layer's Gram loss as a share of what a layer without any activation would have. Six pairs of a
    photograph with a painting, untouched, were measured at 0.57 to 1.8 in the mean over the layers
    (VGG-19, 384 pixels).
    """
    return {layer: relative_gram_distance(gram, targets[layer]) for layer, gram in grams.items()}


def blended(styles: Sequence[Mapping[str, Tensor]], weights: Sequence[float]) -> dict[str, Tensor]:
    """Return the weighted mean of styles' Gram matrices, which a picture of them all aims at."""
    shares = [weight / sum(weights) for weight in weights]
    return {layer: weighted_sum(shares, [grams[layer] for grams in styles]) for layer in styles[0]}


class StyleDistance:
    """What ``PictureMetrics`` calls ``style_distance``, alone: one pass of the encoder a picture.

    Args:
        styles: Each ``(1, 3, h, w)``, values in [0, 1].
        weights: One a style.
        encoder: Gives at least the five layers of `STD5`.
    """

    def __init__(
        self, styles: Sequence[Tensor], weights: Sequence[float], encoder: Encoder
    ) -> None:
        self._encoder, self._device = encoder, styles[0].device
        self._target = blended([self._grams(style) for style in styles], weights)

    def __call__(self, picture: Tensor) -> float:
        """Measure a picture ``(1, 3, H, W)``, values in [0, 1], where the styles are."""
        distances = style_distances(self._grams(picture), self._target)
        return statistics.fmean(map(float, distances.values()))

    @torch.no_grad()
    def _grams(self, picture: Tensor) -> dict[str, Tensor]:
        return style_grams(reduced(picture.to(self._device), MEASURED_SIDE), self._encoder)
