"""All measures of one picture, by name: what ``test`` and the comparison print."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from nst_lightning.errors import InputError
from nst_lightning.metrics import functional
from nst_lightning.metrics.picture_metric import ReferenceMetric
from nst_lightning.metrics.pictures import check_picture, fit_reference
from nst_lightning.metrics.style_distance import (
    STYLE_LAYERS,
    Encoder,
    style_distances,
    style_grams,
)

_PIXEL_MEASURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": functional.mean_squared_error,
    "rmse": functional.root_mean_squared_error,
    "psnr": functional.peak_signal_noise_ratio,
    "ssim": functional.structural_similarity,
    "ms_ssim": functional.multiscale_structural_similarity,
}

#: Measure (the key's part before "/") -> whether more is better.
HIGHER_IS_BETTER = {
    "mse": False,
    "rmse": False,
    "psnr": True,
    "ssim": True,
    "ms_ssim": True,
    "style_distance": False,
    "colour_distance": False,
    "total_variation": False,
    "deltas": False,
    "lpips": False,
    "dists": False,
}


class PictureMetrics:
    """Measures pictures made from one content and one or more styles.

    What concerns the content and the styles alone is computed once, so measuring several pictures
    (the untouched content, the fast style transfer's, ours) costs little more than the pictures.

    The keys of the result, all of them Python floats:

    - ``mse/content``, ``rmse/content``, ``psnr/content``, ``ssim/content``, ``ms_ssim/content``:
      against the content image;
    - ``mse/style`` … ``ms_ssim/style``: the same against the style image, stretched to the
      picture's size;
    - ``style_distance`` and ``style_distance/relu1_1`` … ``style_distance/relu5_1``: relative Gram
      distance to the style image at its own size, mean and by layer (:class:`StyleDistance`);
    - ``colour_distance/style``: distance of the colour histograms, at their own sizes;
    - ``total_variation``, ``deltas/horizontal``, ``deltas/vertical``: of the picture alone;
    - ``lpips/content``, ``lpips/style``, ``dists/content``, ``dists/style``: if their weights are
      on this machine; if not, :attr:`unavailable` says why.

    With several styles, ``style_distance`` is the distance to the weighted mean of their Gram
    matrices, which is what the Gram loss aims at; the other measures against the style are weighted
    means over the styles; and there are further keys with the style's number:
    ``style_distance/style_1``, ``ssim/style_1``, ``colour_distance/style_2`` ….

    Args:
        content: Shape (1, 3, H, W), values in [0, 1].
        styles: One style image of shape (1, 3, h, w) or several, of any sizes.
        encoder: Picture -> features by layer, giving at least relu1_1 … relu5_1.
        style_weights: One a style, not all zero; equal if left out.
        learned: Measure LPIPS and DISTS too, where their weights are on this machine.

    Raises:
        InputError: If an image holds NaN or values outside [0, 1], or is too small.
        ValueError: If there is no style, or not one weight a style.
    """

    unavailable: dict[str, str]
    """Learned measure -> one line that says why it is left out."""

    def __init__(
        self,
        content: Tensor,
        styles: Tensor | Sequence[Tensor],
        encoder: Encoder,
        style_weights: Sequence[float] | None = None,
        learned: bool = True,
    ) -> None:
        styles = [styles] if isinstance(styles, Tensor) else list(styles)
        if not styles:
            raise ValueError("a picture is measured against at least one style image")
        weights = [1.0] * len(styles) if style_weights is None else [*map(float, style_weights)]
        if len(weights) != len(styles) or min(weights) < 0 or sum(weights) <= 0:
            raise ValueError(f"{len(styles)} styles need as many weights >= 0, got {weights}")
        self._content = _one(content, "content")
        self._styles = [
            _one(style, "style" if len(styles) == 1 else f"style {number}")
            for number, style in enumerate(styles, start=1)
        ]
        self._weights = [weight / sum(weights) for weight in weights]
        self._encoder = encoder
        with torch.no_grad():
            self._targets = [style_grams(style, encoder) for style in self._styles]
        self._blend = {
            layer: sum(
                (w * t[layer] for w, t in zip(self._weights, self._targets, strict=True)),
                torch.zeros_like(gram),
            )
            for layer, gram in self._targets[0].items()
        }
        self._learned, self.unavailable = _learned_measures() if learned else ({}, {})
        for metric in self._learned.values():
            metric.to(self._content.device)

    @classmethod
    def of(cls, pair: "Any", encoder: Any = None, learned: bool = True, device: Any = None) -> "PictureMetrics":
        from nst_lightning.encoder import VGG19Encoder
        encoder = encoder or VGG19Encoder(STYLE_LAYERS)
        device = device or pair.content.device
        return cls(pair.content.to(device), [s.to(device) for s in pair.styles], encoder.to(device), pair.blend, learned)

    @torch.no_grad()
    def __call__(self, picture: Tensor) -> dict[str, float]:
        """Measure a picture.

        Args:
            picture: Shape (1, 3, H, W), the content's size, values in [0, 1].

        Raises:
            InputError: If it holds NaN or values outside [0, 1], or has not the content's size.
        """
        picture = _one(picture, "picture")
        if picture.shape != self._content.shape:
            (h, w), (ch, cw) = picture.shape[-2:], self._content.shape[-2:]
            raise InputError(
                f"the picture is {w}x{h} and the content {cw}x{ch}: "
                "load the content at the picture's size to compare them"
            )
        results = {
            f"{name}/content": value
            for name, value in self._against(picture, self._content).items()
        }

        grams = style_grams(picture, self._encoder)
        layers = {k: v.item() for k, v in style_distances(grams, self._blend).items()}
        results["style_distance"] = statistics.fmean(layers.values())
        results |= {f"style_distance/{layer}": value for layer, value in layers.items()}

        by_style = [
            {f"{name}/style": value for name, value in self._against(picture, style).items()}
            | {"colour_distance/style": functional.colour_distance(picture, style).item()}
            for style in self._styles
        ]
        for key in by_style[0]:
            pairs = zip(self._weights, by_style, strict=True)
            # A style of weight 0 does not count, not even with infinity.
            results[key] = sum(weight * values[key] for weight, values in pairs if weight)

        horizontal, vertical = functional.mean_absolute_deltas(picture)
        results["total_variation"] = functional.total_variation_per_pixel(picture).item()
        results["deltas/horizontal"] = horizontal.item()
        results["deltas/vertical"] = vertical.item()

        if len(by_style) > 1:
            for number, values in enumerate(by_style, start=1):
                results |= {f"{key}_{number}": value for key, value in values.items()}
                distances = style_distances(grams, self._targets[number - 1])
                results[f"style_distance/style_{number}"] = statistics.fmean(
                    v.item() for v in distances.values()
                )
        return results

    def _against(self, picture: Tensor, reference: Tensor) -> dict[str, float]:
        reference = fit_reference(reference, picture)
        measures = _PIXEL_MEASURES | {
            name: metric.measure
            for name, metric in self._learned.items()
            if name not in self.unavailable
        }
        return {name: float(measure(picture, reference)) for name, measure in measures.items()}


def evaluate_picture(
    picture: Tensor,
    content: Tensor,
    styles: Tensor | Sequence[Tensor],
    encoder: Encoder,
    style_weights: Sequence[float] | None = None,
    learned: bool = True,
) -> dict[str, float]:
    """Measure one picture; the keys are those of :class:`PictureMetrics`.

    Args:
        picture: Shape (1, 3, H, W), the content's size, values in [0, 1].
        content: Shape (1, 3, H, W).
        styles: One style image of shape (1, 3, h, w) or several, of any sizes.
        encoder: Picture -> features by layer, giving at least relu1_1 … relu5_1.
        style_weights: One a style; equal if left out.
        learned: Measure LPIPS and DISTS too, where their weights are on this machine.

    Raises:
        InputError: If an image holds NaN or values outside [0, 1], is too small, or the sizes of
            the picture and the content differ.
    """
    return PictureMetrics(content, styles, encoder, style_weights, learned)(picture)


def _one(image: Tensor, name: str) -> Tensor:
    image = check_picture(image, name)
    if image.shape[0] != 1:
        raise ValueError(f"{name} must be one image, of shape (1, 3, H, W), not {image.shape[0]}")
    return image


def _learned_measures() -> tuple[dict[str, ReferenceMetric], dict[str, str]]:
    from nst_lightning.metrics.perceptual import DISTS, LPIPS

    metrics: dict[str, ReferenceMetric] = {}
    unavailable: dict[str, str] = {}
    for name, kind in {"lpips": LPIPS, "dists": DISTS}.items():
        try:
            metrics[name] = kind()
        except InputError as error:
            unavailable[name] = str(error)
    return metrics, unavailable


__all__ = ["HIGHER_IS_BETTER", "STYLE_LAYERS", "PictureMetrics", "evaluate_picture"]
