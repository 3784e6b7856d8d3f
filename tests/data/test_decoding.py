import io
import struct
import sys
import zlib

import numpy as np
import pytest
import tifffile
from helpers.pictures import encoded, write
from PIL import ExifTags, Image, ImageFile, features

from nst_lightning.data.images import load_image
from nst_lightning.errors import InputError

# How a stored picture is to be shown, from the EXIF standard: which edge row 0 and column 0 are.
SHOWN = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],  # row 0 top, column 0 right
    3: lambda a: a[::-1, ::-1],  # bottom, right
    4: lambda a: a[::-1],  # bottom, left
    5: lambda a: a.swapaxes(0, 1),  # left, top
    6: lambda a: np.rot90(a, -1),  # right, top
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda a: np.rot90(a, 1),  # left, bottom
}


def hwc(image):
    return image.pixels[0].permute(1, 2, 0).numpy()


def message(path, **options) -> str:
    with pytest.raises(InputError) as caught:
        load_image(path, **options)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("orientation", SHOWN)
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_orientation(tmp_path, gradient, format_, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}
    data = encoded(Image.fromarray(gradient), format_, exif=exif, **options.get(format_, {}))
    image = load_image(write(tmp_path / "a", data))
    expected = SHOWN[orientation](gradient) / 255
    assert image.original_size == expected.shape[1::-1]
    np.testing.assert_allclose(hwc(image), expected, atol=(4 if format_ == "JPEG" else 0.01) / 255)


@pytest.mark.parametrize("orientation", SHOWN)
def test_exif_orientation_of_16_bits_and_of_alpha(tmp_path, noise, orientation):
    levels = np.linspace(0, 65535, 24 * 40).astype(np.uint16).reshape(24, 40)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = write(tmp_path / "a.png", encoded(Image.fromarray(levels), "PNG", exif=exif))
    expected = SHOWN[orientation](levels) / 65535
    np.testing.assert_allclose(load_image(path).pixels[0, 0], expected, atol=1e-6)
    for order in "<>":
        extra = [(274, "H", 1, orientation, False)]
        tifffile.imwrite(path, levels, byteorder=order, photometric="minisblack", extratags=extra)
        np.testing.assert_allclose(load_image(path).pixels[0, 0], expected, atol=1e-6)
    rgba = np.maximum(noise(channels=4), 1)
    image = load_image(write(path, encoded(Image.fromarray(rgba), "PNG", exif=exif)))
    np.testing.assert_allclose(hwc(image), SHOWN[orientation](rgba)[..., :3] / 255, atol=1e-6)
    np.testing.assert_allclose(image.alpha[0, 0], SHOWN[orientation](rgba)[..., 3] / 255, atol=1e-6)


def test_size_is_that_of_the_turned_picture(tmp_path, gradient):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = write(tmp_path / "a.jpg", encoded(Image.fromarray(gradient), "JPEG", exif=exif))
    image = load_image(path, 80)
    assert image.original_size == (24, 40)
    assert image.pixels.shape[-2:] == (80, 48)
    # Stored wider than high; the rule sees it as it is shown.
    assert load_image(path, lambda width, height: 2 * height).pixels.shape[-2:] == (80, 48)


def test_damaged_exif_is_no_reason_to_refuse(tmp_path, gradient):
    data = encoded(
        Image.fromarray(gradient), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\1" * 9
    )
    image = load_image(write(tmp_path / "a.jpg", data))
    np.testing.assert_allclose(hwc(image), gradient / 255, atol=0.2)


@pytest.mark.parametrize(
    ("format_", "kind"),
    [("GIF", "frames"), ("PNG", "frames"), ("WEBP", "frames"), ("TIFF", "pages")],
)
def test_first_frame_and_a_remark(tmp_path, format_, kind):
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    frames = [Image.new("RGB", (40, 24), colour) for colour in colours]
    options = {"lossless": True} if format_ == "WEBP" else {}
    data = encoded(frames[0], format_, save_all=True, append_images=frames[1:], **options)
    path = write(tmp_path / "a", data)
    image = load_image(path)
    assert image.notes == [f"{path} has 3 {kind}; using the first"]
    np.testing.assert_allclose(image.pixels.mean((0, 2, 3)), np.array(colours[0]) / 255, atol=1e-3)


def test_one_frame_needs_no_remark(tmp_path, gradient):
    for format_ in ("GIF", "PNG", "WEBP", "TIFF", "BMP", "JPEG"):
        path = write(tmp_path / "a", encoded(Image.fromarray(gradient), format_))
        assert load_image(path).notes == []
    # A telephone's second picture (a preview, a depth map) is not a frame.
    second = Image.new("RGB", (20, 20))
    data = encoded(Image.fromarray(gradient), "MPO", save_all=True, append_images=[second])
    assert load_image(write(tmp_path / "a.jpg", data)).notes == []


