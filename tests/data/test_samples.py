import colorsys

import numpy as np
import pytest
from PIL import Image

from nst_lightning.data.samples import SAMPLES

DRAWN = ("klimt",)
PHOTOGRAPHS = {"cat": (451, 300), "astronaut": (512, 512), "coffee": (600, 400)}


def hue_saturation_value(picture: Image.Image) -> np.ndarray:
    small = np.asarray(picture.resize((64, 64))).reshape(-1, 3) / 255
    return np.array([colorsys.rgb_to_hsv(*pixel) for pixel in small])


def test_names() -> None:
    assert set(SAMPLES) == {*DRAWN, *PHOTOGRAPHS}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_come_at_their_own_size(name: str) -> None:
    picture = SAMPLES[name](64)
    assert picture.mode == "RGB"
    assert picture.size == PHOTOGRAPHS[name]


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("long_side", [1, 97, 256])
def test_drawings_have_the_size_asked_for(name: str, long_side: int) -> None:
    picture = SAMPLES[name](long_side)
    assert picture.mode == "RGB"
    assert max(picture.size) == long_side
