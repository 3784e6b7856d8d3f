import io
import logging
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
import torch
from helpers.pictures import write
from PIL import Image, ImageCms

from nst_lightning.data.encoding import srgb_profile
from nst_lightning.data.images import load_image
from nst_lightning.data.output import check_path, save_image
from nst_lightning.errors import InputError

STILLS = [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"]


@pytest.fixture
def pixels() -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(0, 1, 24), torch.linspace(0, 1, 40), indexing="ij")
    return torch.stack([x, y, 1 - x * y])[None]


@pytest.fixture
def alpha() -> torch.Tensor:
    return torch.linspace(0, 1, 40).expand(1, 1, 24, 40)


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Take a PNG apart after the standard, checksums checked."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, []
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(kind + body)
        chunks.append((kind, body))
        at += 12 + length
    assert chunks[-1] == (b"IEND", b"")
    return chunks


def png16_levels(data: bytes) -> np.ndarray:
    """Decode a 16-bit PNG byte by byte, after the standard's reconstruction functions."""
    chunks = png_chunks(data)
    width, height, depth, kind, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    assert (depth, rest) == (16, [0, 0, 0])
    channels = {2: 3, 6: 4}[kind]
    lines = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    step, stride = 2 * channels, 2 * channels * width
    assert len(lines) == height * (stride + 1)
    above, result = [0] * stride, []
    for row in range(height):
        line = lines[row * (stride + 1) : (row + 1) * (stride + 1)]
        assert line[0] == 4
        current: list[int] = []
        for i, value in enumerate(line[1:]):
            a = current[i - step] if i >= step else 0
            b, c = above[i], above[i - step] if i >= step else 0
            p = a + b - c
            _, _, best = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))
            current.append((value + best) % 256)
        above = current
        result += current
    return np.frombuffer(bytes(result), ">u2").reshape(height, width, channels)


def tiff_levels(data: bytes) -> np.ndarray:
    """Take the strips of a zlib-compressed TIFF apart by its tags."""
    tags = Image.open(io.BytesIO(data)).tag_v2
    assert tags[259] == 8
    assert tags.get(317, 1) == 1  # no predictor
    strips = zip(tags[273], tags[279], strict=True)
    raw = b"".join(zlib.decompress(data[at : at + count]) for at, count in strips)
    kind = {8: "u1", 16: "<u2"}[tags[258][0]]
    return np.frombuffer(raw, kind).reshape(tags[257], tags[256], tags[277])


