"""Formulas against scikit-image, scipy, numpy and torchmetrics."""

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from nst_lightning.errors import InputError
from nst_lightning.metrics import functional

SIZES = [(11, 11), (12, 31), (37, 53), (64, 48), (97, 180)]


def pair(make_picture, height, width, number=1):
    one = make_picture(height, width, seed=1, number=number).double()
    other = (0.8 * one + 0.2 * make_picture(height, width, seed=2, number=number)).clamp(0, 1)
    return one, other


def as_numpy(picture):
    return picture[0].double().numpy().transpose(1, 2, 0)


def scikit_ssim(x, y):
    from skimage.metrics import structural_similarity

    return structural_similarity(
        as_numpy(x),
        as_numpy(y),
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
    )


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_ssim_agrees_with_scikit_image(make_picture, height, width):
    x, y = pair(make_picture, height, width)
    assert functional.structural_similarity(x, y).item() == pytest.approx(
        scikit_ssim(x, y), abs=1e-9
    )


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_ssim_is_torchmetrics_without_the_windows_that_reach_over_the_border(
    make_picture, height, width
):
    from torchmetrics.functional.image import structural_similarity_index_measure

    x, y = pair(make_picture, height, width)
    _, values = structural_similarity_index_measure(x, y, data_range=1.0, return_full_image=True)
    assert functional.structural_similarity(x, y).item() == pytest.approx(
        values[..., 5:-5, 5:-5].mean().item(), abs=1e-12
    )


def test_ssim_agrees_with_scikit_image_on_flat_bright_areas(make_picture):
    x = torch.full((1, 3, 40, 50), 0.9, dtype=torch.float64)
    y = (x + 0.02 * make_picture(40, 50)).clamp(0, 1)
    assert functional.structural_similarity(x, y).item() == pytest.approx(
        scikit_ssim(x, y), abs=1e-9
    )


def test_ssim_of_a_negative_is_negative(make_picture):
    x = 0.25 + 0.5 * make_picture().double()
    assert functional.structural_similarity(x, 1 - x).item() == pytest.approx(
        scikit_ssim(x, 1 - x), abs=1e-9
    )
    assert functional.structural_similarity(x, 1 - x) < 0


@pytest.mark.parametrize(
    ("size", "scales"),
    [(10, 0), (11, 1), (21, 1), (22, 2), (43, 2), (44, 3), (87, 3), (88, 4), (175, 4), (176, 5)],
)
def test_ms_ssim_uses_as_many_scales_as_a_window_fits_into(size, scales):
    assert functional.ms_ssim_scales(size, 1000) == scales
    assert functional.ms_ssim_scales(1000, size) == scales


@pytest.mark.parametrize(("height", "width"), [(13, 40), (35, 24), (45, 66), (99, 120), (181, 176)])
def test_ms_ssim_agrees_with_torchmetrics(make_picture, height, width):
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    x, y = pair(make_picture, height, width)
    exponents = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    exponents = exponents[: functional.ms_ssim_scales(height, width)]
    if len(exponents) < 5:
        exponents = tuple((np.array(exponents) / np.sum(exponents)).tolist())
    theirs = multiscale_structural_similarity_index_measure(x, y, data_range=1.0, betas=exponents)
    ours = functional.multiscale_structural_similarity(x, y)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)
    assert 0.1 < ours < 0.999


def test_ms_ssim_falls_back_within_a_pixel(make_picture):
    """88 pixels have four scales though torchmetrics would refuse them."""
    x, y = pair(make_picture, 88, 88)
    wider = functional.multiscale_structural_similarity(*pair(make_picture, 99, 99))
    assert functional.multiscale_structural_similarity(x, y).item() == pytest.approx(
        wider.item(), abs=0.05
    )