def heic(picture: Image.Image, **info: bytes) -> bytes:
    import pillow_heif

    file, buffer = pillow_heif.from_pillow(picture), io.BytesIO()
    file.info.update(info)
    file.save(buffer, quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_photographs_of_phones(tmp_path, gradient, kind):
    if kind == "avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    picture = Image.fromarray(gradient)
    data = heic(picture) if kind == "heic" else encoded(picture, "AVIF", quality=95)
    Image.init()
    readers = dict(Image.OPEN)  # imageio, where another test has used it, has added one for HEIF
    found = load_image(write(tmp_path / f"a.{kind}", data))
    assert found.notes == []
    assert np.abs(hwc(found) * 255 - gradient).mean() < 3
    assert readers == Image.OPEN  # what this process reads elsewhere is its own


def test_heic_is_turned_as_it_says(tmp_path, gradient):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn to the right shows it upright
    data = heic(Image.fromarray(gradient).rotate(90, expand=True), exif=exif.tobytes())
    found = load_image(write(tmp_path / "a.heic", data))
    levels = hwc(found) * 255
    assert levels.shape == gradient.shape
    assert np.abs(levels - gradient).mean() < 3


def test_heic_that_is_damaged_or_too_large(tmp_path, gradient, monkeypatch):
    data = heic(Image.fromarray(gradient))
    assert "damaged" in message(write(tmp_path / "a.heic", data[: len(data) // 2]))
    monkeypatch.setattr("nst_lightning.data.decoding.MAXIMUM_PIXELS", 100)
    assert "decompression bomb" in message(write(tmp_path / "a.heic", data))


def test_without_the_packages_one_line_names_them(tmp_path, gradient, monkeypatch):
    path = write(tmp_path / "a.heic", heic(Image.fromarray(gradient)))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    how = "pip install 'nst-lightning[heif]' (in a clone: uv sync --extra heif)"
    assert f"it is HEIC; {how}, or export it as JPEG or PNG" in message(path)
    monkeypatch.delitem(Image.OPEN, "AVIF", raising=False)
    path = write(tmp_path / "a.avif", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(40))
    assert "it is AVIF; pip install -U 'pillow>=11.3' reads it" in message(path)


# --- files that are no pictures ---


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b"Dear diary,\ntoday I painted.\n" * 30, "a text file"),
        ("Zażółć gęślą jaźń\n".encode() * 60, "a text file"),
        (b"<!DOCTYPE html><title>404</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40), "is damaged"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "export it"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n", "export it"),
        (b"\x89PNG\r\n\x1a\nrubbish", "PNG"),
        (bytes(range(256)) * 4, "use JPEG, PNG"),
        (b"\x7fELF" + bytes(100), "use JPEG, PNG"),
    ],
)
def test_what_is_not_a_picture(tmp_path, data, words):
    assert words in message(write(tmp_path / "a.jpg", data))


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.03, 0.5, 0.9])
def test_truncated(tmp_path, noise, format_, share):
    data = encoded(Image.fromarray(noise(80, 80)), format_)
    message(write(tmp_path / "a.jpg", data[: int(len(data) * share)]))


def test_damaged_anywhere_is_an_input_error_or_a_picture(tmp_path, noise, caplog):
    """Flip bytes all over: whatever the plugins raise, the user sees one line."""
    random = np.random.default_rng(1)
    messages = []
    for format_ in ("JPEG", "PNG", "TIFF", "WEBP", "GIF"):
        data = np.frombuffer(encoded(Image.fromarray(noise(32, 32)), format_), np.uint8)
        for _ in range(40):
            damaged = data.copy()
            where = random.integers(0, min(len(data), 400), 12)
            damaged[where] = random.integers(0, 256, 12)
            path = write(tmp_path / "a", damaged.tobytes())
            try:
                load_image(path)
            except InputError as error:
                messages.append(str(error))
    assert len(messages) > 40
    assert not any("\n" in message for message in messages)
    assert not caplog.records  # tifffile logs what it finds, paths of its own included


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000)))


@pytest.mark.parametrize("pillow_limit", [89478485, None])
@pytest.mark.parametrize("side", [13400, 60000])
def test_decompression_bomb_is_refused_before_decoding(tmp_path, monkeypatch, side, pillow_limit):
    def explode(*_):
        raise AssertionError("a bomb was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", explode)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow_limit)
    path = write(tmp_path / "bomb.png", png_header(side, side))
    assert "decompression bomb" in message(path, size=64)


def test_a_large_picture_is_not_a_bomb(tmp_path, recwarn):
    # 100 million pixels: Pillow would warn of it.
    picture = Image.new("1", (10000, 10000), 1)
    image = load_image(write(tmp_path / "a.png", encoded(picture, "PNG")), 32)
    assert image.pixels.shape == (1, 3, 32, 32)
    assert image.notes == []
    assert not [w for w in recwarn if "bomb" in str(w.message).lower()]


def test_a_compressed_text_bomb_in_a_png_is_not_unpacked(tmp_path):
    text = zlib.compress(bytes(200_000_000), 9)
    chunk = b"zTXt" + b"Comment\0\0" + text
    data = encoded(Image.new("RGB", (40, 24)), "PNG")
    # After the header chunk, which ends at byte 33.
    bomb = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    assert load_image(write(tmp_path / "a.png", data[:33] + bomb + data[33:])).notes == []


def test_messages_do_not_hold_addresses_of_objects(tmp_path):
    import fsspec

    with fsspec.open("memory://a.png", "wb") as handle:
        handle.write(b"no picture at all \x00\x01")
    with pytest.raises(InputError) as caught:
        load_image("memory://a.png")
    assert "0x" not in str(caught.value)
    assert io.BytesIO.__name__ not in str(caught.value)
