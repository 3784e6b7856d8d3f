"""Colours as a whole: a histogram of log-chroma, and how strong contrast and colours are."""

import math

import torch
from torch import Tensor

_BINS = 64
_REACH = 3.0
_FALL_OFF = 0.02
_DARK = 1e-6  # the logarithm of black is not wanted
_PIXELS_AT_ONCE = 2**14
_INVISIBLE = 0.01  # CIELAB units: nobody sees a hundredth


def rgb_uv_histogram(picture: Tensor) -> Tensor:
    """Histogram of log-chroma, weighted by intensity (HistoGAN, Afifi et al. 2021).

    For each channel the plane of its two log-ratios to the other channels, from -3 to 3 in 64 × 64
    bins. A pixel counts in a bin by ``1 / (1 + (Δ / 0.02)²)`` of either distance Δ to the bin's
    middle, and as much as it is bright: √(r² + g² + b²). Of the picture as it is; the paper reduces
    it to 256 pixels first.

    Args:
        picture: Shape (1, 3, H, W), values in [0, 1].

    Returns:
        Shape (3, 64, 64), sum 1; of a black picture the sum is 0.
    """
    pixels = picture[0].flatten(1)  # (3, pixels)
    middles = torch.linspace(-_REACH, _REACH, _BINS, dtype=pixels.dtype, device=pixels.device)
    histogram = pixels.new_zeros(3, _BINS, _BINS)
    # The kernels of all pixels of a large picture would not fit.
    for part in torch.split(pixels, _PIXELS_AT_ONCE, dim=1):
        logs, intensity = (part + _DARK).log(), part.square().sum(0).sqrt()
        for channel, (one, other) in enumerate(((1, 2), (0, 2), (0, 1))):
            u, v = (
                1
                / (1 + ((logs[channel] - logs[second])[:, None] - middles).div(_FALL_OFF).square())
                for second in (one, other)
            )  # (pixels, 64)
            histogram[channel] += (intensity[:, None] * u).mT @ v
    total = histogram.sum()
    return histogram / total if total > 0 else histogram


def hellinger_distance(a: Tensor, b: Tensor) -> Tensor:
    """Hellinger distance ‖√a − √b‖ / √2 of two histograms of sum 1: from 0 to 1, a scalar."""
    return (a.sqrt() - b.sqrt()).square().sum().sqrt() / math.sqrt(2)


def contrast_and_colourfulness(picture: Tensor) -> tuple[float, float]:
    """Standard deviation of the lightness L* and mean chroma √(a*² + b*²), in CIELAB units.

    Args:
        picture: Shape (1, 3, H, W), sRGB in [0, 1].
    """
    from skimage.color import rgb2lab

    lightness, a, b = rgb2lab(picture[0].cpu().numpy(), channel_axis=0)
    return float(lightness.std()), float(((a**2 + b**2) ** 0.5).mean())


def ratio(value: float, reference: float) -> float:
    """One strength as a share of another, 1 where neither can be seen; never infinite."""
    return (value + _INVISIBLE) / (reference + _INVISIBLE)
