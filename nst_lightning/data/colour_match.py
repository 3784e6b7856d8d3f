"""Keeping the content's colours: luminance alone, or a style recoloured beforehand.

Both ways of Gatys, Bethge, Hertzmann & Shechtman, "Preserving Color in Neural Artistic Style
Transfer" (2016), and matching of histograms. A style is ``(1, 3, h, w)``, a content
``(1, 3, H, W)``, values in [0, 1].
"""

import torch
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)  # the Y of YIQ, which the paper uses


def luminance(pixels: Tensor) -> Tensor:
    """Return the luminance of RGB pixels: ``(N, 3, H, W)`` -> ``(N, 1, H, W)``, in their units."""
    weights = torch.tensor(_LUMA, dtype=pixels.dtype, device=pixels.device).view(1, 3, 1, 1)
    return (pixels * weights).sum(1, keepdim=True)


def grey(pixels: Tensor) -> Tensor:
    """Return a picture of the luminance alone, three equal channels."""
    return luminance(pixels).expand_as(pixels)


def with_luminance(colour: Tensor, light: Tensor) -> Tensor:
    """Return a picture with the colour of one and the luminance of another.

    Both are ``(1, 3, H, W)``, values in [0, 1]. In YIQ, I and Q stay when all of R, G and B change
    by the same amount. Where the sum leaves [0, 1] it is cut, and there alone the colour changes.
    """
    return (colour + (luminance(light) - luminance(colour))).clamp(0, 1)


def match_luminance(style: Tensor, content: Tensor) -> Tensor:
    """Return the style in grey, with mean and deviation of the content's luminance.

    Equation 2 of the paper, without which a dark style would darken the content.
    """
    light, wanted = luminance(style), luminance(content)
    scale = wanted.std() / light.std().clamp_min(1e-6)
    return (scale * (light - light.mean()) + wanted.mean()).clamp(0, 1).expand_as(style)


def match_covariance(style: Tensor, content: Tensor) -> Tensor:
    """Return the style with the content's mean colour and covariance of colours.

    x -> A·x + b with A = Σc^½ Σs^-½, Hertzmann's form, which the paper prefers.
    """
    colours, wanted = style.flatten(2)[0].double(), content.flatten(2)[0].double()
    matrix = _power(torch.cov(wanted), 0.5) @ _power(torch.cov(colours), -0.5)
    moved = matrix @ (colours - colours.mean(1, keepdim=True)) + wanted.mean(1, keepdim=True)
    return moved.clamp(0, 1).to(style.dtype).view_as(style)


def _power(covariance: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    # A style of one hue has no spread in some directions: they are not to be blown up.
    power: Tensor = (vectors * values.clamp_min(1e-5).pow(exponent)) @ vectors.mT
    return power


def match_histogram(style: Tensor, content: Tensor) -> Tensor:
    """Return the style with the content's histogram in each of R, G and B."""
    matched = torch.empty_like(style)
    for channel in range(3):
        values = style[0, channel].flatten()
        wanted = content[0, channel].flatten().sort().values
        rank = values.argsort(stable=True).argsort(stable=True)
        # The place of a rank in a sorted list of another length.
        place = (rank.double() + 0.5) / len(values) * len(wanted) - 0.5
        place = place.clamp(0, len(wanted) - 1)
        low = place.floor().long()
        high = (low + 1).clamp(max=len(wanted) - 1)
        mixed = torch.lerp(wanted[low], wanted[high], (place - low).to(wanted.dtype))
        matched[0, channel] = mixed.view(style.shape[-2:])
    return matched
