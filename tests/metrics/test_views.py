"""At which sizes a picture is encoded, and how often."""

import pytest

from nst_lightning.metrics import PictureMetrics, views
from nst_lightning.metrics.views import MEASURED_LAYERS, Eye


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch):
    monkeypatch.setattr(views, "PATCH_SIZE", 48)
    monkeypatch.setattr(views, "RELATIONS_SIZE", 32)
    monkeypatch.setattr(views, "_SHORT_SIDE", 16)


@pytest.fixture
def seen(encoder):
    """Sizes (width, height) that were encoded, and an encoder that notes them."""
    sizes = []

    def watched(picture):
        sizes.append((picture.shape[-1], picture.shape[-2]))
        return encoder(picture)

    return sizes, watched


def test_each_size_is_encoded_once(seen, make_picture):
    sizes, watched = seen
    content, style = make_picture(60, 80, seed=1), make_picture(70, 70, seed=2)
    measure = PictureMetrics(content, style, watched, learned=False)
    # The content as its relations are seen; the style as it is, and for its patches.
    assert sizes == [(32, 24), (70, 70), (48, 48)]
    sizes.clear()
    measure(content)
    assert sizes == [(80, 60), (48, 36), (32, 24)]


def test_a_small_picture_is_encoded_once_for_all(seen, make_picture):
    sizes, watched = seen
    pictures = [make_picture(24, 30, seed=seed) for seed in range(3)]
    measure = PictureMetrics(*pictures[:2], watched, learned=False)
    sizes.clear()
    measure(pictures[2])
    assert sizes == [(30, 24)]


def test_a_panorama_stays_high_enough(seen, make_picture):
    sizes, watched = seen
    eye = Eye(make_picture(20, 500), watched)
    assert set(eye.at(32)) == set(MEASURED_LAYERS)
    assert sizes == [(400, 16)]


def test_a_layer_that_lacks_is_named(encoder, make_picture):
    eye = Eye(make_picture(), lambda x: {k: v for k, v in encoder(x).items() if k != "relu4_3"})
    with pytest.raises(ValueError, match="relu4_3 is missing"):
        eye.at()
