"""From a Pillow picture of any mode and colour space to float sRGB and an alpha channel."""

import io
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageCms
from torch import Tensor

from nst_lightning.data.rare_tiff import to_unit

# A profile that moves no colour by more than this many 8-bit levels is sRGB by another name.
_ROUNDING = 1


def to_srgb(image: Image.Image, name: str) -> tuple[Tensor, Tensor | None, list[str]]:
    """Convert a decoded picture of any Pillow mode; remarks call it by its name.

    Returns:
        Pixels (1, 3, H, W), float32, sRGB in [0, 1]; alpha (1, 1, H, W) in [0, 1], or None if every
        pixel is opaque; remarks for the user.

    Raises:
        InputError: If a value is not finite.
    """
    if image.mode.startswith(("I", "F")):
        return _deep_grey(image, name)
    colour, opacity = _split_alpha(image)
    colour, notes = _apply_profile(colour, image.info.get("icc_profile"), name)
    alpha = None if opacity is None else _planes(opacity)
    if alpha is not None and bool((alpha == 1).all()):
        alpha = None
    return _planes(colour), alpha, notes


def _planes(image: Image.Image) -> Tensor:
    values = torch.from_numpy(np.array(image, dtype=np.uint8))
    values = values.view(image.height, image.width, -1)  # (H, W, C)
    # Contiguous in NCHW: what convolutions and the optimiser's flat view expect.
    return values.permute(2, 0, 1)[None].contiguous().to(torch.float32) / 255


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return colour without alpha (L, RGB, CMYK or LAB) and the alpha channel as L."""
    # The palette itself may hold an alpha (some TIFF and ICO files); Pillow knows that, too.
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
        *colours, alpha = image.split()
        return Image.merge("RGB" if len(colours) == 3 else "L", colours), alpha
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _apply_profile(
    image: Image.Image, profile: bytes | None, name: str
) -> tuple[Image.Image, list[str]]:
    """Bring L, RGB, CMYK or LAB to sRGB, by the embedded profile where that is possible."""
    srgb = ImageCms.createProfile("sRGB")
    notes: list[str] = []
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            space = source.profile.xcolor_space.strip().upper()
            if space == "RGB" and image.mode == "L":
                image = image.convert("RGB")
            if space != {"L": "GRAY"}.get(image.mode, image.mode):
                raise ImageCms.PyCMSError(f"made for {space}, not for {image.mode}")
            flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
            if image.mode == "L":
                # The fast way is coarse for dark greys; see _apply for why this is not slow.
                flags |= ImageCms.Flags.NOOPTIMIZE
            intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
            transform = ImageCms.buildTransform(source, srgb, image.mode, "RGB", intent, flags)
            if image.mode == "RGB" and _changes_nothing(transform):
                return image, notes
            return _apply(image, transform), notes
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
            why = " ".join(str(error).split())
            notes.append(f"{name}: its colour profile is ignored ({why})")
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return _apply(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB")), notes
    if image.mode == "CMYK" and not profile:
        notes.append(f"{name} is CMYK without a colour profile; its colours are approximate")
    return image.convert("RGB"), notes


def _apply(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    if image.mode != "L":
        return transform.apply(image)
    # Only 256 greys to convert: then every pixel is a look-up.
    ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
    curves = transform.apply(ramp).split()
    return Image.merge("RGB", [image.point(list(curve.tobytes())) for curve in curves])


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Return whether a transform is sRGB to sRGB, give or take rounding, on a grid of colours."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(9, 81, 3)
    result = transform.apply(Image.fromarray(grid))
    change = np.asarray(result).astype(int) - grid.astype(int)
    return bool(np.abs(change).max() <= _ROUNDING)


def _deep_grey(image: Image.Image, name: str) -> tuple[Tensor, Tensor | None, list[str]]:
    """Scale one channel of more than 8 bits by what its format can hold; never clip."""
    samples: Any = np.array(image)
    tags = getattr(image, "tag_v2", None) or {}
    # Pillow keeps the 12 bits of some TIFF files as 12; what it reads as I from a file has 16.
    bits = 12 if tags.get(258) in (12, (12,)) else 16
    if image.mode.startswith("I"):
        in_memory = image.mode == "I" and image.format is None
        bits, samples = (32, samples) if in_memory else (bits, samples.astype(np.uint32))
    values, notes = to_unit(samples, bits, name)
    # Pillow inverts TIFF files whose white is 0 up to 8 bits only.
    if image.mode.startswith("I;16") and tags.get(262) == 0:
        values = 1 - values
    if image.info.get("icc_profile"):
        notes.append(f"{name}: its colour profile is ignored (a grey picture of over 8 bits)")
    grey = torch.from_numpy(values).to(torch.float32)
    alpha = None
    key = image.info.get("transparency")
    if isinstance(key, int):
        alpha = torch.from_numpy((samples != key).astype(np.float32))[None, None]
    return grey.expand(1, 3, *grey.shape).contiguous(), alpha, notes
