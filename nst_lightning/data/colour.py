"""From a Pillow picture of any mode and colour space to float sRGB and an alpha channel."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms
from torch import Tensor

from nst_lightning.data.rare_tiff import DEPTH, depth_of, unit_scale
from nst_lightning.data.rows import Rows, bands

# A profile that moves no colour by more than this many 8-bit levels is sRGB by another name.
_ROUNDING = 1

_Conversion = Callable[[Image.Image], Image.Image]


def to_srgb(image: Image.Image, name: str) -> Rows:
    """Convert a decoded picture of any Pillow mode, band by band; remarks call it by its name.

    Its pixels are sRGB in [0, 1]; it is transparent only if some pixel is.

    Raises:
        InputError: If a value is not finite.
    """
    height, width = image.height, image.width
    if image.mode.startswith(("I", "F")):
        return _deep_grey(image, name)

    def cut(rows: slice) -> Image.Image:
        return image.crop((0, rows.start, width, rows.stop))

    alphas = (_split_alpha(cut(rows))[1] for rows in bands(height, width))
    transparent = image.has_transparency_data and any(
        alpha is not None and alpha.getextrema() != (255, 255) for alpha in alphas
    )
    convert, notes = _by_profile(image, name)

    def read(rows: slice) -> tuple[Tensor, Tensor | None]:
        colour, alpha = _split_alpha(cut(rows))
        opacity = _planes(alpha) if alpha is not None and transparent else None
        return _planes(convert(colour)), opacity

    return Rows(height, width, transparent, read, notes)


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


def _by_profile(image: Image.Image, name: str) -> tuple[_Conversion, list[str]]:
    """Return what brings the colours to sRGB, by the embedded profile where that is possible."""
    # One pixel tells what L, RGB, CMYK or LAB the others are split into.
    mode = _split_alpha(image.crop((0, 0, 1, 1)))[0].mode
    profile = image.info.get("icc_profile")
    srgb = ImageCms.createProfile("sRGB")
    notes: list[str] = []
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            space = source.profile.xcolor_space.strip().upper()
            if space == "RGB" and mode == "L":
                mode = "RGB"
            if space != {"L": "GRAY"}.get(mode, mode):
                raise ImageCms.PyCMSError(f"made for {space}, not for {mode}")
            flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
            if mode == "L":
                # The fast way is coarse for dark greys; see _greys for why this is not slow.
                flags |= ImageCms.Flags.NOOPTIMIZE
            intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
            transform = ImageCms.buildTransform(source, srgb, mode, "RGB", intent, flags)
            if mode == "L":
                return _greys(transform), notes
            if mode != "RGB" or not _changes_nothing(transform):
                return lambda band: transform.apply(_in_mode(band, mode)), notes
            return _as_rgb, notes
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
            why = " ".join(str(error).split())
            notes.append(f"{name}: its colour profile is ignored ({why})")
    if mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return ImageCms.buildTransform(lab, srgb, "LAB", "RGB").apply, notes
    if mode == "CMYK" and not profile:
        notes.append(f"{name} is CMYK without a colour profile; its colours are approximate")
    return _as_rgb, notes


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def _as_rgb(image: Image.Image) -> Image.Image:
    return _in_mode(image, "RGB")


def _greys(transform: ImageCms.ImageCmsTransform) -> _Conversion:
    # Only 256 greys to convert: then every pixel is a look-up.
    ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
    curves = [list(curve.tobytes()) for curve in transform.apply(ramp).split()]
    return lambda band: Image.merge("RGB", [band.point(curve) for curve in curves])


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Return whether a transform is sRGB to sRGB, give or take rounding, on a grid of colours."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(9, 81, 3)
    result = transform.apply(Image.fromarray(grid))
    change = np.asarray(result).astype(int) - grid.astype(int)
    return bool(np.abs(change).max() <= _ROUNDING)


def _deep_grey(image: Image.Image, name: str) -> Rows:
    """Scale one channel of more than 8 bits by what its format can hold; never clip."""
    height, width = image.height, image.width

    depth = image.info.get(DEPTH) or depth_of(image)

    def raw(rows: slice) -> NDArray[Any]:
        found = np.array(image.crop((0, rows.start, width, rows.stop)))
        return found if depth.signed or image.mode == "F" else found.astype(np.uint32)

    to_unit, notes = unit_scale(lambda: map(raw, bands(height, width)), depth.bits, name)
    if image.info.get("icc_profile"):
        notes.append(f"{name}: its colour profile is ignored (a grey picture of over 8 bits)")
    key = image.info.get("transparency")
    transparent = isinstance(key, int)

    def read(rows: slice) -> tuple[Tensor, Tensor | None]:
        found = raw(rows)
        values = to_unit(found)
        if depth.white_is_zero:
            values = 1 - values
        grey = torch.from_numpy(values).to(torch.float32)
        alpha = torch.from_numpy((found != key).astype(np.float32)) if transparent else None
        return grey.expand(1, 3, *grey.shape), None if alpha is None else alpha[None, None]

    return Rows(height, width, transparent, read, notes)
