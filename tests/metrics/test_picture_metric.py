"""Every class as a torchmetrics.Metric: mean over pictures, collections, flags."""

import math

import pytest
import torch
from torchmetrics import MetricCollection

from nst_lightning.errors import InputError
from nst_lightning.metrics import (
    MSE,
    MSSSIM,
    PSNR,
    RMSE,
    SSIM,
    ColourDistance,
    HighFrequencyDeltas,
    StyleDistance,
    TotalVariation,
    functional,
)

AGAINST = {
    MSE: functional.mean_squared_error,
    RMSE: functional.root_mean_squared_error,
    PSNR: functional.peak_signal_noise_ratio,
    SSIM: functional.structural_similarity,
    MSSSIM: functional.multiscale_structural_similarity,
    ColourDistance: functional.colour_distance,
}
BETTER = {PSNR, SSIM, MSSSIM}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", AGAINST)
def test_mean_over_pictures_of_several_sizes(make_picture, kind, dtype):
    metric = kind()
    expected = []
    for seed, (number, height, width) in enumerate([(1, 40, 56), (3, 23, 64)]):
        x = make_picture(height, width, seed=seed, number=number).to(dtype)
        y = make_picture(height, width, seed=seed + 9, number=number).to(dtype)
        metric.update(x, y)
        expected += AGAINST[kind](x.double(), y.double()).tolist()
    assert metric.compute().item() == pytest.approx(sum(expected) / 4, rel=1e-5)
    metric.reset()
    metric.update(x, y)
    assert metric.compute().item() == pytest.approx(sum(expected[1:]) / 3, rel=1e-5)


@pytest.mark.parametrize("kind", [*AGAINST, TotalVariation, HighFrequencyDeltas])
def test_forward_gives_the_batchs_value_and_accumulates(make_picture, kind):
    metric = kind()
    arguments = [
        [make_picture(seed=s, number=2), make_picture(seed=s + 5, number=2)][
            : 1 + (kind in AGAINST)
        ]
        for s in range(2)
    ]
    values = [metric(*a).item() for a in arguments]
    assert values[0] != values[1]
    assert metric.compute().item() == pytest.approx(sum(values) / 2, rel=1e-5)


@pytest.mark.parametrize("kind", [MSE, RMSE, PSNR, SSIM, MSSSIM])
def test_a_style_of_another_size_is_stretched(make_picture, kind):
    picture, style = make_picture(40, 56), make_picture(91, 33, seed=3)
    stretched = torch.nn.functional.interpolate(
        style.double(), (40, 56), mode="bilinear", antialias=True
    )
    assert kind()(picture, style).item() == pytest.approx(
        kind()(picture, stretched.clamp(0, 1)).item(), rel=1e-5
    )


@pytest.mark.parametrize("kind", AGAINST)
def test_one_reference_serves_a_batch(make_picture, kind):
    pictures, reference = make_picture(number=3), make_picture(seed=4)
    assert kind()(pictures, reference).item() == pytest.approx(
        kind()(pictures, reference.repeat(3, 1, 1, 1)).item(), rel=1e-6
    )


@pytest.mark.parametrize("kind", [*AGAINST, TotalVariation, HighFrequencyDeltas])
def test_nan_is_refused_and_leaves_the_state_alone(make_picture, kind):
    metric = kind()
    good = [make_picture(), make_picture(seed=2)][: 1 + (kind in AGAINST)]
    metric.update(*good)
    before = metric.compute().item()
    for index in range(len(good)):
        bad = [g.clone() for g in good]
        bad[index][0, 2, 7, 7] = math.nan
        with pytest.raises(InputError, match="NaN"):
            metric.update(*bad)
    metric._computed = None
    assert metric.compute().item() == before


@pytest.mark.parametrize("kind", [*AGAINST, TotalVariation, HighFrequencyDeltas])
def test_flags(make_picture, kind):
    metric = kind()
    assert metric.higher_is_better is (kind in BETTER)
    assert metric.is_differentiable is True
    picture = make_picture().requires_grad_()
    metric(*[picture, make_picture(seed=1)][: 1 + (kind in AGAINST)]).backward()
    assert picture.grad is not None
    assert torch.isfinite(picture.grad).all()
    assert picture.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", AGAINST)
def test_better_is_better(make_picture, kind):
    """A picture nearer to the reference has the better value, by the class's own flag."""
    x, y = make_picture(), make_picture(seed=1)
    near, far = kind()(0.9 * x + 0.1 * y, x), kind()(0.3 * x + 0.7 * y, x)
    assert (near > far) == kind.higher_is_better


def everything(encoder):
    return {
        "mse": MSE(),
        "rmse": RMSE(),
        "psnr": PSNR(),
        "ssim": SSIM(),
        "ms_ssim": MSSSIM(),
        "colour": ColourDistance(),
        "style": StyleDistance(encoder),
        "style_1": StyleDistance(encoder, ["relu1_1"]),
        "tv": TotalVariation(),
        "horizontal": HighFrequencyDeltas("horizontal"),
        "vertical": HighFrequencyDeltas("vertical"),
    }


def test_a_collection_gives_what_its_metrics_give(make_picture, encoder):
    """Also after equal, flat pictures, on which errors are 0 alike and torchmetrics merges
    states."""
    flat = torch.full((1, 3, 40, 56), 0.5)
    pairs = [(flat, flat), (make_picture(seed=1), make_picture(seed=2))]
    collection = MetricCollection(everything(encoder))
    alone = everything(encoder)
    for picture, reference in pairs:
        collection.update(picture=picture, reference=reference)
        for metric in alone.values():
            metric.update(**metric._filter_kwargs(picture=picture, reference=reference))
    together = collection.compute()
    assert set(together) == set(alone)
    for name, metric in alone.items():
        assert together[name].item() == pytest.approx(metric.compute().item(), rel=1e-6), name
    collection.reset()
    collection.update(picture=flat, reference=flat)
    assert collection.compute()["mse"] == 0


def test_an_unknown_direction_is_refused():
    with pytest.raises(ValueError, match="diagonal"):
        HighFrequencyDeltas("diagonal")


def test_states_survive_a_checkpoint(make_picture):
    metric = SSIM()
    metric.persistent(True)
    metric.update(make_picture(), make_picture(seed=1))
    other = SSIM()
    other.persistent(True)
    other.load_state_dict(metric.state_dict())
    other._update_count = 1
    assert other.compute() == metric.compute()
