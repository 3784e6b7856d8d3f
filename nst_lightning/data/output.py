"""Save a picture: PNG, JPEG, WebP or TIFF, sRGB, with its settings, whole or not at all."""

import contextlib
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from torch import Tensor

from nst_lightning.checks import typed, whole_number
from nst_lightning.data import encoding
from nst_lightning.data.colour import to_srgb
from nst_lightning.data.decoding import given
from nst_lightning.data.metadata import as_text
from nst_lightning.data.sheet import Cell, draw_cells
from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.files import atomic_write, expanded, write_whole

Frame = Tensor | Image.Image
"""A picture, (1, 3, H, W) in [0, 1] or Pillow's."""

_log = logging.getLogger(__name__)

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WebP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
_MAXIMUM_SIDE = {"JPEG": 65500, "WebP": 16383}


@typed()
def check_path(path: str | os.PathLike[str], bits: int = 8, quality: int = 95) -> Path:
    """Return the path that `save_image` would write; call it before a long run.

    Raises:
        InputError: If the suffix, the bits or the quality cannot be had, or the path is a folder.
    """
    target = expanded(path)
    suffix = target.suffix.lower()
    if suffix not in FORMATS:
        what = f"unknown picture suffix {suffix!r}" if suffix else "a picture needs a suffix"
        raise InputError(
            f"cannot write {target}: {what}{did_you_mean(suffix, FORMATS) if suffix else ''} "
            f"(there are {', '.join(FORMATS)})"
        )
    if bits not in (8, 16):
        raise InputError(f"bits must be 8 or 16, not {bits!r}")
    if bits == 16 and FORMATS[suffix] not in ("PNG", "TIFF"):
        raise InputError(f"cannot write {target}: {suffix} has 8 bits only; use .png or .tiff")
    whole_number("quality", quality, 1, 100)
    # A folder that may not be looked into is found out by the write.
    with contextlib.suppress(OSError):
        if target.is_dir():
            raise InputError(f"cannot write {target}: a folder of that name is in the way")
    return target


@typed()
def save_image(
    pixels: Frame,
    path: str | os.PathLike[str],
    *,
    alpha: Tensor | None = None,
    settings: Mapping[str, Any] | None = None,
    quality: int = 95,
    bits: Literal[8, 16] = 8,
) -> Path:
    """Save a picture in the format that the suffix names.

    Values are clamped to [0, 1] and rounded to the nearest level, halves up. An sRGB profile is
    embedded. The same picture and settings give the same bytes.

    Args:
        pixels: Shape (1, 3, H, W) or (3, H, W), sRGB in [0, 1], not premultiplied; or a Pillow
            picture, whose own transparency is kept.
        path: ``.png``, ``.jpg``, ``.webp`` or ``.tiff``; its folder is made if need be.
        alpha: Shape (1, 1, H, W) in [0, 1]. A JPEG cannot hold it and is laid on white instead.
        settings: What to embed for `metadata.read_settings`; what JSON can hold, and paths.
        quality: 1 to 100, for JPEG (always 4:4:4) and WebP (100 is lossless).
        bits: Bits a channel; 16 for PNG and TIFF only.

    Returns:
        The path written, ``~`` expanded.

    Raises:
        InputError: If the suffix is unknown or the file cannot be written.
        ValueError: If a value is not finite or shapes do not fit.
    """
    target = check_path(path, bits, quality)
    kind = FORMATS[target.suffix.lower()]
    if not isinstance(pixels, Tensor):
        pixels, own_alpha = to_srgb(given(pixels, "the picture"), "picture").whole()
        alpha = own_alpha if alpha is None else alpha
    side = _MAXIMUM_SIDE.get(kind, 2**31 - 1)
    if max(pixels.shape[-2:]) > side:
        raise InputError(
            f"cannot write {target}: {kind} holds {side} pixels a side at most; use .png"
        )
    if kind == "JPEG" and alpha is not None:
        _log.warning("%s: JPEG holds no transparency; the picture is laid on white", target)
    text = None if settings is None else as_text(settings)
    if kind == "JPEG" and text is not None and len(text) > encoding.JPEG_TEXT:
        _log.warning("%s: the settings are too long for a JPEG and are left out", target)
        text = None
    levels = encoding.quantise(pixels, alpha, bits, on_white=kind == "JPEG")
    with atomic_write(target) as part, part.open("wb") as file:
        if kind == "PNG":
            encoding.encode_png(levels, text, file)
        elif kind == "TIFF":
            encoding.encode_tiff(levels, text, file)
        elif kind == "WebP":
            encoding.encode_webp(levels, text, file, quality)
        else:
            encoding.encode_jpeg(levels, text, file, quality)
    return target


@typed()
def save_animation(
    frames: Sequence[Frame], path: str | os.PathLike[str], fps: float = 8.0, hold: float = 2.0
) -> Path:
    """Save an endless animation.

    Args:
        frames: All of one size.
        path: ``.gif`` (256 colours for the whole animation, so that nothing flickers) or ``.webp``.
        fps: Frames a second, above 0 and at most 50.
        hold: Seconds that the last frame stays.

    Raises:
        InputError: If the suffix or fps cannot be had or the file cannot be written.
        ValueError: If there is no frame or their sizes differ.
    """
    target = expanded(path)
    encoders = {".gif": encoding.animate_gif, ".webp": encoding.animate_webp}
    if target.suffix.lower() not in encoders:
        raise InputError(f"cannot write {target}: an animation is a .gif or .webp file")
    if not 0 < fps <= 50:
        raise InputError(f"fps must be above 0 and at most 50, not {fps!r}")
    pictures = [_as_rgb(frame) for frame in frames]
    if not pictures or any(p.size != pictures[0].size for p in pictures):
        raise ValueError("an animation needs at least one frame, and all of one size")
    times = encoding.frame_times(len(pictures), fps, hold)
    write_whole(target, encoders[target.suffix.lower()](pictures, times))
    return target


@typed()
def contact_sheet(
    frames: Sequence[Frame],
    labels: Sequence[object],
    path: str | os.PathLike[str],
    *,
    columns: int | None = None,
    tile: int = 256,
) -> Path:
    """Save small versions of several pictures side by side, each with a label under it.

    Args:
        frames: Of any sizes.
        labels: One a frame, such as its step number.
        path: Any suffix that `save_image` takes.
        columns: Pictures in a row; None for about as many as there are rows.
        tile: Long side of each in pixels.

    Raises:
        InputError: If the file cannot be written.
        ValueError: If there is no frame, or not one label for each.
    """
    target = check_path(path)
    pictures = [_as_rgb(frame) for frame in frames]
    if not pictures or len(labels) != len(pictures):
        raise ValueError(f"{len(pictures)} pictures and {len(labels)} labels; give one label each")
    labelled = zip(pictures, labels, strict=True)
    cells = [Cell(picture, ((str(label), "black"),)) for picture, label in labelled]
    across = columns or math.ceil(math.sqrt(len(cells)))
    rows = [cells[start : start + across] for start in range(0, len(cells), across)]
    return save_image(draw_cells(rows, tile), target)


def _as_rgb(frame: Frame) -> Image.Image:
    if isinstance(frame, Tensor):
        return Image.fromarray(encoding.quantise(frame, None, 8))
    return given(frame, "the frame").convert("RGB")
