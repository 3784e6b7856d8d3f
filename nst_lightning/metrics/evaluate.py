"""All measures of one picture, by name: what ``test``, ``compare``, ``grid`` and jobs print."""

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torchmetrics.functional import mean_squared_error
from torchmetrics.functional.image import peak_signal_noise_ratio, total_variation

from nst_lightning.errors import InputError
from nst_lightning.metrics import colour, functional
from nst_lightning.metrics.perceptual import learned_measures
from nst_lightning.metrics.pictures import MEASURED_SIDE, check_picture, fit_reference, reduced
from nst_lightning.metrics.style_distance import Encoder, blended, style_distances
from nst_lightning.metrics.views import MEASURED_LAYERS, ContentView, Eye, StyleView

if TYPE_CHECKING:
    from nst_lightning.data.image_pair import ImagePair

# Functions, not a MetricCollection: one picture is measured, and nothing is accumulated. SSIM and
# MS-SSIM are ours, because in float64, which they need, torchmetrics' convolution takes 30 s and
# 6 GB for 1024 x 1024 pixels on a CPU; the tests hold them against torchmetrics and scikit-image.
_AGAINST_A_REFERENCE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": mean_squared_error,
    "rmse": partial(mean_squared_error, squared=False),
    "psnr": partial(peak_signal_noise_ratio, data_range=1.0),
    "ssim": functional.structural_similarity,
    "ms_ssim": functional.multiscale_structural_similarity,
}


COLOUR_SIZE = 256
"""Long side at which the colour histogram is taken."""


class _Style:
    """A style and what is measured of it alone."""

    def __init__(self, picture: Tensor, encoder: Encoder) -> None:
        self.picture = picture
        self.view = StyleView.of(Eye(picture, encoder))
        self.histogram = colour.rgb_uv_histogram(reduced(picture, COLOUR_SIZE))
        self.strengths = colour.contrast_and_colourfulness(picture)


