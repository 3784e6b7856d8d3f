import warnings

import numpy as np
import pytest
import tifffile
import torch
from helpers.pictures import cmyk_profile, encoded, grey_profile, rgb_profile, write
from PIL import Image, ImageCms
from skimage.color import hsv2rgb, lab2xyz

from nst_lightning.data.colour import to_srgb
from nst_lightning.data.images import load_image
from nst_lightning.errors import InputError

# XYZ under D50 of the primaries: Adobe RGB (1998) and IEC 61966-2-1, as published.
ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
SRGB = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)]


def srgb_curve(linear):
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def lab_to_srgb(lab):
    return srgb_curve(lab2xyz(lab, illuminant="D50") @ np.linalg.inv(np.array(SRGB)))


def hwc(pixels: torch.Tensor) -> np.ndarray:
    return pixels[0].permute(1, 2, 0).numpy()


def loaded(tmp_path, name, data):
    return load_image(write(tmp_path / name, data))


def test_rgb_is_levels_over_255(tmp_path, noise):
    levels = noise()
    image = loaded(tmp_path, "a.png", encoded(Image.fromarray(levels), "PNG"))
    assert image.pixels.shape == (1, 3, 24, 40)
    assert image.pixels.dtype == torch.float32
    assert image.pixels.is_contiguous()
    assert image.alpha is None
    assert image.notes == []
    np.testing.assert_array_equal(hwc(image.pixels), levels.astype(np.float32) / np.float32(255))


def test_grey_and_bilevel_become_three_equal_channels(tmp_path, noise):
    grey = noise(channels=1)
    for picture, expected in (
        (Image.fromarray(grey), grey / 255),
        (Image.fromarray(grey > 128), (grey > 128).astype(float)),
    ):
        pixels = loaded(tmp_path, "a.png", encoded(picture, "PNG")).pixels
        assert pixels.shape[1] == 3
        np.testing.assert_allclose(hwc(pixels), np.repeat(expected[..., None], 3, -1), atol=1e-6)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_channel_is_kept_apart(tmp_path, noise, channels):
    levels = np.maximum(noise(channels=channels), 1)
    image = loaded(tmp_path, "a.png", encoded(Image.fromarray(levels), "PNG"))
    colour = np.broadcast_to(levels[..., :-1], (24, 40, 3))
    np.testing.assert_allclose(hwc(image.pixels), colour / 255, atol=1e-6)
    assert image.alpha.shape == (1, 1, 24, 40)
    np.testing.assert_allclose(image.alpha[0, 0], levels[..., -1] / 255, atol=1e-6)


def test_an_opaque_alpha_channel_is_no_transparency(tmp_path, noise):
    picture = Image.fromarray(noise())
    picture.putalpha(255)
    assert loaded(tmp_path, "a.png", encoded(picture, "PNG")).alpha is None


def test_palette_with_one_transparent_colour(tmp_path):
    index = np.arange(24 * 40).reshape(24, 40) % 7
    colours = np.arange(21).reshape(7, 3) * 11
    picture = Image.fromarray(index.astype(np.uint8), "L").copy()
    picture = Image.frombytes("P", (40, 24), index.astype(np.uint8).tobytes())
    picture.putpalette(colours.astype(np.uint8).ravel().tolist())
    for name, format_ in (("a.gif", "GIF"), ("a.png", "PNG")):
        image = loaded(tmp_path, name, encoded(picture, format_, transparency=3))
        visible = index != 3
        np.testing.assert_array_equal(image.alpha[0, 0].numpy() == 1, visible)
        np.testing.assert_array_equal(image.alpha[0, 0].numpy() == 0, ~visible)
        expected = colours[index][visible] / 255
        np.testing.assert_allclose(hwc(image.pixels)[visible], expected, atol=1e-6)


