import numpy as np
import pytest
import torch
from PIL import Image

from nst_lightning.errors import InputError
from nst_lightning.metrics.pictures import check_picture, fit_reference, reduced


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), -0.01, 1.01])
def test_one_bad_value_is_refused(make_picture, bad):
    picture = make_picture()
    picture[0, 1, 3, 5] = bad
    with pytest.raises(InputError, match="my picture"):
        check_picture(picture, "my picture")


def test_rounding_beyond_the_range_is_forgiven_and_clamped(make_picture):
    picture = make_picture()
    picture[0, 0, 0, 0], picture[0, 0, 0, 1] = 1 + 1e-6, -1e-6
    checked = check_picture(picture)
    assert checked.dtype == torch.float64
    assert checked.max() == 1
    assert checked.min() == 0


@pytest.mark.parametrize(
    "shape", [(3, 8, 8), (1, 1, 8, 8), (1, 4, 8, 8), (0, 3, 8, 8), (1, 3, 0, 8)]
)
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        check_picture(torch.zeros(shape))


def test_bytes_are_refused():
    with pytest.raises(TypeError, match="uint8"):
        check_picture(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize(("height", "width"), [(17, 23), (64, 31), (120, 160)])
def test_a_reference_is_stretched_as_pillow_does_it(make_picture, height, width):
    reference = make_picture(61, 47).double()
    ours = fit_reference(reference, torch.zeros(1, 3, height, width, dtype=torch.float64))
    for channel in range(3):
        plane = Image.fromarray(reference[0, channel].float().numpy())
        theirs = np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(ours[0, channel], theirs, atol=2e-6)


def test_a_reference_of_the_same_size_is_left_alone(make_picture):
    reference, picture = make_picture(seed=1), make_picture(seed=2)
    assert torch.equal(fit_reference(reference, picture), reference)


@pytest.mark.parametrize(
    ("size", "least", "expected"),
    [
        ((300, 400), 1, (60, 80)),
        ((400, 300), 1, (80, 60)),
        ((40, 800), 1, (4, 80)),
        ((40, 800), 16, (16, 320)),
        ((10, 800), 16, (10, 800)),
        ((80, 60), 1, (80, 60)),
        ((2, 400), 1, (1, 200)),
    ],
)
def test_reduced_sizes(make_picture, size, least, expected):
    assert reduced(torch.rand(1, 3, *size), 80, least).shape[-2:] == expected


def test_a_picture_is_reduced_as_pillow_does_it(make_picture):
    picture = make_picture(61, 93).double()
    for channel in range(3):
        plane = Image.fromarray(picture[0, channel].float().numpy())
        theirs = np.asarray(plane.resize((40, 26), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(reduced(picture, 40)[0, channel], theirs, atol=2e-6)
