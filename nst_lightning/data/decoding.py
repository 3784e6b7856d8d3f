"""From a file to a Pillow picture: formats, limits, frames, orientation, damaged files."""

import contextlib
import io
import struct
import warnings
import zlib
from typing import Any

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from nst_lightning.data import rare_tiff
from nst_lightning.errors import InputError

MAXIMUM_PIXELS = 178_956_970
"""Above this width times height a picture is taken for a decompression bomb; Pillow's own limit."""

PNG_KEYWORD = "nst_lightning"
"""Keyword of the PNG text chunk; the other formats keep the same text as the image description."""
MAXIMUM_PROFILE = 2**24
"""Bytes of a colour profile, unpacked; a larger one is left out."""
_PILLOWS_LIMIT = 2**20
_PNG = b"\x89PNG\r\n\x1a\n"

# No format that runs a program to decode (EPS calls Ghostscript) or that accepts any bytes (TGA).
FORMATS = (
    "JPEG",
    "MPO",
    "PNG",
    "GIF",
    "WEBP",
    "TIFF",
    "BMP",
    "DIB",
    "PPM",
    "AVIF",
    "JPEG2000",
    "QOI",
    "ICO",
    "PCX",
    "PSD",
)
_READABLE = "JPEG, PNG, WebP, TIFF, GIF, BMP, PPM or AVIF"
_SIGNATURES = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"RIFF": "WebP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
# Where a frame is a page or moment of its own; an MPO's second is a depth map or thumbnail.
_FRAMES = {"GIF": "frames", "PNG": "frames", "WEBP": "frames", "AVIF": "frames", "TIFF": "pages"}


def open_header(data: bytes, name: str) -> Image.Image:
    """Open a picture without decoding its pixels; messages call it by its name.

    Raises:
        InputError: If it is empty, no picture, damaged, or a decompression bomb.
    """
    if not data:
        raise InputError(f"{name} is empty (0 bytes)")
    rare, number = None, 0
    if data.startswith(rare_tiff.MAGIC):
        with contextlib.suppress(Exception):  # what tifffile cannot read either, Pillow refuses
            number, page = rare_tiff.main_page(data)
            _check_pixels(name, page.imagewidth, page.imagelength)
            if rare_tiff.is_rare(page):
                rare = page
    if rare is not None:
        return rare_tiff.read_rare(rare, name)
    data, profile = _light(data) if data.startswith(_PNG) else (data, None)
    Image.init()
    formats = [f for f in FORMATS if f in Image.OPEN]
    try:
        with warnings.catch_warnings():
            # Of tags that nothing here reads, and of half the number of pixels that is too many.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), "r", formats)
            if number:
                image.seek(number)
    except UnidentifiedImageError as error:
        raise InputError(f"{name} is not a picture that can be read{_guess(data[:512])}") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} is too large: {_bomb()}") from error
    # The plugins raise whatever damaged bytes lead them to.
    except Exception as error:
        raise InputError(f"{name} is damaged: {_one_line(error)}") from error
    _check_pixels(name, *image.size)
    if profile is not None:
        image.info["icc_profile"] = profile
    return image


def _check_pixels(name: str, width: int, height: int) -> None:
    if width * height > MAXIMUM_PIXELS:
        raise InputError(f"{name} is too large: it is {width} x {height} pixels; {_bomb()}")


def _light(data: bytes) -> tuple[bytes, bytes | None]:
    """Return a PNG without texts but ours and without a profile that Pillow finds too large.

    Pillow refuses the whole picture then. The profile comes beside it, or is left out if even that
    is too large.
    """
    kept, place, profile = [data[:8]], 8, None
    while place + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        chunk = data[place : place + 12 + length]
        body, place = chunk[8:-4], place + 12 + length
        if kind == b"iCCP":
            inflate = zlib.decompressobj()
            with contextlib.suppress(zlib.error):
                inflated = inflate.decompress(body.partition(b"\0")[2][1:], MAXIMUM_PROFILE)
                if len(inflated) > _PILLOWS_LIMIT:
                    profile = inflated if inflate.eof else None
                    continue
        if kind in (b"tEXt", b"zTXt", b"iTXt") and not body.startswith(PNG_KEYWORD.encode()):
            continue
        kept.append(chunk)
    return b"".join([*kept, data[place:]]), profile


def decode(image: Image.Image, name: str) -> tuple[Image.Image, list[str]]:
    """Decode the first frame of a picture and turn it the way its EXIF orientation says.

    Returns:
        The decoded picture, and remarks for the user.

    Raises:
        InputError: If the pixels cannot be decoded (truncated or damaged file).
    """
    notes: list[str] = image.info.pop(rare_tiff.NOTES, [])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            kind = _FRAMES.get(image.format or "")
            frames = int(getattr(image, "n_frames", 1)) if kind else 1
            if frames > 1:
                which = "the first" if image.tell() == 0 else f"number {image.tell() + 1}"
                notes.append(f"{name} has {frames} {kind}; using {which}")
            bits = str(getattr(image, "tile", ""))
            if ";16" in bits and image.mode in ("RGB", "RGBA", "CMYK"):
                notes.append(f"{name} has 16 bits a channel; read as 8")
            image.load()
            if ";16" in bits and image.mode in ("RGB", "RGBA"):
                ends: Any = image.getextrema()
                most = max(high for _, high in ends[:3])
                if 0 < most < 16:
                    notes.append(
                        f"{name} is black to a sixteenth of what its 16 bits hold; if it has fewer "
                        "bits, save it with all of them"
                    )
        except MemoryError as error:
            size = f"{image.width} x {image.height}"
            raise InputError(f"{name}: not enough memory for {size} pixels") from error
        except Exception as error:
            raise InputError(f"{name} is truncated or damaged: {_one_line(error)}") from error
        try:
            ImageOps.exif_transpose(image, in_place=True)
        except Exception as error:
            notes.append(f"{name}: orientation ignored, its EXIF is damaged ({_one_line(error)})")
    notes += [
        f"{name}: {message}" for message in dict.fromkeys(_one_line(w.message) for w in caught)
    ]
    return image, notes


def is_turned(image: Image.Image) -> bool:
    """Return whether its EXIF orientation will exchange width and height; nothing is decoded."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    # Damaged: `decode` then says that it is ignored.
    except Exception:
        return False


def _bomb() -> str:
    return f"over {MAXIMUM_PIXELS / 1e6:.0f} million pixels is taken for a decompression bomb"


def _one_line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _guess(head: bytes) -> str:
    """Say what a file that is no picture looks like, by its first bytes."""
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return f": damaged, or a kind of {kind} that is not supported; export it as 8-bit PNG"
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return ": it is a web page; check the address"
    if start.startswith(b"version https://git-lfs"):
        return ": it is a Git LFS pointer; run git lfs pull"
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
        return ": it is HEIC; export it as JPEG or PNG"
    if start.startswith((b"<svg", b"<?xml", b"%pdf", b"%!ps")):
        return ": it is a vector drawing or document; export it as PNG"
    if head and all(byte in b"\t\n\r\f\x1b" or byte >= 32 for byte in head) and b"\x7f" not in head:
        with contextlib.suppress(UnicodeDecodeError):
            head[: 512 - 4].decode()
            return f": it is a text file; use {_READABLE}"
    return f"; use {_READABLE}"