def rounded(values: torch.Tensor, bits: int) -> np.ndarray:
    exact = values[0].permute(1, 2, 0).numpy().astype(object) * (2**bits - 1)
    return np.vectorize(lambda v: int(float(v) + 0.5))(exact)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_lossless_levels(tmp_path, pixels, alpha, bits, with_alpha):
    given = alpha if with_alpha else None
    expected = rounded(torch.cat([pixels, alpha], 1) if with_alpha else pixels, bits)
    png = save_image(pixels, tmp_path / "a.png", alpha=given, bits=bits).read_bytes()
    found = png16_levels(png) if bits == 16 else np.asarray(Image.open(io.BytesIO(png)))
    np.testing.assert_array_equal(found, expected)
    tiff = save_image(pixels, tmp_path / "a.tif", alpha=given, bits=bits).read_bytes()
    np.testing.assert_array_equal(tiff_levels(tiff), expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("with_alpha", [False, True])
def test_png_of_16_bits_in_the_eyes_of_libpng(tmp_path, alpha, with_alpha):
    decode_png = pytest.importorskip("torchvision.io").decode_png
    pixels = torch.rand(1, 3, 24, 40, generator=torch.Generator().manual_seed(0))
    given = alpha if with_alpha else None
    data = save_image(pixels, tmp_path / "a.png", alpha=given, bits=16).read_bytes()
    found = decode_png(torch.frombuffer(bytearray(data), dtype=torch.uint8))
    assert found.dtype == torch.uint16
    expected = rounded(torch.cat([pixels, alpha], 1) if with_alpha else pixels, 16)
    np.testing.assert_array_equal(found.numpy().transpose(1, 2, 0), expected)


@pytest.mark.parametrize("bits", [8, 16])
def test_rounding_is_to_the_nearest_halves_up_and_clamped(tmp_path, bits):
    top = 2**bits - 1
    values = torch.tensor([-3.0, 0, 0.49, 0.5, 0.51, 1.5, 2.5, top - 0.5, top - 0.51, top, top + 9])
    expected = [0, 0, 0, 1, 1, 2, 3, top, top - 1, top, top]
    picture = (values.double() / top).expand(1, 3, 4, 11)
    data = save_image(picture, tmp_path / "a.tif", bits=bits).read_bytes()
    assert tiff_levels(data)[0, :, 0].tolist() == expected


def test_saving_what_was_loaded_changes_no_level(tmp_path, noise):
    levels = noise(channels=4)
    levels[..., 3] = np.maximum(levels[..., 3], 1)
    Image.fromarray(levels).save(tmp_path / "a.png")
    image = load_image(tmp_path / "a.png")
    for suffix in (".png", ".tif", ".webp"):
        path = save_image(image.pixels, tmp_path / f"b{suffix}", alpha=image.alpha, quality=100)
        again = load_image(path)
        assert again.notes == []
        np.testing.assert_array_equal(again.pixels, image.pixels)
        np.testing.assert_array_equal(again.alpha, image.alpha)


@pytest.mark.parametrize(("suffix", "tolerance"), [(".jpg", 1), (".webp", 2)])
def test_lossy_formats_come_near(tmp_path, pixels, suffix, tolerance):
    again = load_image(save_image(pixels, tmp_path / f"a{suffix}")).pixels
    assert (again - pixels).abs().mean() < tolerance / 255


@pytest.mark.parametrize("suffix", STILLS)
@pytest.mark.parametrize("quality", [1, 95, 100])
def test_the_busiest_picture_can_be_saved(tmp_path, suffix, quality):
    noise = torch.rand(1, 3, 200, 300, generator=torch.Generator().manual_seed(0))
    path = save_image(noise, tmp_path / f"a{suffix}", quality=quality)
    assert load_image(path).original_size == (300, 200)


def test_jpeg_keeps_the_full_colour_resolution_and_obeys_quality(tmp_path, noise):
    from PIL.JpegImagePlugin import get_sampling

    pixels = torch.from_numpy(noise()).permute(2, 0, 1)[None] / 255
    sizes = []
    for quality in (40, 95):
        path = save_image(pixels, tmp_path / "a.jpg", quality=quality)
        with Image.open(path) as picture:
            assert get_sampling(picture) == 0
        sizes.append(path.stat().st_size)
    assert sizes[0] < sizes[1]


def test_jpeg_lays_transparency_on_white_and_says_so(tmp_path, pixels, alpha, caplog):
    with caplog.at_level(logging.WARNING):
        path = save_image(pixels, tmp_path / "a.jpg", alpha=alpha, quality=100)
    assert "laid on white" in caplog.text
    expected = pixels * alpha + (1 - alpha)
    assert (load_image(path).pixels - expected).abs().max() < 6 / 255


@pytest.mark.parametrize(
    ("suffix", "bits"), [*((suffix, 8) for suffix in STILLS), (".png", 16), (".tif", 16)]
)
def test_an_srgb_profile_is_in_every_file(tmp_path, pixels, suffix, bits):
    path = save_image(pixels, tmp_path / f"a{suffix}", bits=bits)
    with Image.open(path) as picture:
        embedded = picture.info["icc_profile"]
    assert embedded == srgb_profile()
    profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    red, green, blue = (
        getattr(profile.profile, f"{c}_primary")[1] for c in ("red", "green", "blue")
    )
    found = [red[:2], green[:2], blue[:2]]
    # Chromaticities of IEC 61966-2-1, adapted to D50.
    np.testing.assert_allclose(found, [(0.648, 0.331), (0.321, 0.598), (0.156, 0.066)], atol=2e-3)


def test_profile_has_a_date_of_its_own_choice():
    assert srgb_profile()[24:36] == struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    fresh = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # That these bytes are the date, and that what makes the colours is untouched.
    assert fresh[24:26] == struct.pack(">H", time.gmtime().tm_year)
    assert fresh[128:] == srgb_profile()[128:]


SAVE_ALL = """
import sys, torch
from pathlib import Path
from nst_lightning.data.output import save_animation, save_image
folder = Path(sys.argv[1])
x = torch.linspace(0, 1, 24 * 40).reshape(1, 1, 24, 40).expand(1, 3, 24, 40)
for bits in (8, 16):
    for suffix in ("png", "tif", "jpg", "webp"):
        if bits == 8 or suffix in ("png", "tif"):
            for alpha in (None, x[:, :1]):
                name = f"{bits}{alpha is None}.{suffix}"
                save_image(x, folder / name, alpha=alpha, bits=bits, settings={"size": 24})
for suffix in ("gif", "webp"):
    save_animation([x, 1 - x], folder / f"run.{suffix}")
"""


@pytest.mark.slow
def test_the_same_picture_gives_the_same_bytes_in_another_process_at_another_time(
    tmp_path, monkeypatch
):
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    program = [sys.executable, "-c", SAVE_ALL, str(folders[0])]
    subprocess.run(program, check=True, timeout=300)
    # The clocks of profiles and metadata count seconds.
    time.sleep(1.1)
    srgb_profile.cache_clear()
    monkeypatch.setattr(sys, "argv", ["-c", str(folders[1])])
    exec(SAVE_ALL, {})
    names = sorted(path.name for path in folders[0].iterdir())
    assert len(names) == 14
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def test_pillow_pictures_are_saved_with_their_transparency(tmp_path, noise):
    levels = noise(channels=4)
    picture = Image.fromarray(levels)
    path = save_image(picture, tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(path)), levels)
    path = save_image(picture.convert("L"), tmp_path / "a.png")
    assert Image.open(path).mode == "RGB"


