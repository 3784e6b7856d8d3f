"""TIFF files that Pillow refuses or reads wrongly, by tifffile: sample formats, planes, pages."""

import io
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tifffile
from PIL import ExifTags, Image

from nst_lightning.errors import InputError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NOTES = "nst_notes"
"""Where a picture's ``info`` keeps remarks for whoever decodes it."""

_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_LAYOUTS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}
"""What the samples mean -> how many of them are colour."""
_ALPHA = (1, 2)  # premultiplied, and not
_PROFILE = 34675


def main_page(data: bytes) -> tuple[int, Any]:
    """Return the first page that is no reduced copy of another, and its number; see tifffile.

    Raises:
        Exception: Whatever tifffile raises for a file that it cannot read.
    """
    pages: Any = tifffile.TiffFile(io.BytesIO(data)).pages
    whole = (number for number, page in enumerate(pages) if not page.is_reduced)
    number = next(whole, 0)
    return number, pages[number]


def is_rare(page: Any) -> bool:
    """Return whether Pillow cannot be trusted with a page of tifffile's."""
    bits, kind = page.bitspersample, page.sampleformat
    planes = page.samplesperpixel > 1 and page.planarconfig == 2 and page.compression in (1, 8)
    if kind in (_UNSIGNED, 4) and bits <= 8:  # 4 is "undefined"
        return bool(planes and 1 in page.extrasamples)
    # Without compression Pillow takes planes of 16 bits for twice as many of 8.
    return bool(planes) if kind == _UNSIGNED and bits <= 16 else True


def read_rare(page: Any, name: str) -> Image.Image:
    """Decode a page to a Pillow picture of 8 bits, or of floats in [0, 1] if it is grey.

    Raises:
        InputError: If it is of a kind that is not read, damaged, or not finite.
    """
    kind = f"a TIFF of {page.bitspersample}-bit {_word(page.sampleformat)}"
    colours = _LAYOUTS.get(int(page.photometric))
    if colours is None or page.axes not in ("YX", "YXS", "SYX"):
        meaning = getattr(page.photometric, "name", page.photometric)
        raise InputError(f"{name} is {kind} as {meaning}, which is not read; export it as RGB")
    try:
        samples = page.asarray()
    except Exception as error:  # tifffile and the codecs raise what they like
        why = "compressed in a way that is not read" if "imagecodecs" in str(error) else "damaged"
        raise InputError(f"{name} is {kind}, {why}; export it as PNG or uncompressed") from error
    if samples.dtype.kind not in "iuf":
        raise InputError(f"{name} holds {samples.dtype} numbers, which are no colours")
    samples = np.moveaxis(samples, 0, -1) if page.axes == "SYX" else samples
    samples = samples.reshape(*samples.shape[:2], -1)  # (H, W, C)
    colour = samples[..., :colours]
    to_unit, notes = unit_scale(lambda: [colour], page.bitspersample, name)
    values = to_unit(colour)
    if int(page.photometric) == _WHITE_IS_ZERO:
        values = 1 - values
    alpha = None
    extra = page.extrasamples[0] if page.extrasamples else 0
    if extra in _ALPHA:
        full = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
        alpha = np.clip(samples[..., colours : colours + 1] / full, 0, 1)
        if extra == 1:
            values = np.clip(values / np.maximum(alpha, 1e-9), 0, 1)
    if alpha is None and colours == 1:
        image = Image.fromarray(values[..., 0].astype(np.float32))
    else:
        levels = values if alpha is None else np.concatenate([values, alpha], -1)
        bytes_ = np.ascontiguousarray((levels * 255 + 0.5).astype(np.uint8))
        shape = (bytes_.shape[1], bytes_.shape[0])
        mode = "CMYK" if colours == 4 else {2: "LA", 3: "RGB", 4: "RGBA"}[bytes_.shape[-1]]
        image = Image.frombytes(mode, shape, bytes_[..., :4].tobytes())
        notes.append(f"{name} has {page.bitspersample} bits a channel; read as 8")
    if tag := page.tags.get(_PROFILE):
        image.info["icc_profile"] = bytes(tag.value)
    if tag := page.tags.get(ExifTags.Base.Orientation):
        image.getexif()[ExifTags.Base.Orientation] = int(tag.value)
    image.info[NOTES] = notes
    return image


def unit_scale(
    parts: Callable[[], Iterable[Any]], bits: int, name: str
) -> tuple[Callable[[Any], Any], list[str]]:
    """Return what brings numbers to [0, 1] by what their format can hold; never clips.

    Whole numbers of more than 16 bits that end at 255 or 65535 are of 8 or 16 bits. Negative ones
    and floats outside of [0, 1] are stretched to black and white.

    Args:
        parts: Gives all samples, in parts of any shape.
        bits: Of a sample.
        name: What remarks call the picture.

    Returns:
        Samples -> doubles, and remarks for the user.

    Raises:
        InputError: If a value is not finite.
    """
    ends: list[float] = []
    kind = ""
    for part in parts():
        if not np.isfinite(part).all():
            raise InputError(f"{name} holds values that are not finite (NaN or infinity)")
        kind = part.dtype.kind
        ends += [float(part.min()), float(part.max())]
    low, high = min(ends), max(ends)
    held = f"{name} holds values from {low:g} to {high:g}"
    full = 1.0 if kind == "f" else float(2 ** (bits - (kind == "i")) - 1)
    notes = []
    if low < 0 or high > full:
        notes = [f"{held}; stretched to black and white"]
        low, full = (low, high - low) if high > low else (low - 0.5, 1.0)
        return lambda part: (part.astype(np.float64) - low) / full, notes
    if kind in "iu" and bits > 16 and high <= 65535:
        full = 255.0 if high <= 255 else 65535.0
        notes = [] if high <= 255 else [f"{held}; read as 16 bits"]
    elif kind in "iu" and bits == 16 and 0 < high <= full / 15:
        notes = [f"{held} of {full:g}; if it has fewer bits than 16, save it with all of them"]
    return lambda part: part.astype(np.float64) / full, notes


def _word(kind: Any) -> str:
    return {_UNSIGNED: "numbers", _SIGNED: "signed numbers", _FLOAT: "floats"}.get(
        int(kind), "samples"
    )