def test_palette_with_an_alpha_for_each_colour(tmp_path):
    index = (np.arange(24 * 40) % 4).astype(np.uint8).reshape(24, 40)
    picture = Image.frombytes("P", (40, 24), index.tobytes())
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    opacities = bytes([255, 128, 60, 10])
    image = loaded(tmp_path, "a.png", encoded(picture, "PNG", transparency=opacities))
    expected = np.frombuffer(opacities, np.uint8)[index] / 255
    np.testing.assert_allclose(image.alpha[0, 0], expected, atol=1e-6)


@pytest.mark.parametrize(("mode", "key"), [("RGB", (10, 20, 30)), ("L", 77)])
def test_colour_key_transparency(tmp_path, mode, key):
    picture = Image.new(mode, (40, 24), (200, 100, 50) if mode == "RGB" else 200)
    picture.paste(key, (0, 0, 20, 24))
    image = loaded(tmp_path, "a.png", encoded(picture, "PNG", transparency=key))
    assert image.alpha[0, 0, :, :20].eq(0).all()
    assert image.alpha[0, 0, :, 20:].eq(1).all()


def test_modes_that_only_programs_make(noise):
    levels = noise()
    straight = Image.fromarray(levels).convert("RGBA")
    straight.putalpha(Image.fromarray(np.maximum(noise(channels=1, seed=1), 128)))
    pixels, alpha = to_srgb(straight.convert("RGBa"), "x").whole()
    np.testing.assert_allclose(hwc(pixels), levels / 255, atol=2 / 255)
    assert alpha is not None
    grey = straight.convert("LA")
    pixels, alpha = to_srgb(grey.convert("La"), "x").whole()
    np.testing.assert_allclose(pixels[0, 0], np.asarray(grey)[..., 0] / 255, atol=2 / 255)
    assert alpha is not None
    pa = Image.merge("RGB", straight.split()[:3]).quantize(256).convert("PA")
    assert to_srgb(pa, "x").whole()[0].shape == (1, 3, 24, 40)


def test_hsv_and_lab(gradient):
    hsv = Image.fromarray(gradient).convert("HSV")
    expected = hsv2rgb(np.asarray(hsv) / 255)
    np.testing.assert_allclose(hwc(to_srgb(hsv, "x").whole()[0]), expected, atol=3 / 255)
    lab = np.stack([np.full((4, 4), 60.0), np.full((4, 4), 20.0), np.full((4, 4), -15.0)], -1)
    stored = np.stack([lab[..., 0] * 2.55, lab[..., 1] % 256, lab[..., 2] % 256], -1)
    picture = Image.frombytes("LAB", (4, 4), stored.round().astype(np.uint8).tobytes())
    expected = lab_to_srgb(lab)
    np.testing.assert_allclose(hwc(to_srgb(picture, "x").whole()[0]), expected, atol=3 / 255)


# --- more than 8 bits ---


def test_grey_of_16_bits_is_scaled_and_not_clipped(tmp_path):
    levels = np.linspace(0, 65535, 24 * 40).astype(np.uint16).reshape(24, 40)
    expected = np.repeat((levels / 65535)[..., None], 3, -1)
    png = loaded(tmp_path, "a.png", encoded(Image.fromarray(levels), "PNG"))
    np.testing.assert_allclose(hwc(png.pixels), expected, atol=1e-6)
    for order in "<>":
        tifffile.imwrite(tmp_path / "a.tif", levels, byteorder=order, photometric="minisblack")
        image = load_image(tmp_path / "a.tif")
        np.testing.assert_allclose(hwc(image.pixels), expected, atol=1e-6)
    tifffile.imwrite(tmp_path / "a.tif", levels, byteorder="<", photometric="miniswhite")
    np.testing.assert_allclose(hwc(load_image(tmp_path / "a.tif").pixels), 1 - expected, atol=1e-6)


