import hashlib
import itertools

import numpy as np
import pytest
from PIL import Image

from nst_lightning.data import samples
from nst_lightning.data.samples import SAMPLES

DRAWN = ("klimt", "starry", "waves")
PHOTOGRAPHS = {"cat": (451, 300), "astronaut": (512, 512), "coffee": (600, 400)}


def pixels(name: str, size: int = 128) -> np.ndarray:
    return np.asarray(SAMPLES[name](size), dtype=np.float64) / 255


def hue(name: str) -> np.ndarray:
    """Hue in degrees of the pixels that have a colour to speak of."""
    h, s, v = np.moveaxis(np.asarray(SAMPLES[name](128).convert("HSV"), dtype=float), 2, 0)
    return (h * 360 / 256)[(s > 50) & (v > 40)]


def test_names() -> None:
    assert set(SAMPLES) == {*DRAWN, *PHOTOGRAPHS}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_come_at_their_own_size(name: str) -> None:
    picture = SAMPLES[name](64)
    assert picture.mode == "RGB"
    assert picture.size == PHOTOGRAPHS[name]


def test_cat_is_what_scikit_image_calls_chelsea() -> None:
    data = pytest.importorskip("skimage.data")
    np.testing.assert_array_equal(np.asarray(SAMPLES["cat"](1)), data.chelsea())


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("long_side", [1, 97, 256])
def test_drawings_have_the_size_asked_for(name: str, long_side: int) -> None:
    picture = SAMPLES[name](long_side)
    assert picture.mode == "RGB"
    assert max(picture.size) == long_side


def test_size_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="long_side"):
        SAMPLES["klimt"](0)


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_anew_it_is_the_same(name: str) -> None:
    first = hashlib.sha256(SAMPLES[name](256).tobytes()).hexdigest()
    samples._drawn.cache_clear()
    np.random.seed(123)
    assert hashlib.sha256(SAMPLES[name](256).tobytes()).hexdigest() == first


@pytest.mark.parametrize("name", DRAWN)
def test_what_a_caller_does_to_a_picture_stays_there(name: str) -> None:
    picture = SAMPLES[name](64)
    before = picture.tobytes()
    picture.paste((255, 0, 255), (0, 0, 64, 64))
    assert SAMPLES[name](64).tobytes() == before


def test_drawings_differ() -> None:
    for one, other in itertools.combinations(DRAWN, 2):
        assert np.abs(pixels(one) - pixels(other)).mean() > 0.15


@pytest.mark.parametrize("name", DRAWN)
def test_tones_run_from_dark_to_bright(name: str) -> None:
    luminance = np.asarray(SAMPLES[name](512).convert("L"), dtype=float) / 255
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
    picture = SAMPLES[name](512).convert("L")
    fine = np.asarray(picture, dtype=float) / 255
    patches = fine.reshape(16, 32, 16, 32).std(axis=(1, 3))
    assert patches.min() > 0.015
    for size in (256, 128, 64, 32):
        half = picture.resize((size, size), Image.Resampling.BOX)
        coarse = np.asarray(half.resize(picture.size, Image.Resampling.BICUBIC), dtype=float) / 255
        assert (fine - coarse).std() > 0.02, size
        picture, fine = half, np.asarray(half, dtype=float) / 255