class PictureMetrics:
    """Measures pictures made from one content and one or more styles.

    What concerns the content and the styles alone is computed once, so measuring several pictures
    (the untouched content, the fast style transfer's, ours) costs little more than the pictures.
    Pictures over 2,048 pixels are measured at 2,048.

    The keys of the result, all of them Python floats:

    - ``mse/content``, ``rmse/content``, ``psnr/content``, ``ssim/content``, ``ms_ssim/content``:
      against the content image;
    - ``mse/style`` … ``ms_ssim/style``: the same against the style image, stretched to the
      picture's size;
    - ``style_distance`` and ``style_distance/relu1_1`` … ``style_distance/relu5_1``: relative Gram
      distance to the style image at its own size, mean and by layer
      (:func:`nst_lightning.metrics.style_distance.style_distances`);
    - ``colour_distance/style``: distance of the colour histograms, at their own sizes;
    - ``colour_histogram/style``: Hellinger distance of the log-chroma histograms at 256 pixels;
    - ``contrast/style``, ``colourfulness/style``: the picture's as a share of the style's;
    - ``patch_distance/style``: distance of 3 × 3 patches of relu4_3 to the nearest, both ways, at
      384 pixels;
    - ``sliced_wasserstein/style``, ``sliced_wasserstein/relu3_2``, ``sliced_wasserstein/relu4_2``:
      distance of the distributions of features at their own sizes, mean and by layer;
    - ``self_similarity/content``, ``cfsd/content``: difference of the relations between places,
      at relu4_1 and relu3_1, at 256 pixels (:mod:`nst_lightning.metrics.self_similarity`);
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
        encoder: Picture -> features by layer, giving at least
            :data:`nst_lightning.metrics.views.MEASURED_LAYERS`; VGG-19 on the content's device if
            left out. To measure other pairs with it take :attr:`encoder`.
        style_weights: One a style, not all zero; equal if left out.
        learned: Measure LPIPS and DISTS too, where their weights are on this machine.

    Attributes:
        encoder: The encoder of the measures.
        unavailable: Learned measure -> one line that says why it is left out.

    Raises:
        InputError: If an image holds NaN or values outside [0, 1], or is too small.
        ValueError: If there is no style, or not one weight a style.
    """

    def __init__(
        self,
        content: Tensor,
        styles: Tensor | Sequence[Tensor],
        encoder: Encoder | None = None,
        style_weights: Sequence[float] | None = None,
        learned: bool = True,
    ) -> None:
        styles = [styles] if isinstance(styles, Tensor) else list(styles)
        if not styles:
            raise ValueError("a picture is measured against at least one style image")
        weights = [1.0] * len(styles) if style_weights is None else [*map(float, style_weights)]
        if len(weights) != len(styles) or min(weights) < 0 or sum(weights) <= 0:
            raise ValueError(f"{len(styles)} styles need as many weights >= 0, got {weights}")
        self._size = content.shape[-2:]
        self._content = reduced(check_picture(content, "content"), MEASURED_SIDE)
        checked = [
            reduced(
                check_picture(style, "style" if len(styles) == 1 else f"style {number}"),
                MEASURED_SIDE,
            )
            for number, style in enumerate(styles, start=1)
        ]
        self._weights = [weight / sum(weights) for weight in weights]
        device = self._content.device
        if encoder is None:
            from nst_lightning.encoder import VGG19Encoder

            encoder = VGG19Encoder(MEASURED_LAYERS).to(device)
        self.encoder: Encoder = encoder
        with torch.no_grad():
            self._seen = ContentView.of(Eye(self._content, encoder))
            self._targets = [_Style(style, encoder) for style in checked]
        self._blend = blended([target.view.grams for target in self._targets], self._weights)
        self._learned, self.unavailable = learned_measures(device) if learned else ({}, {})

    @classmethod
    def of(
        cls,
        pair: "ImagePair",
        encoder: Encoder | None = None,
        *,
        learned: bool = True,
        device: torch.device | str | None = None,
    ) -> Self:
        """Make the measures of a run's pictures.

        Measured, and given, are pictures on ``device``, the content's if left out; there the
        encoder must be too.
        """
        content = pair.content.to(device or pair.content.device)
        styles = [style.to(content.device) for style in pair.styles]
        return cls(content, styles, encoder, pair.blend, learned)

    @torch.no_grad()
    def __call__(self, picture: Tensor) -> dict[str, float]:
        """Measure a picture of shape (1, 3, H, W), the content's size, values in [0, 1].

        Raises:
            InputError: If it holds NaN or values outside [0, 1], or has not the content's size.
        """
        picture = check_picture(picture, "picture")
        if picture.shape[-2:] != self._size:
            (h, w), (ch, cw) = picture.shape[-2:], self._size
            raise InputError(
                f"the picture is {w}x{h} and the content {cw}x{ch}: "
                "load the content at the picture's size to compare them"
            )
        picture = reduced(picture, MEASURED_SIDE)
        results = self._against(picture, self._content, "content")

        eye = Eye(picture, self.encoder)
        view = StyleView.of(eye)
        results |= ContentView.of(eye).measures(self._seen)

        layers = {k: float(v) for k, v in style_distances(view.grams, self._blend).items()}
        results["style_distance"] = statistics.fmean(layers.values())
        results |= {f"style_distance/{layer}": value for layer, value in layers.items()}

        histogram = colour.rgb_uv_histogram(reduced(picture, COLOUR_SIZE))
        strengths = colour.contrast_and_colourfulness(picture)
        by_style = [
            self._against(picture, target.picture, "style")
            | {
                "colour_distance/style": functional.colour_distance(picture, target.picture).item(),
                "colour_histogram/style": colour.hellinger_distance(
                    histogram, target.histogram
                ).item(),
            }
            | {
                f"{name}/style": colour.ratio(value, reference)
                for name, value, reference in zip(
                    ("contrast", "colourfulness"), strengths, target.strengths, strict=True
                )
            }
            | view.measures(target.view)
            for target in self._targets
        ]
        for key in by_style[0]:
            pairs = zip(self._weights, by_style, strict=True)
            # A style of weight 0 does not count, not even with infinity.
            results[key] = sum(weight * values[key] for weight, values in pairs if weight)

        horizontal, vertical = functional.mean_absolute_deltas(picture)
        results["total_variation"] = float(total_variation(picture)) / picture.numel()
        results["deltas/horizontal"] = horizontal.item()
        results["deltas/vertical"] = vertical.item()

        if len(by_style) > 1:
            for number, (values, target) in enumerate(zip(by_style, self._targets, strict=True), 1):
                own = {k: value for k, value in values.items() if k.endswith("/style")}
                results |= {f"{key}_{number}": value for key, value in own.items()}
                distances = style_distances(view.grams, target.view.grams).values()
                results[f"style_distance/style_{number}"] = statistics.fmean(map(float, distances))
        return results

    def _against(self, picture: Tensor, reference: Tensor, role: str) -> dict[str, float]:
        reference = fit_reference(reference, picture)
        measures = _AGAINST_A_REFERENCE | self._learned
        return {
            f"{name}/{role}": float(measure(picture, reference))
            for name, measure in measures.items()
        }


def with_control(pair: "ImagePair", picture: Tensor) -> tuple[dict[str, float], dict[str, str]]:
    """Measure a picture, and the untouched content as a control, where the picture is.

    Returns:
        ``picture/`` or ``content/`` and a measure -> its value; a measure that is not there -> why.
    """
    measure = PictureMetrics.of(pair, device=picture.device)
    shown = {"picture/": picture, "content/": pair.content.to(picture.device)}
    found = {f"{who}{key}": v for who, seen in shown.items() for key, v in measure(seen).items()}
    return found, measure.unavailable
