import numpy as np
import pytest
import torch
from torchmetrics.functional.image import total_variation as torchmetrics_tv

from nst_lightning.errors import InputError
from nst_lightning.losses import TotalVariationLoss
from nst_lightning.losses.total_variation import total_variation

SHAPES = [(1, 3, 5, 7), (2, 3, 4, 4), (1, 1, 2, 2), (1, 3, 1, 6), (1, 3, 6, 1), (1, 3, 1, 1)]
KINDS = ["l1", "l2", "nine_point"]


def picture(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).random(shape)


def crowsonkbs_nine_point(image: np.ndarray) -> float:
    """Pixel by pixel on the picture continued by one pixel on every side."""
    n, c, h, w = image.shape
    padded = np.pad(image, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="edge")
    total = 0.0
    for plane in padded.reshape(n * c, h + 2, w + 2):
        right = [plane[i, j + 1] - plane[i, j] for i in range(1, h + 1) for j in range(1, w + 1)]
        below = [plane[i + 1, j] - plane[i, j] for i in range(1, h + 1) for j in range(1, w + 1)]
        square = [(i, j) for i in range(h + 1) for j in range(w + 1)]
        falling = [plane[i + 1, j + 1] - plane[i, j] for i, j in square]
        rising = [plane[i + 1, j] - plane[i, j + 1] for i, j in square]
        total += 2 * (np.mean(np.square(right)) / 3 + np.mean(np.square(below)) / 3)
        total += 2 * (np.mean(np.square(falling)) / 12 + np.mean(np.square(rising)) / 12)
    return total / (n * c)


@pytest.mark.parametrize("shape", SHAPES)
def test_l1_sum_is_torchmetrics(shape):
    image = torch.from_numpy(picture(shape))
    expected = torchmetrics_tv(image, reduction="sum")
    torch.testing.assert_close(total_variation(image, "l1", "sum"), expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kind", "power"), [("l1", 1), ("l2", 2)])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_l1_and_l2_are_numpys(shape, kind, power, reduction):
    image = picture(shape)
    expected = sum(
        getattr(np, reduction)(np.abs(np.diff(image, axis=axis)) ** power)
        for axis in (2, 3)
        if shape[axis] > 1
    )
    got = total_variation(torch.from_numpy(image), kind, reduction)
    assert float(got) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_nine_point_mean_is_crowsonkbs(shape):
    image = picture(shape)
    got = total_variation(torch.from_numpy(image), "nine_point", "mean")
    assert float(got) == pytest.approx(crowsonkbs_nine_point(image), rel=1e-12)


def test_nine_point_sum_counts_each_difference():
    """A single bright pixel inside: 4 straight and 4 diagonal differences of 1."""
    image = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    image[0, 0, 2, 2] = 1
    got = total_variation(image, "nine_point", "sum")
    assert float(got) == pytest.approx(2 * (4 / 3 + 4 / 12))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_gradient(shape, kind, reduction):
    image = torch.from_numpy(picture(shape)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: total_variation(x, kind, reduction), (image,))


@pytest.mark.parametrize("kind", KINDS)
def test_a_flat_picture_has_none_and_a_finite_gradient(kind):
    image = torch.full((1, 3, 4, 4), 0.3, requires_grad=True)
    loss = total_variation(image, kind)
    loss.backward()
    assert loss.item() == 0.0
    assert image.grad is not None
    assert not image.grad.any()


@pytest.mark.parametrize("kind", KINDS)
def test_float32_keeps_its_digits_on_a_large_picture(kind):
    image = torch.from_numpy(picture((1, 3, 300, 400)))
    expected = float(total_variation(image, kind))
    assert float(total_variation(image.float(), kind)) == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_scale_measures_the_picture_in_other_units(kind, reduction):
    image = torch.from_numpy(picture((1, 3, 5, 7)))
    term = TotalVariationLoss(5.0, kind, reduction, scale=255.0)
    expected = total_variation(255.0 * image, kind, reduction)
    torch.testing.assert_close(term(image, {}), expected)


def test_term_needs_no_layers_and_no_targets():
    term = TotalVariationLoss()
    assert term.layers == []
    image = torch.from_numpy(picture((1, 3, 5, 7)))
    torch.testing.assert_close(term(image, {}), torchmetrics_tv(image, reduction="sum"))


@pytest.mark.parametrize(("name", "value"), [("kind", "l3"), ("reduction", "none")])
def test_unknown_names(name, value):
    with pytest.raises(ValueError, match=value):
        total_variation(torch.zeros(1, 3, 4, 4), **{name: value})
    with pytest.raises(
        InputError, match=f"TotalVariationLoss: {name} must be one of .* not '{value}'"
    ):
        TotalVariationLoss(**{name: value})


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_scale(scale):
    with pytest.raises(InputError, match="TotalVariationLoss: scale"):
        TotalVariationLoss(scale=scale)


def test_by_the_side_an_edge_is_the_same_at_every_size():
    small = torch.zeros(1, 3, 12, 16)
    small[..., 3:, 5:] = 1
    large = small.repeat_interleave(4, 2).repeat_interleave(4, 3)
    of_small, of_large = (total_variation(p, "l1", "side") for p in (small, large))
    assert float(of_small) == pytest.approx(3 * (9 + 11) / (12 * 16) ** 0.5)
    assert float(of_large) == pytest.approx(float(of_small))


@pytest.mark.parametrize("reduction", ["mean", "sum", "side"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(2, 3, 9, 5), (1, 1, 7, 4), (1, 3, 8, 1), (1, 1, 1, 9)])
def test_a_large_picture_is_scored_in_bands(shape, kind, reduction, monkeypatch):
    found = []
    for at_once in (2**21, 2 * shape[-1], 1):
        monkeypatch.setattr("nst_lightning.losses.total_variation._PIXELS_AT_ONCE", at_once)
        image = torch.from_numpy(picture(shape)).requires_grad_()
        loss = total_variation(image, kind, reduction)
        (gradient,) = torch.autograd.grad(loss, image)
        found.append((loss, gradient))
    for loss, gradient in found[1:]:
        torch.testing.assert_close(loss, found[0][0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(gradient, found[0][1], rtol=1e-12, atol=1e-12)
