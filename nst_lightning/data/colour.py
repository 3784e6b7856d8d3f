"""From a Pillow picture of any mode and colour space to float sRGB and an alpha channel."""

import io
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL import Image, ImageCms

# A profile that moves no colour by more than this many 8-bit levels is sRGB by another name.
_ROUNDING = 1


def to_srgb(image: "Image.Image", name: str) -> tuple[Tensor, Tensor | None, list[str]]:
    """Convert a decoded picture.

    Args:
        image: Any Pillow mode: 1, L, LA, P, PA, RGB(A), CMYK, YCbCr, HSV, LAB, I, I;16, F.
        name: What to call it in remarks.

    Returns:
        Pixels (1, 3, H, W), float32, sRGB in [0, 1]; alpha (1, 1, H, W) in [0, 1], or None if every
        pixel is opaque; remarks for the user.
    """
    if image.mode.startswith(("I", "F")):
        return _deep_grey(image, name)
    profile = image.info.get("icc_profile")
    colour, alpha = _split_alpha(image)
    colour, notes = _apply_profile(colour, profile, name)
    pixels = _planes(colour)
    opacity = None if alpha is None else _planes(alpha)
    if opacity is not None and bool((opacity == 1).all()):
        opacity = None
    return pixels, opacity, notes


def _planes(image: "Image.Image") -> Tensor:
    import numpy as np

    values = torch.from_numpy(np.array(image, dtype=np.uint8))
    if values.ndim == 2:
        values = values[..., None]
    # Contiguous in NCHW: what convolutions and the optimiser's flat view expect.
    return values.permute(2, 0, 1)[None].contiguous().to(torch.float32) / 255


def _split_alpha(image: "Image.Image") -> "tuple[Image.Image, Image.Image | None]":
    """Return colour without alpha (L, RGB, CMYK or LAB) and the alpha channel as L."""
    from PIL import Image

    straight = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}
    if image.mode in straight:
        image = image.convert(straight[image.mode])
    elif "transparency" in image.info and image.mode in ("1", "L", "P", "RGB"):
        image = image.convert("LA" if image.mode in ("1", "L") else "RGBA")
    if image.mode == "P":
        # The palette itself may hold an alpha (some TIFF and ICO files).
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode in ("LA", "RGBA"):
        *colours, alpha = image.split()
        return Image.merge("RGB" if len(colours) == 3 else "L", colours), alpha
    if image.mode == "1":
        return image.convert("L"), None
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image, None
    return image.convert("RGB"), None


def _apply_profile(
    image: "Image.Image", profile: bytes | None, name: str
) -> "tuple[Image.Image, list[str]]":
    """Bring L, RGB, CMYK or LAB to sRGB, by the embedded profile where that is possible."""
    from PIL import ImageCms

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


def _apply(image: "Image.Image", transform: "ImageCms.ImageCmsTransform") -> "Image.Image":
    from PIL import Image

    if image.mode == "L":
        # Only 256 greys to convert: then every pixel is a look-up.
        ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
        curves = _apply_to_pixels(ramp, transform).split()
        return Image.merge("RGB", [image.point(list(curve.tobytes())) for curve in curves])
    return _apply_to_pixels(image, transform)


def _apply_to_pixels(
    image: "Image.Image", transform: "ImageCms.ImageCmsTransform"
) -> "Image.Image":
    from PIL import ImageCms

    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # None is for a conversion in place
    return converted


def _changes_nothing(transform: "ImageCms.ImageCmsTransform") -> bool:
    """Return whether a transform is sRGB to sRGB, give or take rounding, on a grid of colours."""
    import numpy as np
    from PIL import Image

    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(9, 81, 3)
    result = _apply_to_pixels(Image.fromarray(grid), transform)
    change = np.asarray(result).astype(int) - grid.astype(int)
    return bool(np.abs(change).max() <= _ROUNDING)


def _deep_grey(image: "Image.Image", name: str) -> tuple[Tensor, Tensor | None, list[str]]:
    """Scale one channel of more than 8 bits by what its format can hold; never clip."""
    import numpy as np

    from nst_lightning.errors import InputError

    notes: list[str] = []
    raw = np.array(image).astype(np.float64)
    if not np.isfinite(raw).all():
        raise InputError(f"{name} holds values that are not finite (NaN or infinity)")
    low, high = float(raw.min()), float(raw.max())
    full = 1.0 if image.mode == "F" else float(2 ** _bits(image) - 1)
    values = raw / full
    if low < 0 or high > full:
        notes.append(f"{name} holds values from {low:g} to {high:g}; stretched to black and white")
        values = (raw - low) / (high - low) if high > low else np.full_like(raw, 0.5)
    if _white_is_zero(image):
        values = 1 - values
    if image.info.get("icc_profile"):
        notes.append(f"{name}: its colour profile is ignored (a grey picture of over 8 bits)")
    grey = torch.from_numpy(values).to(torch.float32)
    alpha = None
    key = image.info.get("transparency")
    if isinstance(key, int):
        alpha = torch.from_numpy((raw != key).astype(np.float32))[None, None]
    return grey.expand(1, 3, *grey.shape).contiguous(), alpha, notes


def _bits(image: "Image.Image") -> int:
    # Pillow keeps the 12 bits of some TIFF files as 12.
    tags = getattr(image, "tag_v2", None)
    bits = tags.get(258, (16,)) if tags is not None else (16,)
    return 12 if bits == (12,) or bits == 12 else 16


def _white_is_zero(image: "Image.Image") -> bool:
    # Pillow inverts such TIFF files up to 8 bits only.
    tags = getattr(image, "tag_v2", None)
    return tags is not None and image.mode.startswith("I;16") and tags.get(262) == 0