def test_grey_of_16_bits_with_a_transparent_level(tmp_path):
    levels = np.full((24, 40), 40000, np.uint16)
    levels[:, :20] = 300
    png = encoded(Image.fromarray(levels), "PNG", transparency=300)
    image = loaded(tmp_path, "a.png", png)
    assert image.alpha[0, 0, :, :20].eq(0).all()
    assert image.alpha[0, 0, :, 20:].eq(1).all()


def test_portable_greymap_of_16_bits(tmp_path):
    levels = np.linspace(0, 65535, 24 * 40).astype(">u2").reshape(24, 40)
    image = loaded(tmp_path, "a.pgm", b"P5 40 24 65535\n" + levels.tobytes())
    np.testing.assert_allclose(image.pixels[0, 0], levels / 65535, atol=1e-6)


def test_tiff_of_12_bits(tmp_path):
    levels = np.linspace(0, 4095, 24 * 40).astype(np.uint16).reshape(24, 40)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((24, 60), np.uint8), photometric="minisblack")
    # Two levels in three bytes, high bits first; then the header is told what they are.
    pairs = levels.reshape(-1, 2)
    packed = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], -1
    ).astype(np.uint8)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tiff:
        page = tiff.pages[0]
        offset = page.dataoffsets[0]
        page.tags["BitsPerSample"].overwrite(12)
        page.tags["ImageWidth"].overwrite(40)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[offset : offset + packed.size] = packed.tobytes()
    image = loaded(tmp_path, "a.tif", bytes(data))
    np.testing.assert_allclose(image.pixels[0, 0], levels / 4095, atol=1e-6)


@pytest.mark.parametrize("high", [1.0, 7.5])
def test_float_tiff(tmp_path, high):
    values = np.linspace(0, high, 24 * 40, dtype=np.float32).reshape(24, 40)
    tifffile.imwrite(tmp_path / "a.tif", values)
    image = load_image(tmp_path / "a.tif")
    np.testing.assert_allclose(image.pixels[0, 1], values / high, atol=1e-6)
    # Outside [0, 1] the range is a guess, and said to be one.
    assert [("stretched" in note) for note in image.notes] == [True] * (high > 1)


def test_not_a_number_in_a_tiff(tmp_path):
    values = np.full((24, 40), 0.5, np.float32)
    values[3, 4] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", values)
    with pytest.raises(InputError, match=r"a\.tif.*not finite"):
        load_image(tmp_path / "a.tif")


def test_colour_of_16_bits_is_read_as_8_and_said_so(tmp_path):
    levels = (np.random.default_rng(0).random((24, 40, 3)) * 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", levels, photometric="rgb")
    image = load_image(tmp_path / "a.tif")
    np.testing.assert_allclose(hwc(image.pixels), levels / 65535, atol=1.01 / 255)
    assert any("16 bits" in note for note in image.notes)


# --- colour profiles ---


def adobe_to_srgb(levels: np.ndarray) -> np.ndarray:
    linear = (levels / 255) ** (563 / 256)
    return srgb_curve(linear @ np.array(ADOBE) @ np.linalg.inv(np.array(SRGB)))


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_adobe_rgb_becomes_srgb(tmp_path, gradient, format_):
    profile = rgb_profile(ADOBE, 563 / 256)
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}
    data = encoded(
        Image.fromarray(gradient), format_, icc_profile=profile, **options.get(format_, {})
    )
    image = loaded(tmp_path, "a", data)
    assert image.notes == []
    expected = adobe_to_srgb(gradient)
    assert np.abs(expected - gradient / 255).max() > 0.05
    tolerance = (10 if format_ == "JPEG" else 2) / 255
    np.testing.assert_allclose(hwc(image.pixels), expected, atol=tolerance)


def test_profile_and_alpha_together(tmp_path, gradient):
    picture = Image.fromarray(gradient)
    picture.putalpha(100)
    profile = rgb_profile(ADOBE, 563 / 256)
    image = loaded(tmp_path, "a.png", encoded(picture, "PNG", icc_profile=profile))
    np.testing.assert_allclose(hwc(image.pixels), adobe_to_srgb(gradient), atol=2 / 255)
    np.testing.assert_allclose(image.alpha, 100 / 255, atol=1e-6)