def test_shapes(tmp_path, pixels):
    save_image(pixels[0], tmp_path / "a.png", alpha=torch.ones(24, 40))
    for wrong in (pixels[:, :2], pixels.expand(2, 3, 24, 40), pixels[0, 0]):
        with pytest.raises(ValueError, match="shape"):
            save_image(wrong, tmp_path / "b.png")
    with pytest.raises(ValueError, match="alpha"):
        save_image(pixels, tmp_path / "b.png", alpha=torch.ones(1, 1, 40, 24))
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused(tmp_path, pixels, value):
    pixels[0, 1, 2, 3] = value
    with pytest.raises(ValueError, match="not finite"):
        save_image(pixels, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_gradients_and_other_types_are_fine(tmp_path, pixels):
    expected = save_image(pixels, tmp_path / "a.png").read_bytes()
    leaf = torch.nn.Parameter(pixels.clone())
    assert save_image(leaf, tmp_path / "a.png").read_bytes() == expected
    assert save_image(pixels.double(), tmp_path / "a.png").read_bytes() == expected


# --- what cannot be written ---


def refusal(tmp_path, *args, **options) -> str:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as caught:
        save_image(*args, **options)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.pgn", "did you mean .png?"),
        ("a", "needs a suffix"),
        ("a.bmp", "unknown picture suffix '.bmp'"),
        ("a.gif", "unknown picture suffix"),
    ],
)
def test_suffixes_that_are_unknown(tmp_path, pixels, name, words):
    said = refusal(tmp_path, pixels, tmp_path / name)
    assert words in said
    assert str(tmp_path / name) in said
    with pytest.raises(InputError):
        check_path(tmp_path / name)


def test_upper_case_and_home(tmp_path, pixels, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = save_image(pixels, "~/new/folder/a.PNG")
    assert path == tmp_path / "new" / "folder" / "a.PNG"
    assert Image.open(path).format == "PNG"


@pytest.mark.parametrize(
    ("suffix", "options", "words"),
    [
        (".jpg", {"bits": 16}, "8 bits only"),
        (".webp", {"bits": 16}, "8 bits only"),
        (".png", {"bits": 12}, "8 or 16"),
        (".jpg", {"quality": 0}, "quality"),
        (".jpg", {"quality": 101}, "quality"),
        (".jpg", {"quality": 90.5}, "quality"),
    ],
)
def test_options_that_cannot_be_had(tmp_path, pixels, suffix, options, words):
    assert words in refusal(tmp_path, pixels, tmp_path / f"a{suffix}", **options)


def test_too_large_for_webp(tmp_path):
    assert "16383" in refusal(tmp_path, torch.zeros(1, 3, 1, 16384), tmp_path / "a.webp")


def test_folder_in_the_way(tmp_path, pixels):
    (tmp_path / "a.png").mkdir()
    assert "folder of that name" in refusal(tmp_path, pixels, tmp_path / "a.png")


def test_file_where_a_folder_should_be(tmp_path, pixels):
    write(tmp_path / "file", b"x")
    assert "choose another folder" in refusal(tmp_path, pixels, tmp_path / "file" / "a.png")


def test_unwritable_folder(tmp_path, pixels, request):
    save_image(pixels, tmp_path / "a.png")  # imports what it needs while it still may
    tmp_path.chmod(0o555)
    request.getfixturevalue("without_root")
    with pytest.raises(InputError, match="permission denied"):
        save_image(pixels, tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_full_disk_leaves_the_old_picture(small_disk, suffix):
    old = save_image(torch.zeros(1, 3, 16, 16), small_disk / f"a{suffix}")
    before = old.read_bytes()
    noise = torch.rand(1, 3, 300, 300)
    with pytest.raises(InputError, match="disk is full") as caught:
        save_image(noise, old, quality=100)
    assert str(old) in str(caught.value)
    assert old.read_bytes() == before
    assert [path.name for path in small_disk.iterdir()] == [old.name]
