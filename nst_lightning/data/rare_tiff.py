"""TIFF files that Pillow refuses or reads wrongly, by tifffile: sample formats, planes, pages."""

import contextlib
import io
import logging
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tifffile
from PIL import ExifTags, Image

from nst_lightning.errors import InputError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NOTES, DEPTH = "nst_notes", "nst_depth"
"""Where a picture's ``info`` keeps remarks for whoever decodes it, and its :class:`Depth`."""
DARK = 0.51
"""Share of its format's range up to which a picture of more than 8 bits gets a remark."""
FEWER_BITS = "if it has fewer bits or is darker than meant, save it with all of them"


class Depth(NamedTuple):
    """What a file says of its numbers, which Pillow's copies of it forget."""

    bits: int  # 0 where that is not known any more
    signed: bool
    white_is_zero: bool


def depth_of(image: Image.Image) -> Depth:
    """Return what is known of a picture's numbers while its file is open."""
    tags: Any = getattr(image, "tag_v2", None) or {}
    tiles = getattr(image, "tile", ())
    bits = 0 if image.format == "JPEG2000" or (image.format in ("PNG", "PPM") and not tiles) else 8
    if image.mode.startswith("I"):
        bits = 16 if ";16" in image.mode or image.format == "PPM" else 32
    bits = tags.get(258, (bits,))[0]
    # As which Pillow unpacks the bytes; of a PPM the largest number beside it.
    for tile in tiles if bits == 8 else ():
        words = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if any(w > 255 if isinstance(w, int) else ";16" in str(w) for w in words[:2]):
            bits = 16
    signed = image.mode == "I" and image.format != "PPM" and tags.get(339, (2,))[0] == 2
    # Pillow inverts TIFF files whose white is 0 up to 8 bits only.
    return Depth(bits, signed, image.mode.startswith("I;16") and tags.get(262) == 0)


_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_LAYOUTS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}
"""What the samples mean -> how many of them are colour."""
_ALPHA = (1, 2)  # premultiplied, and not
_PROFILE = 34675
_MASK = 4


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Keep tifffile off the screen: what is wrong with a file is said in a line of ours."""
    log = logging.getLogger("tifffile")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


@unheard()
def main_page(data: bytes, name: str) -> tuple[Any, list[str]]:
    """Return the picture among a file's pages: the first that is no mask and no reduced copy.

    A larger one that the file keeps inside of it (SubIFD) is taken instead.

    Returns:
        A page of tifffile's, and a remark if there are others.

    Raises:
        Exception: Whatever tifffile raises for a file that it cannot read.
    """
    pages: Any = tifffile.TiffFile(io.BytesIO(data)).pages

    def wholes(page: Any) -> list[Any]:
        inside = [page, *(page.pages or ())]
        return [p for p in inside if not p.subfiletype & (1 | _MASK) and p.photometric != _MASK]

    choices = ((number, page, wholes(page)) for number, page in enumerate(pages, start=1))
    first = pages[0]
    number, page, whole = next((c for c in choices if c[2]), (1, first, [first]))
    found = max(whole, key=lambda p: int(p.imagewidth * p.imagelength))
    notes = []
    if len(pages) > 1:
        which = "the first" if number == 1 else f"number {number}"
        notes = [f"{name} has {len(pages)} pages; using {which}"]
    if found is not page:
        size = f"{found.imagewidth} x {found.imagelength}"
        notes.append(f"{name} keeps its whole picture, {size}, beside a smaller one; using that")
    return found, notes


def beginning_with(page: Any, data: bytes) -> bytes:
    """Return a file in which a page of it is the first, as Pillow reads it."""
    order, big = page.parent.byteorder, page.parent.is_bigtiff
    at, place = (8, struct.pack(order + "Q", page.offset)) if big else (4, b"")
    place = place or struct.pack(order + "L", page.offset)
    end = at + len(place)
    return data if data[at:end] == place else data[:at] + place + data[end:]


def is_rare(page: Any) -> bool:
    """Return whether Pillow cannot be trusted with a page of tifffile's."""
    bits, kind = page.bitspersample, page.sampleformat
    if page.parent.is_bigtiff and page.parent.byteorder == ">":
        return True
    planes = page.samplesperpixel > 1 and page.planarconfig == 2 and page.compression in (1, 8)
    if kind in (_UNSIGNED, 4) and bits <= 8:  # 4 is "undefined"
        return bool(planes and 1 in page.extrasamples)
    # Without compression Pillow takes planes of 16 bits for twice as many of 8.
    return bool(planes) if kind == _UNSIGNED and bits <= 16 else True


