"""Sliced distributions, against NumPy and SciPy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.painting import ADAM, TORCH_LBFGS, KillAt, Killed, logged, paint
from scipy.stats import wasserstein_distance

from nst_lightning.errors import InputError
from nst_lightning.losses import SlicedWassersteinLoss
from nst_lightning.losses.sliced_wasserstein import (
    ascending,
    even_noise,
    quantiles,
    random_directions,
    wasserstein_1d,
)
from nst_lightning.testing import check_term

LAYERS = ["relu1_1", "relu2_1"]
NOISE = 1e-4  # nearly equal places may come in another order


def rows(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n + m)
    a, b = rng.random((2, n)), rng.random((2, m)) ** 2
    # Ties, as pictures of 8 bits are full of.
    a[1], b[1] = np.round(a[1] * 10) / 10, np.round(b[1] * 10) / 10
    return a, b


SIZES = pytest.mark.parametrize(("n", "m"), [(50, 50), (50, 31), (1, 7), (400, 900)])


@SIZES
def test_wasserstein_agrees_with_scipy(n, m):
    a, b = rows(n, m)
    ours = wasserstein_1d(*(ascending(torch.from_numpy(x)) for x in (a, b)))
    theirs = [wasserstein_distance(*pair) for pair in zip(a, b, strict=True)]
    assert ours.tolist() == pytest.approx(theirs, rel=1e-9)


@SIZES
def test_a_power_of_two(n, m):
    """By repeating each value until both rows are equally long."""
    a, b = rows(n, m)
    long = [np.sort(np.repeat(x, k, axis=1), axis=1) for x, k in ((a, m), (b, n))]
    ours = wasserstein_1d(*(ascending(torch.from_numpy(x)) for x in (a, b)), power=2)
    assert ours.numpy() == pytest.approx(((long[0] - long[1]) ** 2).mean(1))


@pytest.mark.parametrize("count", [1, 3, 10, 25])
def test_quantiles_are_numpys(count):
    row = np.sort(np.random.default_rng(0).normal(size=11))
    middles = (np.arange(count) + 0.5) / count
    expected = np.quantile(row, middles + 1e-12, method="inverted_cdf")  # from the right
    got = quantiles(torch.from_numpy(row), count).numpy()
    np.testing.assert_array_equal(got, expected)


def test_directions_are_spread_evenly():
    directions = random_directions(4000, 3, np.random.default_rng(0))
    assert directions.norm(dim=1).numpy() == pytest.approx(1)
    assert directions.mean(0).numpy() == pytest.approx(0, abs=0.03)
    assert (directions.mT @ directions / 4000).numpy() == pytest.approx(np.eye(3) / 3, abs=0.02)


@pytest.mark.parametrize("columns", [1, 5, 64, 1000])
def test_noise_is_even(columns):
    noise = even_noise(7, columns, np.random.default_rng(0)).sort(dim=1).values
    assert 0 <= float(noise.min()) <= float(noise.max()) < 1
    assert (noise.diff(dim=1) >= 0.5 / columns).all()


def test_rows_have_noise_of_their_own():
    noise = even_noise(50, 1000, np.random.default_rng(0)).numpy()
    alike = np.corrcoef(noise)[~np.eye(50, dtype=bool)]
    assert np.abs(alike).mean() < 0.1


def flat(features: torch.Tensor) -> np.ndarray:
    return features[0].flatten(1).numpy()  # (C, P)


def sliced(seen: np.ndarray, wanted: np.ndarray, directions: np.ndarray) -> float:
    """Of equally many places."""
    squares = [
        (np.sort(direction @ seen) - np.sort(direction @ wanted)) ** 2 for direction in directions
    ]
    return float(np.mean(squares))


@pytest.mark.parametrize("directions", [None, 7])
def test_against_numpy(reference, directions):
    style, picture = reference(2), reference(3)
    term = SlicedWassersteinLoss(
        layers=LAYERS, layer_weights=[1.0, 3.0], directions=directions, every=5
    )
    term.set_targets(reference(1), [style])
    seen = []
    for step, drawn in ((0, False), (4, False), (5, True), (9, False), (11, True)):
        assert term.redraw(step, lambda: pytest.fail("encoded for nothing")) == drawn
        along = {name: term.target(name)[1].numpy() for name in LAYERS}
        assert [len(along[name]) for name in LAYERS] == [directions or 3, directions or 5]
        expected = sum(
            weight * sliced(flat(picture.features[n]), flat(style.features[n]), along[n])
            for n, weight in zip(LAYERS, (1, 3), strict=True)
        )
        seen.append(float(term(picture.image, picture.features)))
        assert seen[-1] == pytest.approx(expected, rel=NOISE)
        assert float(term(style.image, style.features)) == pytest.approx(0, abs=1e-5)
    assert seen[0] == seen[1] != seen[2] == seen[3] != seen[4]


def test_only_the_distribution_counts(reference):
    style = reference(2)
    term = SlicedWassersteinLoss(layers=["relu1_1"])
    term.set_targets(reference(1), [style])
    shuffled = style.features["relu1_1"].flatten(2)[..., torch.randperm(48)].view(1, 3, 8, 6)
    assert float(term(style.image, {"relu1_1": shuffled})) == pytest.approx(0, abs=1e-5)


def test_a_style_of_another_size(reference):
    """Repeated as a tiling, it has the same distribution."""
    style, picture = reference(2), reference(3)
    tiled = replace(style, features={n: f.repeat(1, 1, 2, 3) for n, f in style.features.items()})
    losses = []
    for shown in (style, tiled):
        term = SlicedWassersteinLoss(layers=LAYERS)
        term.set_targets(reference(1), [shown])
        losses.append(float(term(picture.image, picture.features)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_several_styles_are_one_distribution(reference):
    styles = [reference(2, weight=3.0), reference(4, weight=1.0)]
    term = SlicedWassersteinLoss(layers=["relu1_1"])
    term.set_targets(reference(1), styles)
    places, _, _ = term.target("relu1_1")
    assert places.shape == (1, 48 + 16, 3)
    union = replace(styles[0], features={"relu1_1": places.mT.unflatten(2, (8, 8))})
    whole = SlicedWassersteinLoss(layers=["relu1_1"])
    whole.set_targets(reference(1), [union])
    picture = reference(3)
    assert torch.equal(
        term(picture.image, picture.features), whole(picture.image, picture.features)
    )


def test_each_region_has_its_own_style(reference):
    content, picture, styles = reference(1), reference(3), [reference(2), reference(4)]
    left = torch.zeros(1, 1, 8, 6, dtype=torch.float64)
    left[..., :2] = 1
    masks = torch.cat([left, 1 - left], 1)  # a third and two thirds
    nothing, all_of = torch.zeros_like(left), torch.ones_like(left)
    term = SlicedWassersteinLoss(layers=["relu1_1"], every=2)
    term.set_targets(
        replace(content, mask=masks),
        [
            replace(styles[0], mask=torch.cat([all_of, nothing], 1)),
            replace(styles[1], mask=torch.cat([nothing, all_of], 1)),
        ],
    )
    for step in (0, 2):
        term.redraw(step, dict)
        expected = 0.0
        for region, share in ((0, 1 / 3), (1, 2 / 3)):
            along = term.target(f"relu1_1 region {region}")[1].numpy()
            inside = masks[0, region].numpy().flatten() > 0
            seen = flat(picture.features["relu1_1"])[:, inside]
            # The style has 48 places, the region 16 or 32: the same number of quantiles.
            wanted = np.sort(along @ flat(styles[region].features["relu1_1"]), axis=1)
            at = (np.arange(inside.sum()) + 0.5) / inside.sum()
            wanted = wanted[:, np.floor(48 * at).astype(int)]
            expected += share * float(((np.sort(along @ seen, axis=1) - wanted) ** 2).mean())
        loss = float(term(picture.image, picture.features))
        assert loss == pytest.approx(expected, rel=NOISE)


def test_a_region_that_is_nowhere_whole_has_its_best_places(reference):
    style, picture = reference(2), reference(3)
    thin = torch.full((1, 1, 8, 6), 0.1, dtype=torch.float64)
    thin[..., 3, 3] = 0.4
    term = SlicedWassersteinLoss(layers=["relu1_1"])
    places = term.represent_region("relu1_1", picture.features["relu1_1"], thin)
    assert torch.equal(places, picture.features["relu1_1"][:, :, 3, 3].unsqueeze(1))
    style = replace(style, mask=torch.ones_like(thin))
    term.set_targets(replace(reference(1), mask=thin), [style])
    assert term(picture.image, picture.features).isfinite()


def test_equal_places_take_after_different_ones(reference):
    style = reference(2)
    term = SlicedWassersteinLoss(layers=["relu1_1"])
    term.set_targets(reference(1), [style])
    flat_picture = torch.ones(1, 3, 8, 6, dtype=torch.float64, requires_grad=True)
    loss = term(style.image, {"relu1_1": flat_picture})
    (gradient,) = torch.autograd.grad(loss, flat_picture)
    assert len(gradient[0].flatten(1).mT.unique(dim=0)) > 40
    # In no order of the places: neighbours differ as much as any two.
    rows = gradient[0, 0]
    assert (rows[:, 1:] - rows[:, :-1]).square().mean() > rows.var()


def test_some_places_stand_for_all(reference):
    style, picture = reference(2, 40, 50), reference(3, 40, 50)
    exact = SlicedWassersteinLoss(layers=["relu1_1"], places=None, directions=50)
    some = SlicedWassersteinLoss(layers=["relu1_1"], places=600, directions=50, every=1)
    for term in (exact, some):
        term.set_targets(reference(1, 40, 50), [style])
    features = picture.features["relu1_1"].clone().requires_grad_()
    whole = float(exact(picture.image, picture.features))
    touched = torch.zeros(40, 50, dtype=torch.bool)
    for step in range(12):
        some.redraw(step, dict)
        loss = some(picture.image, {"relu1_1": features})
        (gradient,) = torch.autograd.grad(loss, features)
        moved = (gradient[0] != 0).any(0)
        assert moved.sum() <= 600
        touched |= moved
        assert float(loss.detach()) == pytest.approx(whole, rel=0.3)
    assert touched.double().mean() > 0.97  # each place takes its turn


def test_another_seed_draws_others(reference):
    style, picture = reference(2), reference(3)
    losses = []
    for seed in (0, 1):
        term = SlicedWassersteinLoss(layers=LAYERS, seed=seed)
        term.set_targets(reference(1), [style])
        losses.append(float(term(picture.image, picture.features)))
    assert losses[0] != losses[1]


@pytest.mark.parametrize("options", [{"places": 20}, {"directions": 3, "seed": 5}])
def test_promises_of_other_settings(options):
    check_term(lambda: SlicedWassersteinLoss(layers=LAYERS, **options))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"directions": 0}, "directions must be a whole number of at least 1"),
        ({"places": 0}, "places must be a whole number of at least 1"),
        ({"every": 0}, "every must be a whole number of at least 1"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
    ],
)
def test_a_mistake(options, words):
    with pytest.raises(InputError, match=words):
        SlicedWassersteinLoss(**options)


STYLE = (
    "--model.style=nst_lightning.losses.SlicedWassersteinLoss",
    "--model.style.weight=100",
    "--model.style.layers=[relu1_1,relu2_1]",
    "--model.style.every=3",
    "--model.style.places=300",
    "--data.scales=[{size: 22, steps: 4}]",
)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), TORCH_LBFGS, ADAM])
@pytest.mark.parametrize("step", [2, 3, 4, 5, 6, 8])
def test_killed_and_resumed(tmp_path, pictures, options, step):
    """In the middle of a draw, right before and after a new one, and at a new scale."""
    more = (*STYLE, *options, "--checkpoint.every_n_steps=1")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    paint(whole, pictures, *more, steps=10)
    with pytest.raises(Killed):
        paint(broken, pictures, *more, steps=10, callbacks=[KillAt(step)])
    paint(broken, pictures, *more, "--ckpt_path=last", steps=10)
    assert (broken / "stylized.png").read_bytes() == (whole / "stylized.png").read_bytes()
    assert logged(broken) == logged(whole)
