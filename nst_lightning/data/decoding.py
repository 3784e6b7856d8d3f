"""From a file to a Pillow picture: formats, limits, frames, orientation, damaged files."""

import contextlib
import importlib
import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from nst_lightning.data import rare_tiff
from nst_lightning.errors import InputError

MAXIMUM_PIXELS = 178_956_970
"""Above this width times height a picture is taken for a decompression bomb; Pillow's own limit."""

PNG_KEYWORD = "nst_lightning"
"""Keyword of the PNG text chunk; the other formats keep the same text as the image description."""
MAXIMUM_PROFILE = 2**24
"""Bytes of a colour profile, unpacked; a larger one is left out."""
_PNG = b"\x89PNG\r\n\x1a\n"
_OUR_TEXT = PNG_KEYWORD.encode() + b"\0\0"  # not packed

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
_READABLE = "JPEG, PNG, WebP, TIFF, GIF, BMP, PPM, AVIF or HEIC"
_SIGNATURES = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"RIFF": "WebP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
# Where a frame is a page or moment of its own; an MPO's second is a depth map or thumbnail.
_FRAMES = ("GIF", "PNG", "WEBP", "AVIF")

_SETTINGS = threading.Lock()
_kept: list[Any] = []  # the caller's, and how many read at this moment


@contextlib.contextmanager
def pillow_as_shipped(limit: int | None = MAXIMUM_PIXELS // 2) -> Iterator[None]:
    """Let nothing that the caller set in Pillow decide what is read; it is the whole process's.

    Args:
        limit: Of which Pillow refuses pictures of twice as many pixels; null for none.
    """
    with _SETTINGS:
        if not _kept:
            _kept[:] = [Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, 0]
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limit, False
        _kept[2] += 1
    try:
        yield
    finally:
        with _SETTINGS:
            _kept[2] -= 1
            if not _kept[2]:
                Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = _kept[:2]
                _kept.clear()


@pillow_as_shipped()
def open_header(data: bytes, name: str) -> Image.Image:
    """Open a picture without decoding its pixels; messages call it by its name.

    Raises:
        InputError: If it is empty, no picture, damaged, or a decompression bomb.
    """
    if not data:
        raise InputError(f"{name} is empty (0 bytes)")
    page, rare, profile = None, False, None
    notes: list[str] = []
    if data.startswith(rare_tiff.MAGIC):
        with contextlib.suppress(Exception):  # what tifffile cannot read either, Pillow refuses
            page, notes = rare_tiff.main_page(data, name)
            rare = rare_tiff.is_rare(page)
            data = rare_tiff.beginning_with(page, data)
    if page is not None and rare:
        _check_pixels(name, page.imagewidth, page.imagelength)
        image = rare_tiff.read_rare(page, name)
        image.info[rare_tiff.NOTES][:0] = notes
        return image
    if data.startswith(_PNG):
        data, profile, notes = _light(data, name)
    Image.init()
    formats = [f for f in FORMATS if f in Image.OPEN]
    try:
        with warnings.catch_warnings():
            # Of tags that nothing here reads, and of half the number of pixels that is too many.
            warnings.simplefilter("ignore")
            heif = _heif_reader() if _is_heic(data) else None
            image = heif(io.BytesIO(data)) if heif else Image.open(io.BytesIO(data), "r", formats)
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
    image.info |= {rare_tiff.NOTES: notes, rare_tiff.DEPTH: rare_tiff.depth_of(image)}
    return image


def given(source: Image.Image, name: str) -> Image.Image:
    """Return a copy of a caller's picture, which keeps what its file says of its numbers.

    Raises:
        InputError: If Pillow cannot decode it, or does so wrongly.
    """
    depth = rare_tiff.depth_of(source)
    if rare_tiff.is_misread(source):
        raise InputError(f"{name} is a TIFF of a kind that Pillow reads wrongly; give its path")
    try:
        picture = source.copy()
    except (ValueError, AttributeError) as error:  # its file is closed
        raise InputError(f"{name}: Pillow cannot read it any more ({error}); load() it") from error
    except Exception as error:
        raise InputError(f"{name} is truncated or damaged: {_one_line(error)}") from error
    picture.info |= {rare_tiff.DEPTH: depth}
    return picture


def _check_pixels(name: str, width: int, height: int) -> None:
    if width * height > MAXIMUM_PIXELS:
        raise InputError(f"{name} is too large: it is {width} x {height} pixels; {_bomb()}")


def _light(data: bytes, name: str) -> tuple[bytes, bytes | None, list[str]]:
    """Return a PNG without texts but ours and without its profile, that profile, and remarks.

    Pillow refuses the whole picture if one of them is large.
    """
    kept, place, profile, notes = [data[:8]], 8, None, []
    while place + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        chunk = data[place : place + 12 + length]
        body, place = chunk[8:-4], place + 12 + length
        if kind == b"iCCP":
            inflate = zlib.decompressobj()
            with contextlib.suppress(zlib.error):
                profile = inflate.decompress(body.partition(b"\0")[2][1:], MAXIMUM_PROFILE)
            if not inflate.eof:
                large = len(profile or b"") == MAXIMUM_PROFILE
                why = f"over {MAXIMUM_PROFILE // 2**20} MiB" if large else "damaged"
                profile = None
                notes = [f"{name}: its colour profile is ignored ({why})"]
        elif kind not in (b"tEXt", b"zTXt", b"iTXt") or body.startswith(_OUR_TEXT):
            kept.append(chunk)
    return b"".join([*kept, data[place:]]), profile, notes


def decode(image: Image.Image, name: str) -> tuple[Image.Image, list[str]]:
    """Decode the first frame of a picture and turn it the way its EXIF orientation says.

    Returns:
        The decoded picture, and remarks for the user.

    Raises:
        InputError: If the pixels cannot be decoded (truncated or damaged file).
    """
    notes: list[str] = image.info.pop(rare_tiff.NOTES, [])
    depth = image.info.get(rare_tiff.DEPTH)
    deep = depth is not None and depth.bits == 16 and not image.mode.startswith(("I", "F"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            frames = int(getattr(image, "n_frames", 1)) if image.format in _FRAMES else 1
            if frames > 1:
                notes.append(f"{name} has {frames} frames; using the first")
            if deep:
                notes.append(f"{name} has 16 bits a channel; read as 8")
            image.load()
            most = _brightest(image)
            if deep and most <= rare_tiff.DARK:
                uses = f"uses at most {most:.1%} of what its 16 bits (0 to 65535) hold"
                notes.append(f"{name} {uses}; {rare_tiff.FEWER_BITS}")
            elif depth is not None and not depth.bits and most <= 1 / 256:
                notes.append(f"{name} is black all over; {rare_tiff.FEWER_BITS}")
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
        f"{name}: {message}"
        for message in dict.fromkeys(_one_line(w.message) for w in caught if _about_it(w.filename))
    ]
    return image, notes


def _about_it(file: str) -> bool:
    """Return whether a warning comes from here; what other threads are warned of is caught, too."""
    here = (Path(__file__).parent, Path(Image.__file__).parent)
    return any(Path(file).is_relative_to(folder) for folder in here)


def is_turned(image: Image.Image) -> bool:
    """Return whether its EXIF orientation will exchange width and height; nothing is decoded."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    # Damaged: `decode` then says that it is ignored.
    except Exception:
        return False


def _brightest(image: Image.Image) -> float:
    """Return how much of its range a picture's colours use at most, 1 where that says nothing."""
    if image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return 1.0
    ends: Any = [image.getextrema()] if image.mode == "L" else image.getextrema()
    colours = len(ends) - (image.mode in ("LA", "RGBA"))
    return float(max(high for _, high in ends[:colours]) + 1) / 256


def _is_heic(data: bytes) -> bool:
    """Return whether bytes begin as HEIC, of one picture or several, and not as AVIF."""
    box = data[: min(int.from_bytes(data[:4]), 256)]
    brands = {box[at : at + 4] for at in range(8, len(box), 4)}
    return data[4:8] == b"ftyp" and bool(brands & set(_HEIC)) and not brands & {b"avif", b"avis"}


def _heif_reader() -> Any:
    """Return pillow-heif's class of a picture, or None where it is not installed.

    It is not registered: what Pillow reads elsewhere in this process is the caller's.
    """
    with contextlib.suppress(ImportError):
        return importlib.import_module("pillow_heif").HeifImageFile
    return None


def _bomb() -> str:
    return f"over {MAXIMUM_PIXELS:,} pixels is taken for a decompression bomb; save it smaller"


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
    if _is_heic(head) and _heif_reader() is None:
        how = "pip install 'nst-lightning[heif]' (in a clone: uv sync --extra heif)"
        return f": it is HEIC; {how}, or export it as JPEG or PNG"
    if head[4:8] == b"ftyp" and b"avi" in head[8:64]:
        return ": it is AVIF; pip install -U 'pillow>=11.3' reads it, or export it as JPEG or PNG"
    if start.startswith((b"<svg", b"<?xml", b"%pdf", b"%!ps")):
        return ": it is a vector drawing or document; export it as PNG"
    if head and all(byte in b"\t\n\r\f\x1b" or byte >= 32 for byte in head) and b"\x7f" not in head:
        with contextlib.suppress(UnicodeDecodeError):
            head[: 512 - 4].decode()
            return f": it is a text file; use {_READABLE}"
    return f"; use {_READABLE}"