def is_misread(image: Image.Image) -> bool:
    """Return whether Pillow has read, or will read, a caller's TIFF wrongly."""
    tags: Any = getattr(image, "tag_v2", None) or {}
    if tags.get(284) != 2 or tags.get(277, 1) == 1:
        return False
    return bool(max(tags.get(258, (8,))) > 8 and tags.get(259) == 1) or 1 in tags.get(338, ())


@unheard()
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
    samples = samples.view(np.uint8) if samples.dtype.kind == "b" else samples
    if samples.dtype.kind not in "iuf":
        raise InputError(f"{name} holds {samples.dtype} numbers, which are no colours")
    samples = np.moveaxis(samples, 0, -1) if page.axes == "SYX" else samples
    samples = samples.reshape(*samples.shape[:2], -1)  # (H, W, C)
    colour = samples[..., :colours]
    alpha, extra, reach = None, page.extrasamples[0] if page.extrasamples else 0, 0.0
    if extra in _ALPHA:
        alpha = samples[..., colours : colours + 1].astype(np.float64)
        reach = float(np.nan_to_num(alpha).max())
    to_unit, notes = unit_scale(lambda: [colour], page.bitspersample, name, reach)
    values = to_unit(colour)
    if int(page.photometric) == _WHITE_IS_ZERO:
        values = 1 - values
    if alpha is not None:
        most = max(reach, float(colour.max()))
        full = _full(most, page.bitspersample, samples.dtype.kind)
        if samples.dtype.kind == "f" and reach > 1:
            full = max(255.0, reach)
        alpha = np.clip(np.nan_to_num(alpha) / full, 0, 1)
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
        if page.bitspersample > 8:
            notes.append(f"{name} has {page.bitspersample} bits a channel; read as 8")
    if tag := page.tags.get(_PROFILE):
        image.info["icc_profile"] = bytes(tag.value)
    if tag := page.tags.get(ExifTags.Base.Orientation):
        image.getexif()[ExifTags.Base.Orientation] = int(tag.value)
    image.info[NOTES] = notes
    return image


def unit_scale(
    parts: Callable[[], Iterable[Any]], bits: int, name: str, reach: float = 0.0
) -> tuple[Callable[[Any], Any], list[str]]:
    """Return what brings numbers to [0, 1] by what their format can hold; never clips.

    Whole numbers of more than 16 bits that end at 255 or 65535 are of 8 or 16 bits. Negative ones
    and floats outside of [0, 1] are stretched to black and white.

    Args:
        parts: Gives all samples, in parts of any shape.
        bits: Of a sample.
        name: What remarks call the picture.
        reach: The largest sample of an alpha that has the same scale.

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
    full = _full(max(high, reach), bits, kind)
    notes = []
    if low < 0 or high > full:
        notes = [f"{held}; stretched to black and white"]
        low, full = (low, high - low) if high > low else (low - 0.5, 1.0)
        return lambda part: (part.astype(np.float64) - low) / full, notes
    if kind != "f" and bits > 16 and full <= 65535:
        notes = [f"{held}; read as {8 if full == 255 else 16} bits"]
    elif bits > 8 and 0 < high <= full * (1 / 15 if kind == "f" else DARK):
        notes = [f"{held} of {full:g}; {FEWER_BITS}"]
    return lambda part: part.astype(np.float64) / full, notes


def _full(most: float, bits: int, kind: str) -> float:
    """Return the number that stands for white where the largest is ``most``."""
    declared = 1.0 if kind == "f" else float(2 ** (bits - (kind == "i")) - 1)
    if kind == "f" or bits <= 16 or most > 65535:
        return declared
    return 255.0 if most <= 255 else 65535.0


def _word(kind: Any) -> str:
    return {_UNSIGNED: "numbers", _SIGNED: "signed numbers", _FLOAT: "floats"}.get(
        int(kind), "samples"
    )
