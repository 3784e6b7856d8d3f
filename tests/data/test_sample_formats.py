"""Every sample format that files hold is right to 1/255, or refused by name.

The truth is made by NumPy, and the files by tifffile or byte by byte, not by this decoder.
"""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from nst_lightning.data.decoding import open_header
from nst_lightning.data.images import load_image
from nst_lightning.data.metadata import read_settings
from nst_lightning.data.output import save_image
from nst_lightning.errors import InputError

Y, X = np.mgrid[0:48, 0:64]
RGB = np.stack([X * 4, Y * 5, (X + Y) * 2 % 256], -1).astype(np.uint8)
GREY = RGB[..., 0]
ALPHA = (Y * 5).astype(np.uint8)


def tiff(samples: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


def wide(samples: Any, dtype: Any) -> Any:
    """Return 8-bit samples as wide ones of the same brightness."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return (samples / 255).astype(kind)
    full = int(np.iinfo(kind).max)
    return ((samples.astype(object) * full) // 255).astype(kind)


def planes(samples: Any) -> Any:
    return np.ascontiguousarray(np.moveaxis(samples, -1, 0))


COLOUR: dict[str, Any] = {"photometric": "rgb"}
SEPARATE: dict[str, Any] = {**COLOUR, "planarconfig": "separate"}
TIFFS: dict[str, tuple[bytes, Any]] = {}
for kind in ("u1", "u2", "u4", "u8", "i2", "i4", "f2", "f4", "f8"):
    TIFFS[f"colour {kind}"] = tiff(wide(RGB, kind), **COLOUR), RGB
    TIFFS[f"planes {kind}"] = tiff(planes(wide(RGB, kind)), **SEPARATE), RGB
    TIFFS[f"planes {kind}, deflated"] = (
        tiff(planes(wide(RGB, kind)), **SEPARATE, compression="zlib"),
        RGB,
    )
    TIFFS[f"grey {kind}"] = tiff(wide(GREY, kind), photometric="minisblack"), GREY
    TIFFS[f"colour {kind}, big-endian"] = tiff(wide(RGB, kind), **COLOUR, byteorder=">"), RGB
    TIFFS[f"colour {kind}, BigTIFF"] = tiff(wide(RGB, kind), **COLOUR, bigtiff=True), RGB
    TIFFS[f"colour {kind}, tiles"] = tiff(wide(RGB, kind), **COLOUR, tile=(16, 16)), RGB
    TIFFS[f"colour {kind}, strips"] = tiff(wide(RGB, kind), **COLOUR, rowsperstrip=5), RGB
for kind in ("u1", "u2", "u4"):
    inverse = np.iinfo(kind).max - wide(GREY, kind)
    TIFFS[f"white is zero {kind}"] = tiff(inverse, photometric="miniswhite"), GREY
    inks = np.dstack([np.iinfo(kind).max - wide(RGB, kind), np.zeros_like(wide(GREY, kind))])
    TIFFS[f"inks {kind}"] = tiff(inks, photometric="separated"), RGB
TIFFS["two levels"] = tiff(GREY > 127, photometric="minisblack"), (GREY > 127) * 255
TIFFS["8 bits in 32"] = tiff(GREY.astype(np.uint32)), GREY
TIFFS["8 bits in signed 32"] = tiff(GREY.astype(np.int32)), GREY
TIFFS["16 bits in 32"] = tiff(GREY.astype(np.uint32) * 257), GREY
TIFFS["floats of 0 to 255"] = tiff(GREY.astype(np.float32)), GREY * (255 / GREY.max())
TIFFS["negative floats"] = tiff(GREY.astype(np.float32) - 300), GREY * (255 / GREY.max())
TIFFS["signed 16 with negatives"] = tiff(wide(GREY, "i2") - 9000), GREY * (255 / GREY.max())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picture.tif"


def read(path: Path, data: bytes) -> tuple[Any, list[str]]:
    path.write_bytes(data)
    image = load_image(path)
    return image.pixels[0].permute(1, 2, 0).numpy() * 255, image.notes


@pytest.mark.parametrize("name", TIFFS)
def test_tiff(path: Path, name: str) -> None:
    data, truth = TIFFS[name]
    found, _ = read(path, data)
    wanted = truth if truth.ndim == 3 else truth[..., None]
    assert np.abs(found - wanted).max() <= 1.001


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "f4"])
@pytest.mark.parametrize("layout", ["together", "planes"])
@pytest.mark.parametrize("premultiplied", [False, True])
def test_alpha_of_a_tiff(path: Path, kind: str, layout: str, premultiplied: bool) -> None:
    colour = RGB * (ALPHA[..., None] / 255) if premultiplied else RGB
    samples = wide(np.dstack([colour, ALPHA]).round().astype(np.uint8), kind)
    options = {**COLOUR, "extrasamples": ["assocalpha" if premultiplied else "unassalpha"]}
    if layout == "planes":
        samples, options = planes(samples), {**options, "planarconfig": "separate"}
    path.write_bytes(tiff(samples, **options))
    image = load_image(path)
    assert image.alpha is not None
    assert np.abs(image.alpha[0, 0].numpy() * 255 - ALPHA).max() <= 1.001
    seen = ALPHA > 127  # of premultiplied 8-bit levels little is left where it is transparent
    found = image.pixels[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(found - RGB)[seen].max() <= (4 if premultiplied else 1.001)


def test_remarks(path: Path) -> None:
    for data, words in (
        (tiff(GREY.astype(np.uint16) * 16), "if it has fewer bits"),
        (tiff(RGB.astype(np.uint16) * 16, **COLOUR), "if it has fewer bits"),
        (tiff(GREY.astype(np.uint32) * 257), "read as 16 bits"),
        (tiff(GREY.astype(np.float32)), "stretched"),
        (tiff(wide(RGB, "u2"), **COLOUR), "16 bits a channel; read as 8"),
        (tiff(wide(RGB, "f4"), **COLOUR), "32 bits a channel; read as 8"),
    ):
        _, notes = read(path, data)
        assert any(words in note for note in notes), words


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_a_reduced_first_page(path: Path, kind: str) -> None:
    with tifffile.TiffWriter(path) as writer:
        writer.write(wide(RGB[::2, ::2], kind), photometric="rgb", subfiletype=1)
        writer.write(wide(RGB, kind), photometric="rgb")
    image = load_image(path)
    assert image.original_size == (64, 48)
    if kind != "f4":
        assert any("2 pages; using number 2" in note for note in image.notes)


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_orientation_profile_and_page(path: Path, kind: str) -> None:
    turned = np.rot90(RGB)  # what a viewer turns back by 90 degrees clockwise
    extra = [(274, "H", 1, 6, True)]
    found, _ = read(path, tiff(wide(turned, kind), **COLOUR, extratags=extra))
    assert np.abs(found - RGB).max() <= 1.001


def test_what_is_not_read_is_named(path: Path) -> None:
    nan = wide(RGB, "f4")
    nan[3, 3] = np.nan
    lab = wide(RGB, "f4")
    for data, words in (
        (tiff(nan, **COLOUR), "not finite"),
        (tiff(RGB.astype(np.complex64), **COLOUR), "complex64 numbers, which are no colours"),
        (tiff(lab, photometric="cielab"), "32-bit floats as CIELAB, which is not read"),
        (tiff(wide(RGB, "u4"), **COLOUR)[:4000], "damaged"),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=words):
            load_image(path)


# -- in memory --


@pytest.mark.parametrize(
    ("samples", "truth", "words"),
    [
        (GREY.astype(np.int32), GREY, "read as 8 bits"),
        (GREY.astype(np.int32) * 257, GREY, "read as 16 bits"),
        (GREY.astype(np.uint16) * 257, GREY, None),
        ((GREY / 255).astype(np.float32), GREY, None),
        (GREY.astype(np.int32) - 300, GREY * (255 / GREY.max()), "stretched"),
    ],
)
def test_pillow_pictures_of_many_bits(samples: Any, truth: Any, words: str | None) -> None:
    image = load_image(Image.fromarray(samples))
    assert np.abs(image.pixels[0, 0].numpy() * 255 - truth).max() <= 1.001
    assert bool(image.notes) == (words is not None)
    assert words is None or words in image.notes[0]


MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "La", "CMYK", "YCbCr", "LAB", "HSV")


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_pillow(mode: str) -> None:
    grey = Image.fromarray(np.where(GREY > 127, 255, 0).astype(np.uint8))
    if mode == "LAB":
        neutral = Image.new("L", grey.size, 128)
        picture = Image.merge("LAB", (grey, neutral, neutral))
    else:
        via = {"PA": "LA", "RGBa": "RGBA", "La": "LA"}.get(mode)
        first = grey.convert("RGB" if mode == "HSV" else via or mode)
        picture = first.convert(mode)
    found = load_image(picture).pixels[0].numpy() * 255
    assert np.abs(found - np.asarray(grey)).max() <= (3 if mode == "LAB" else 1.001)


# -- PNG --


def png(kind: int, bits: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">2I5B", 64, 48, bits, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


def rows(samples: Any) -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in samples)


def packed(bits: int) -> Any:
    levels = (GREY >> (8 - bits)).astype(np.uint8)
    single = np.unpackbits(levels[..., None], axis=-1)[..., 8 - bits :]
    return np.packbits(single.reshape(48, -1), axis=-1), levels * (255 / (2**bits - 1))


PNGS: dict[str, tuple[bytes, Any]] = {
    "grey 8": (png(0, 8, rows(GREY)), GREY),
    "grey 16": (png(0, 16, rows((GREY.astype(np.uint16) * 257).astype(">u2"))), GREY),
    "colour 8": (png(2, 8, rows(RGB)), RGB),
    "colour 16": (png(2, 16, rows((RGB.astype(np.uint16) * 257).astype(">u2"))), RGB),
}
for depth in (1, 2, 4):
    PNGS[f"grey {depth}"] = png(0, depth, rows(packed(depth)[0])), packed(depth)[1]
TEXT = b"Comment\0\0" + zlib.compress(bytes(3_000_000))
for name, chunk in {
    "a large packed text": (b"zTXt", TEXT),
    "a large text": (b"tEXt", b"Comment\0" + b"x" * 2_000_000),
    "a large international text": (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(3_000_000))),
    "a profile that bursts": (b"iCCP", b"p\0\0" + zlib.compress(bytes(2**25))),
    "a large profile": (b"iCCP", b"p\0\0" + zlib.compress(np.random.bytes(2**21))),
}.items():
    PNGS[name] = png(2, 8, rows(RGB), chunk), RGB


@pytest.mark.parametrize("name", PNGS)
def test_png(tmp_path: Path, name: str) -> None:
    data, truth = PNGS[name]
    found, _ = read(tmp_path / "a.png", data)
    wanted = truth if truth.ndim == 3 else truth[..., None]
    assert np.abs(found - wanted).max() <= 1.001


def test_settings_in_our_own_files_stay_readable(tmp_path: Path) -> None:
    pixels = load_image(Image.fromarray(RGB)).pixels
    for name, bits in (("a.png", 8), ("b.png", 16), ("c.tiff", 8), ("d.tiff", 16)):
        path = save_image(pixels, tmp_path / name, settings={"a": 1}, bits=bits)  # type: ignore[arg-type]
        assert read_settings(path) == {"a": 1}
        open_header(path.read_bytes(), name).load()