@pytest.mark.parametrize("measure", ["structural_similarity", "multiscale_structural_similarity"])
@pytest.mark.parametrize(("height", "width"), [(10, 40), (40, 10), (1, 1)])
def test_pictures_smaller_than_the_window_are_refused(make_picture, measure, height, width):
    x = torch.rand(1, 3, height, width)
    with pytest.raises(InputError, match=f"11 pixels .* {width}x{height}"):
        getattr(functional, measure)(x, x)


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("structural_similarity", 1.0),
        ("multiscale_structural_similarity", 1.0),
        ("colour_distance", 0.0),
    ],
)
def test_equal_pictures(make_picture, measure, value):
    x = make_picture(number=2).double()
    assert getattr(functional, measure)(x, x).tolist() == pytest.approx([value, value], abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "measure",
    [
        "structural_similarity",
        "multiscale_structural_similarity",
        "colour_distance",
    ],
)
def test_a_batch_gives_what_its_pictures_give(make_picture, measure, dtype):
    x, y = (image.to(dtype) for image in pair(make_picture, 47, 61, number=3))
    function = getattr(functional, measure)
    together = function(x, y)
    alone = [function(x[i : i + 1], y[i : i + 1]).item() for i in range(3)]
    assert together.shape == (3,)
    assert together.dtype == dtype
    assert together.tolist() == pytest.approx(alone, rel=1e-6)
    assert len(set(alone)) == 3


def test_relative_gram_distance_by_hand():
    gram = torch.tensor([[[1.0, 2.0], [2.0, 5.0]], [[0.0, 0.0], [0.0, 0.0]]])
    target = torch.tensor([[[1.0, 0.0], [0.0, 3.0]]])
    # (4 + 4 + 4) / (1 + 9), and 1 for nothing at all.
    assert functional.relative_gram_distance(gram, target).tolist() == pytest.approx([1.2, 1.0])


def test_relative_gram_distance_to_nothing():
    nothing, something = torch.zeros(1, 2, 2), torch.ones(1, 2, 2)
    assert functional.relative_gram_distance(nothing, nothing).item() == 0
    assert functional.relative_gram_distance(something, nothing).item() == float("inf")


def test_deltas_are_numpy_differences(make_picture):
    picture = make_picture(9, 14)
    horizontal, vertical = functional.deltas(picture)
    np.testing.assert_array_equal(horizontal, np.diff(picture.numpy(), axis=3))
    np.testing.assert_array_equal(vertical, np.diff(picture.numpy(), axis=2))


def test_horizontal_deltas_see_vertical_stripes():
    stripes = torch.tensor([0.0, 1.0]).repeat(8).expand(1, 3, 10, 16)
    horizontal, vertical = functional.mean_absolute_deltas(stripes)
    assert horizontal.item() == 1
    assert vertical.item() == 0


def test_delta_pictures_are_grey_where_nothing_changes():
    picture = torch.zeros(1, 3, 4, 6)
    picture[..., 3:] = 0.1
    picture[..., 5:] = 1.0
    horizontal, vertical = functional.delta_pictures(picture)
    assert horizontal[0, 0, 0].tolist() == pytest.approx([0.5, 0.5, 0.7, 0.5, 1.0])
    assert (vertical == 0.5).all()
    assert (functional.delta_pictures(1 - picture)[0].min()) == 0


def test_deltas_of_a_single_pixel_are_none():
    horizontal, vertical = functional.mean_absolute_deltas(torch.rand(2, 3, 1, 1))
    assert horizontal.tolist() == vertical.tolist() == [0, 0]


def test_colour_distance_is_the_mean_of_scipys_over_the_cube_axes(make_picture):
    picture, style = make_picture(20, 30, seed=1).double(), make_picture(25, 13, seed=5).double()
    axes = [np.array(a) for a in np.ndindex(3, 3, 3)]
    axes = [a - 1 for a in axes]
    # Of each axis and its opposite, one.
    axes = [a for a in axes if tuple(a) > (0, 0, 0)]
    assert len(axes) == 13
    a, b = (image[0].reshape(3, -1).numpy() for image in (picture, style))
    expected = np.mean([wasserstein_distance(d @ a, d @ b) / np.linalg.norm(d) for d in axes])
    assert functional.colour_distance(picture, style).item() == pytest.approx(expected, rel=1e-9)
    assert expected > 0.01


def test_colour_distance_does_not_see_places(make_picture):
    picture = make_picture(16, 16).double()
    shuffled = picture.flatten(2)[..., torch.randperm(256)].view_as(picture)
    assert functional.colour_distance(picture, shuffled).item() == pytest.approx(0, abs=1e-12)


def test_colour_distance_of_black_and_white():
    black = torch.zeros(1, 3, 5, 5, dtype=torch.float64)
    # |d·(1, 1, 1)| by hand: three axes 1; face diagonals 2/√2 and 0, three each; body √3 and 3 x
    # 1/√3.
    expected = (3 * 1 + 3 * 2**0.5 + 3**0.5 + 3 / 3**0.5) / 13
    assert functional.colour_distance(black, 1 - black).item() == pytest.approx(expected)
