"""What every measure expects of a picture, and how a reference is brought to its size."""

import torch
from torch import Tensor
from torch.nn import functional as F

from nst_lightning.errors import InputError

MEASURED_SIDE = 2048
"""Long side, in pixels, to which larger pictures are reduced before they are measured."""

_TOLERANCE = 1e-4


def check_picture(picture: Tensor, name: str = "picture") -> Tensor:
    """Return the picture in the precision of measures, or say what is wrong with it.

    That is float64, or float32 on devices without it.

    Args:
        picture: Shape (1, 3, H, W), floating, values in [0, 1] (off by rounding at most).
        name: What the message calls it.

    Raises:
        TypeError: If it is not a floating tensor.
        ValueError: If it has another shape.
        InputError: If it holds NaN, infinity or values outside [0, 1].
    """
    if not isinstance(picture, Tensor) or not picture.is_floating_point():
        found = picture.dtype if isinstance(picture, Tensor) else type(picture).__name__
        raise TypeError(f"{name} must be a floating tensor with values in [0, 1], found {found}")
    if picture.ndim != 4 or picture.shape[:2] != (1, 3) or picture.numel() == 0:
        raise ValueError(
            f"{name} must have the shape (1, 3, H, W) of one image, found {tuple(picture.shape)}"
        )
    low, high = (float(v) for v in picture.detach().aminmax())
    if not (low >= -_TOLERANCE and high <= 1 + _TOLERANCE):
        # aminmax passes NaN on, so the comparison above is false for it.
        if not bool(torch.isfinite(picture).all()):
            raise InputError(f"{name} holds NaN or infinite values: it cannot be measured")
        raise InputError(
            f"{name} has values from {low:.4g} to {high:.4g}: clamp it to [0, 1] first, "
            "a picture is measured as it is shown"
        )
    # MPS has no float64.
    precise = torch.float32 if picture.device.type == "mps" else torch.float64
    return picture.to(precise).clamp(0, 1).contiguous()


def check_side(picture: Tensor, minimum: int, what: str) -> None:
    """Refuse a picture that a measure sees nothing of.

    Raises:
        InputError: If a side is shorter than ``minimum`` pixels.
    """
    height, width = picture.shape[-2:]
    if min(height, width) < minimum:
        raise InputError(
            f"{what} needs a picture of {minimum} pixels or more a side, "
            f"this one is {width}x{height}"
        )


def fit_reference(reference: Tensor, picture: Tensor) -> Tensor:
    """Resize a reference to a picture's height and width.

    Measures that compare pixel by pixel need one size. A style image has its own, so it is
    stretched to the picture's (bilinear with antialiasing, which stays within [0, 1]), as the
    PyTorch tutorial does.
    """
    size = picture.shape[-2:]
    if reference.shape[-2:] == size:
        return reference
    stretched = F.interpolate(reference, size, mode="bilinear", align_corners=False, antialias=True)
    return stretched.clamp(0, 1)


def reduced(picture: Tensor, long_side: int, least: int = 1) -> Tensor:
    """Reduce a picture to a long side in pixels, if it is larger; never enlarge it.

    Args:
        picture: Shape (N, C, H, W), values in [0, 1].
        long_side: Long side of the result, at most.
        least: The short side stays at least so long, if it was.
    """
    height, width = picture.shape[-2:]
    scale = max(long_side / max(height, width), least / min(height, width))
    if scale >= 1:
        return picture
    size = [max(1, round(scale * side)) for side in (height, width)]
    smaller = F.interpolate(picture, size, mode="bilinear", align_corners=False, antialias=True)
    return smaller.clamp(0, 1)
