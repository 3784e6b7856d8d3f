import numpy as np
import pytest
import scipy.linalg
import torch

from nst_lightning.errors import InputError
from nst_lightning.losses import STD5, Reference, WassersteinLoss
from nst_lightning.losses.wasserstein import gaussian_statistics, matrix_sqrt, wasserstein2


def places(features: torch.Tensor) -> np.ndarray:
    """One row a place, one column a channel."""
    return features.numpy()[0].reshape(features.shape[1], -1).T


def scipy_w2(mean, cov, target_mean, target_cov) -> float:
    """The textbook formula with SciPy's matrix square root (Schur's method), over channels."""
    cross = scipy.linalg.sqrtm(target_cov @ cov)
    squared = np.sum((mean - target_mean) ** 2) + np.trace(cov + target_cov) - 2 * np.trace(cross)
    return float(np.real(squared)) / len(mean)


def random_gaussian(channels: int, condition: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.normal(size=(channels, channels)))
    return rng.normal(size=channels), (basis * np.geomspace(1, 1 / condition, channels)) @ basis.T


def as_tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(a)[None].clone() for a in arrays]


def test_statistics_are_numpys(made_features):
    features = torch.cat([made_features(4, 5, 6, seed) for seed in (1, 2)])
    means, covs = gaussian_statistics(features, eps=0.5)
    for i in range(2):
        rows = places(features[i : i + 1])
        np.testing.assert_allclose(means[i], rows.mean(0), rtol=1e-12)
        expected = np.cov(rows, rowvar=False, bias=True) + 0.5 * np.eye(4)
        np.testing.assert_allclose(covs[i], expected, rtol=1e-12, atol=1e-12)


def test_statistics_of_float32_keep_a_small_spread_beside_a_large_mean():
    rng = np.random.default_rng(0)
    values = (1000 + rng.normal(size=(1, 3, 20, 20))).astype(np.float32)
    _, cov = gaussian_statistics(torch.from_numpy(values), eps=0.0)
    assert cov.dtype == torch.float64
    rows = values[0].reshape(3, -1).T.astype(np.float64)
    np.testing.assert_allclose(cov[0], np.cov(rows, rowvar=False, bias=True), rtol=2e-3, atol=1e-3)


def test_statistics_gradient_and_second_derivative():
    features = (torch.randn(2, 3, 2, 4, dtype=torch.float64) + 2).requires_grad_()
    assert torch.autograd.gradcheck(gaussian_statistics, (features,))
    assert torch.autograd.gradgradcheck(gaussian_statistics, (features,))


def test_statistics_under_autocast_are_not_rounded(made_features):
    features = made_features(4, 6, 6, 1).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = gaussian_statistics(features)
    torch.testing.assert_close(rounded, gaussian_statistics(features))


