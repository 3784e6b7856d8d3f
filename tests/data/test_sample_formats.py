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
from PIL import Image, ImageFile, UnidentifiedImageError

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


# -- a part of the range, through every door --

SEPARATELY: dict[str, Any] = {"photometric": "rgb", "planarconfig": "separate"}
SHARES = {"8 of 16 bits": 1, "12 of 16 bits": 16, "14 of 16 bits": 64, "all 16 bits": 257}


def pnm(samples: Any) -> bytes:
    magic = b"P6" if samples.ndim == 3 else b"P5"
    return magic + b"\n64 48\n65535\n" + samples.astype(">u2").tobytes()


DEEP: dict[str, Any] = {
    "colour.png": lambda s: png(2, 16, rows(s.astype(">u2"))),
    "grey.png": lambda s: png(0, 16, rows(s[..., 0].astype(">u2"))),
    "grey and alpha.png": lambda s: png(4, 16, rows(opaque(s[..., :1]).astype(">u2"))),
    "colour and alpha.png": lambda s: png(6, 16, rows(opaque(s).astype(">u2"))),
    "colour.tif": lambda s: tiff(s, photometric="rgb"),
    "big-endian.tif": lambda s: tiff(s, photometric="rgb", byteorder=">"),
    "big-endian BigTIFF.tif": lambda s: tiff(s, photometric="rgb", byteorder=">", bigtiff=True),
    "deflated.tif": lambda s: tiff(s, photometric="rgb", compression="zlib"),
    "planes.tif": lambda s: tiff(planes(s), **SEPARATELY, compression="zlib"),
    "grey.tif": lambda s: tiff(s[..., 0], photometric="minisblack"),
    "colour.ppm": pnm,
    "grey.pgm": lambda s: pnm(s[..., 0]),
}


def opaque(samples: Any) -> Any:
    return np.dstack([samples, np.full((48, 64), 65535, np.uint16)])


@pytest.mark.parametrize("door", ["path", "Image.open"])
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", DEEP)
def test_a_part_of_the_range_gets_a_line(tmp_path: Path, name: str, share: str, door: str) -> None:
    levels = RGB.astype(np.uint16) * SHARES[share]
    path = tmp_path / name
    path.write_bytes(DEEP[name](levels))
    try:
        image = load_image(path if door == "path" else Image.open(path))
    except UnidentifiedImageError:
        pytest.skip("Pillow itself does not open it")
    truth = levels / 257 if image.pixels.std(1).max() else np.repeat(levels[..., :1] / 257, 3, -1)
    assert np.abs(image.pixels[0].permute(1, 2, 0).numpy() * 255 - truth).max() <= 1.001
    said = [note for note in image.notes if "fewer bits" in note]
    assert bool(said) == (share != "all 16 bits")
    assert all(image.name in note for note in said)


@pytest.mark.parametrize("kind", ["u4", "i4", "u8", "i8"])
@pytest.mark.parametrize(
    ("times", "words"), [(1, "as 8 bits"), (257, "as 16 bits"), (65793, " of ")]
)
def test_wide_integers_say_how_they_are_read(path: Path, kind: str, times: int, words: str) -> None:
    samples = RGB.astype(kind) * times
    white = {1: 255, 257: 65535}.get(times, np.iinfo(kind).max)
    found, notes = read(path, tiff(samples, photometric="rgb"))
    assert np.abs(found - samples * (255 / float(white))).max() <= 1.001
    assert any(words in note and "holds values" in note for note in notes) or times == 65793
    if times < 65793:
        both = np.dstack([RGB, ALPHA]).astype(kind) * times
        path.write_bytes(tiff(both, photometric="rgb", extrasamples=["unassalpha"]))
        image = load_image(path)
        assert image.alpha is not None
        assert np.abs(image.alpha[0, 0].numpy() * 255 - ALPHA).max() <= 1.001


@pytest.mark.parametrize("kind", ["u1", "u2", "u4"])
@pytest.mark.parametrize(
    "options", [{}, {"bigtiff": True}, {"byteorder": ">"}, {"byteorder": ">", "bigtiff": True}]
)
def test_which_page_is_the_picture(path: Path, kind: str, options: Any) -> None:
    whole, small = wide(RGB, kind), wide(np.ascontiguousarray(RGB[::2, ::2]), kind)
    reduced = {"photometric": "rgb", "subfiletype": 1}
    colour = {"photometric": "rgb"}
    mask = GREY > 127
    for what, parts, words in (
        ("reduced, whole inside", [(small, {**reduced, "subifds": 1}), (whole, colour)], "whole"),
        ("small, whole inside", [(small, {**colour, "subifds": 1}), (whole, colour)], "whole"),
        ("whole, reduced inside", [(whole, {**colour, "subifds": 1}), (small, reduced)], None),
        ("reduced first", [(small, reduced), (whole, colour)], "2 pages; using number 2"),
        ("several", [(whole, colour), (whole[::-1], colour)], "2 pages; using the first"),
        ("mask first", [(mask, {"subfiletype": 4}), (whole, colour)], "2 pages; using number 2"),
        ("mask by meaning", [(mask, {"photometric": 4}), (whole, colour)], "using number 2"),
    ):
        with tifffile.TiffWriter(path, **options) as writer:
            for samples, told in parts:
                writer.write(samples, **told)
        image = load_image(path)
        assert image.original_size == (64, 48), what
        found = image.pixels[0].permute(1, 2, 0).numpy() * 255
        assert np.abs(found - RGB).max() <= 1.001, what
        pages = [note for note in image.notes if "pages" in note or "whole" in note]
        assert len(pages) == (words is not None), what
        assert words is None or words in pages[0], what


def test_a_picture_that_pillow_reads_wrongly_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(planes(wide(RGB, "u2")), **SEPARATELY))
    with pytest.raises(InputError, match="give its path"):
        load_image(Image.open(path))
    white = tiff(65535 - wide(GREY, "u2"), photometric="miniswhite")
    path.write_bytes(white)
    found = load_image(Image.open(path)).pixels[0, 0].numpy() * 255
    assert np.abs(found - GREY).max() <= 1.001


@pytest.mark.parametrize(
    ("body", "words"),
    [(zlib.compress(bytes(20_000_000)), "over 16 MiB"), (b"no zlib at all", "damaged")],
)
def test_a_profile_that_is_left_out_is_named(tmp_path: Path, body: bytes, words: str) -> None:
    _, notes = read(tmp_path / "a.png", png(2, 8, rows(RGB), (b"iCCP", b"p\0\0" + body)))
    assert [words in note for note in notes] == [True]


def test_another_programs_text_is_not_ours(tmp_path: Path) -> None:
    text = b"nst_lightning_other\0\0" + zlib.compress(bytes(3_000_000))
    read(tmp_path / "a.png", png(2, 8, rows(RGB), (b"zTXt", text)))


def test_what_the_caller_set_in_pillow_decides_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    path, cut = tmp_path / "a.png", tmp_path / "cut.png"
    path.write_bytes(PNGS["colour 8"][0])
    cut.write_bytes(PNGS["colour 8"][0][:-900])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert load_image(path).original_size == (64, 48)
    with pytest.raises(InputError, match="truncated"):
        load_image(cut)
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES) == (10, True)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(InputError, match="truncated"):
        load_image(Image.open(cut))
