import io
import itertools
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageCms

from nst_lightning.data.images import load_image
from nst_lightning.data.samples import SAMPLES, sample_bytes

DRAWN = ("klimt", "starry", "waves")
PHOTOGRAPHS = {"cat": (451, 300), "astronaut": (512, 512), "coffee": (600, 400)}


@cache
def whole(name: str) -> Image.Image:
    return Image.open(io.BytesIO(sample_bytes(name))).convert("RGB")


def sample(name: str, size: int) -> Image.Image:
    return whole(name).resize((size, size), Image.Resampling.LANCZOS)


def pixels(name: str, size: int = 128) -> np.ndarray:
    return np.asarray(sample(name, size), dtype=np.float64) / 255


def hue(name: str) -> np.ndarray:
    """Hue in degrees of the pixels that have a colour to speak of."""
    h, s, v = np.moveaxis(np.asarray(sample(name, 128).convert("HSV"), dtype=float), 2, 0)
    return (h * 360 / 256)[(s > 50) & (v > 40)]


def test_names() -> None:
    assert set(SAMPLES) == {*DRAWN, *PHOTOGRAPHS}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_come_at_their_own_size(name: str) -> None:
    assert load_image(f"sample:{name}").original_size == PHOTOGRAPHS.get(name, (2048, 2048))


def test_cat_is_what_scikit_image_calls_chelsea() -> None:
    data = pytest.importorskip("skimage.data")
    np.testing.assert_array_equal(np.asarray(whole("cat")), data.chelsea())


@pytest.mark.parametrize("name", DRAWN)
def test_pictures_of_the_package_are_small_srgb_files(name: str) -> None:
    data = sample_bytes(name)
    assert len(data) < 1.3e6
    picture = Image.open(io.BytesIO(data))
    assert (picture.format, picture.mode) == ("WEBP", "RGB")
    profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    # Converting from a profile that is sRGB already changes nothing.
    loaded = load_image(f"sample:{name}").pixels[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(np.round(255 * loaded), np.asarray(picture))


def test_drawings_differ() -> None:
    for one, other in itertools.combinations(DRAWN, 2):
        assert np.abs(pixels(one) - pixels(other)).mean() > 0.15


@pytest.mark.parametrize("name", DRAWN)
def test_tones_run_from_dark_to_bright(name: str) -> None:
    luminance = np.asarray(sample(name, 512).convert("L"), dtype=float) / 255
    assert np.quantile(luminance, 0.02) < 0.17
    assert np.quantile(luminance, 0.98) > 0.65
    assert luminance.std() > 0.15


def test_klimt_is_mostly_gold_with_jewels() -> None:
    h = hue("klimt")
    assert ((h > 25) & (h < 60)).mean() > 0.6
    # Red, green to turquoise, blue to purple: each there, none taking over.
    for low, high in ((340, 380), (80, 200), (200, 320)):
        share = ((h % 360 >= low) & (h % 360 < high) | (h + 360 < high)).mean()
        assert 0.01 < share < 0.2, (low, high, share)


@pytest.mark.parametrize("name", ["starry", "waves"])
def test_night_and_sea_are_blue_with_yellow(name: str) -> None:
    h = hue(name)
    assert ((h > 190) & (h < 260)).mean() > 0.35
    assert ((h > 25) & (h < 65)).mean() > 0.02


@pytest.mark.parametrize("name", DRAWN)
def test_no_frame(name: str) -> None:
    """The outermost rows vary like the ones further in; a frame would be flat or foreign."""
    picture = pixels(name, 256)
    for turned in (np.rot90(picture, k) for k in range(4)):
        rim, within = turned[0], turned[4]
        assert rim.std(axis=0).mean() > 0.02
        assert np.abs(rim.mean(axis=0) - within.mean(axis=0)).max() < 0.08


@pytest.mark.parametrize("name", ["klimt", "starry"])
def test_texture_at_every_scale_and_no_flat_areas(name: str) -> None:
    """Each octave of a Laplacian pyramid carries something, and so does every patch."""
    picture = sample(name, 512).convert("L")
    fine = np.asarray(picture, dtype=float) / 255
    patches = fine.reshape(16, 32, 16, 32).std(axis=(1, 3))
    assert patches.min() > 0.015
    for size in (256, 128, 64, 32):
        half = picture.resize((size, size), Image.Resampling.BOX)
        coarse = np.asarray(half.resize(picture.size, Image.Resampling.BICUBIC), dtype=float) / 255
        assert (fine - coarse).std() > 0.02, size
        picture, fine = half, np.asarray(half, dtype=float) / 255