def test_matrix_sqrt_is_scipys():
    _, cov = random_gaussian(6, 1e4, 0)
    np.testing.assert_allclose(
        matrix_sqrt(torch.from_numpy(cov)), scipy.linalg.sqrtm(cov), rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize("condition", [1.0, 10.0, 1e4, 1e6])
@pytest.mark.parametrize("channels", [1, 3, 12])
def test_distance_is_scipys(condition, channels):
    picture, style = random_gaussian(channels, condition, 1), random_gaussian(channels, 30.0, 2)
    got = wasserstein2(*as_tensors(*picture), *as_tensors(*style))
    assert float(got) == pytest.approx(scipy_w2(*picture, *style), rel=1e-7, abs=1e-9)


def test_distance_between_diagonal_gaussians_is_the_closed_form():
    deviations, target = np.array([1.0, 2.0, 0.5]), np.array([3.0, 1.0, 0.5])
    got = wasserstein2(
        *as_tensors(np.array([1.0, 0.0, 0.0]), np.diag(deviations**2)),
        *as_tensors(np.zeros(3), np.diag(target**2)),
    )
    assert float(got) == pytest.approx((1 + 4 + 1) / 3, rel=1e-12)


def test_distance_of_a_batch_is_the_mean():
    style = random_gaussian(4, 5.0, 0)
    pictures = [random_gaussian(4, 9.0, seed) for seed in (1, 2)]
    mean, cov = (torch.from_numpy(np.stack(parts)) for parts in zip(*pictures, strict=True))
    expected = np.mean([scipy_w2(*picture, *style) for picture in pictures])
    assert float(wasserstein2(mean, cov, *as_tensors(*style))) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("condition", "target_condition"), [(1.0, 1.0), (10.0, 30.0), (1e4, 10.0), (10.0, 1e6)]
)
def test_distance_gradient(condition, target_condition):
    mean, cov = as_tensors(*random_gaussian(4, condition, 1))
    style = as_tensors(*random_gaussian(4, target_condition, 2))
    # Only a symmetric matrix is a covariance, so the differences are taken along symmetric ones.
    assert torch.autograd.gradcheck(
        lambda m, c: wasserstein2(m, (c + c.mT) / 2, *style),
        (mean.requires_grad_(), cov.requires_grad_()),
        eps=1e-7,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("channels", "height", "width"), [(3, 6, 6), (8, 2, 3), (6, 1, 1)], ids=["full", "few", "one"]
)
def test_gradient_through_the_features(made_features, channels, height, width):
    """Also with fewer places than channels, where the covariance has no full rank."""
    style = gaussian_statistics(made_features(channels, 5, 7, 1), 1e-2)
    features = made_features(channels, height, width, 2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: wasserstein2(*gaussian_statistics(x, 1e-2), *style), (features,), atol=1e-5
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("channels", "side"), [(5, 9), (40, 4)], ids=["full", "few places"])
def test_own_style_scores_nothing_and_pulls_nowhere(made_features, channels, side, dtype):
    features = made_features(channels, side, side, 1).to(dtype)
    style = Reference(features, {"a": features})
    term = WassersteinLoss(layers=["a"])
    term.set_targets(style, [style])
    leaf = features.clone().requires_grad_()
    loss = term(leaf, {"a": leaf})
    loss.backward()
    variance = float(features.var())
    assert loss.dtype == dtype
    assert abs(loss.item()) < 1e-6 * variance
    assert leaf.grad is not None
    assert leaf.grad.norm().item() < 1e-3 * variance**0.5 / channels


@pytest.mark.parametrize("eps", [0.0, 1e-4])
def test_constant_features_have_a_finite_gradient(made_features, eps):
    leaf = torch.full((1, 6, 4, 4), 0.5, dtype=torch.float64, requires_grad=True)
    constant = gaussian_statistics(leaf.detach(), eps)
    for style in (constant, gaussian_statistics(made_features(6, 4, 4, 1), eps)):
        leaf.grad = None
        loss = wasserstein2(*gaussian_statistics(leaf, eps), *style)
        loss.backward()
        assert torch.isfinite(loss)
        assert leaf.grad is not None
        assert torch.isfinite(leaf.grad).all()


