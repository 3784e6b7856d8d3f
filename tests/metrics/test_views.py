"""At which sizes a picture is encoded, and how often."""

import pytest

from nst_lightning.metrics import PictureMetrics
from nst_lightning.metrics.views import MEASURED_LAYERS, Eye


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
    content, style = make_picture(300, 400, seed=1), make_picture(420, 420, seed=2)
    measure = PictureMetrics(content, style, watched, learned=False)
    # The content as its relations are seen; the style as it is, and for its patches.
    assert sizes == [(256, 192), (420, 420), (384, 384)]
    sizes.clear()
    measure(content)
    assert sizes == [(400, 300), (384, 288), (256, 192)]


def test_a_small_picture_is_encoded_once_for_all(seen, make_picture):
    sizes, watched = seen
    measure = PictureMetrics(make_picture(), make_picture(seed=1), watched, learned=False)
    sizes.clear()
    measure(make_picture(seed=2))
    assert sizes == [(56, 40)]


def test_a_panorama_stays_high_enough(seen, make_picture):
    sizes, watched = seen
    eye = Eye(make_picture(40, 1000), watched)
    assert set(eye.at(256)) == set(MEASURED_LAYERS)
    assert sizes == [(800, 32)]


def test_a_layer_that_lacks_is_named(encoder, make_picture):
    eye = Eye(make_picture(), lambda x: {k: v for k, v in encoder(x).items() if k != "relu4_3"})
    with pytest.raises(ValueError, match="relu4_3 is missing"):
        eye.at()