def test_an_srgb_profile_changes_no_pixel(tmp_path, noise):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    levels = noise()
    image = loaded(tmp_path, "a.png", encoded(Image.fromarray(levels), "PNG", icc_profile=profile))
    np.testing.assert_array_equal(hwc(image.pixels), levels.astype(np.float32) / np.float32(255))


def test_grey_profile(tmp_path):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for gamma in (1.0, 1.75):
        data = encoded(Image.fromarray(levels), "PNG", icc_profile=grey_profile(gamma))
        image = loaded(tmp_path, "a.png", data)
        expected = srgb_curve((levels / 255) ** gamma)
        np.testing.assert_allclose(image.pixels[0, 0], expected, atol=1 / 255)


def test_a_broken_or_foreign_profile_is_ignored_and_said_so(tmp_path, noise):
    levels = noise()
    for profile in (b"rubbish" * 40, grey_profile(1.0), rgb_profile(ADOBE, 2.2)[:200]):
        data = encoded(Image.fromarray(levels), "PNG", icc_profile=profile)
        image = loaded(tmp_path, "a.png", data)
        np.testing.assert_allclose(hwc(image.pixels), levels / 255, atol=1e-6)
        assert any("profile is ignored" in note for note in image.notes), profile[:8]


def ink_to_lab(c, m, y, k):
    """Paper white, coloured inks, neutral black."""
    if k or (c and m and y):
        return (0.0, 0.0, 0.0)
    return (100 - 20 * (c + m + y), 10 * (m - c), 15 * (y - c))


def test_cmyk_with_a_profile(tmp_path):
    corners = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    levels = np.array(corners, np.uint8).reshape(1, 16, 4).repeat(16, 0) * 255
    picture = Image.fromarray(levels, "CMYK")
    lab = np.array([ink_to_lab(*corner) for corner in corners], float)[None]
    expected = lab_to_srgb(lab)
    data = encoded(picture, "TIFF", icc_profile=cmyk_profile(ink_to_lab))
    image = loaded(tmp_path, "a.tif", data)
    assert image.notes == []
    np.testing.assert_allclose(hwc(image.pixels)[:1], expected, atol=3 / 255)


def test_cmyk_without_a_profile_is_ink_on_white(tmp_path, gradient):
    inks = np.concatenate([255 - gradient, np.full((24, 40, 1), 51, np.uint8)], -1)
    picture = Image.fromarray(inks, "CMYK")
    expected = (1 - inks[..., :3] / 255) * (1 - 51 / 255)
    image = loaded(tmp_path, "a.tif", encoded(picture, "TIFF"))
    np.testing.assert_allclose(hwc(image.pixels), expected, atol=2 / 255)
    assert any("CMYK" in note for note in image.notes)


def test_adobe_jpeg_stores_its_inks_inverted(tmp_path, gradient):
    decode_jpeg = pytest.importorskip("torchvision.io").decode_jpeg
    inks = np.concatenate([255 - gradient, np.full((24, 40, 1), 51, np.uint8)], -1)
    data = encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=98)
    assert b"Adobe" in data[:200]
    image = loaded(tmp_path, "a.jpg", data)
    # libjpeg through torchvision as the second opinion.
    from torchvision.io import ImageReadMode

    raw = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    expected = decode_jpeg(raw, ImageReadMode.RGB) / 255
    np.testing.assert_allclose(image.pixels[0], expected, atol=4 / 255)
    assert image.pixels.mean() > 0.2


def test_no_warning_leaks(tmp_path, noise):
    picture = Image.fromarray(noise()).quantize(16)
    data = encoded(picture, "PNG", transparency=bytes([0, 128] + [255] * 14))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded(tmp_path, "a.png", data)