def test_eigenvalues_below_rounding_pass_no_gradient_on():
    cov = torch.diag(torch.tensor([1.0, 1e-40], dtype=torch.float64))[None].requires_grad_()
    zero, one = torch.zeros(1, 2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)[None]
    wasserstein2(zero, cov, zero, one).backward()
    assert cov.grad is not None
    # d/dσ² of (σ - 1)² is 1 - 1/σ: 0 at σ = 1; beside it, the 1 of the trace is all that is left.
    np.testing.assert_allclose(cov.grad[0], [[0, 0], [0, 0.5]], atol=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_not_finite_in_is_nan_out_and_not_an_exception(made_features, bad):
    features = made_features(3, 4, 4, 1)
    style = gaussian_statistics(features)
    features[0, 1, 2, 3] = bad
    features.requires_grad_()
    loss = wasserstein2(*gaussian_statistics(features), *style)
    loss.backward()
    assert torch.isnan(loss)


def test_descent_along_the_gradient_reaches_the_style(made_features):
    """From rank-deficient to the style's Gaussian: mean and covariance, as NumPy sees them."""
    target = made_features(4, 12, 12, 1)
    style = gaussian_statistics(target)
    leaf = torch.zeros(1, 4, 6, 6, dtype=torch.float64)
    leaf += 0.01 * torch.from_numpy(np.random.default_rng(0).normal(size=(1, 4, 6, 6)))
    leaf.requires_grad_()
    optimiser = torch.optim.LBFGS([leaf], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = wasserstein2(*gaussian_statistics(leaf), *style)
        loss.backward()
        return loss

    optimiser.step(closure)
    got, expected = places(leaf.detach()), places(target)
    np.testing.assert_allclose(got.mean(0), expected.mean(0), atol=1e-3)
    np.testing.assert_allclose(
        np.cov(got, rowvar=False, bias=True), np.cov(expected, rowvar=False, bias=True), atol=1e-2
    )


def test_term_is_scipys_layer_by_layer(reference):
    style, picture = reference(1, 8, 9), reference(2, 6, 7)
    term = WassersteinLoss(3.0, ["relu1_1", "relu2_1"], [0.5, 2.0], eps=1e-3)
    term.set_targets(reference(3), [style])
    expected = 0.0
    for name, weight in (("relu1_1", 0.5), ("relu2_1", 2.0)):
        gaussians = []
        for r in (picture, style):
            rows = places(r.features[name])
            cov = np.cov(rows, rowvar=False, bias=True) + 1e-3 * np.eye(rows.shape[1])
            gaussians += [rows.mean(0), cov]
        expected += weight * scipy_w2(*gaussians)
    assert float(term(picture.image, picture.features)) == pytest.approx(expected, rel=1e-8)


def test_styles_of_different_sizes_are_one_population(reference):
    """NumPy's weighted covariance of all places of both, each style's places sharing its weight."""
    first, second = reference(1, 8, 6, 1.0), reference(2, 5, 11, 3.0)
    picture = reference(3, 7, 7)
    term = WassersteinLoss(layers=["relu2_1"], eps=1e-3)
    term.set_targets(reference(4), [first, second])
    rows = [places(r.features["relu2_1"]) for r in (first, second)]
    each = np.concatenate(
        [np.full(len(r), w / len(r)) for r, w in zip(rows, (0.25, 0.75), strict=True)]
    )
    population = np.concatenate(rows)
    mean = np.average(population, axis=0, weights=each)
    centred = population - mean
    cov = (centred * each[:, None]).T @ centred + 1e-3 * np.eye(5)
    own = places(picture.features["relu2_1"])
    own_cov = np.cov(own, rowvar=False, bias=True) + 1e-3 * np.eye(5)
    expected = scipy_w2(own.mean(0), own_cov, mean, cov)
    assert float(term(picture.image, picture.features)) == pytest.approx(expected, rel=1e-8)


def test_float32_agrees_with_float64(reference):
    style, picture = reference(1, 16, 16), reference(2, 16, 16)
    values = []
    for dtype in (torch.float32, torch.float64):
        cast = [{k: v.to(dtype) for k, v in r.features.items()} for r in (style, picture)]
        term = WassersteinLoss(layers=["relu2_1"])
        term.set_targets(Reference(style.image), [Reference(style.image, cast[0])])
        values.append(float(term(picture.image, cast[1])))
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_defaults_and_mistakes():
    assert tuple(WassersteinLoss().layers) == STD5
    for eps in (0.0, -1e-4, float("nan"), float("inf")):
        with pytest.raises(InputError, match="WassersteinLoss: eps"):
            WassersteinLoss(eps=eps)
    with pytest.raises(InputError, match="layers is empty"):
        WassersteinLoss(layers=[])
