import math

import numpy as np
import pytest
import torch

from nst_lightning.errors import InputError
from nst_lightning.optim import FixedFourier, SecantFourier
from nst_lightning.optim.preconditioner import (
    conjugate_multiplicity,
    opponent_colours,
    radial_frequency,
)

BASIS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
SHAPES = [(1, 3, 16, 16), (1, 3, 17, 15), (1, 3, 20, 301), (2, 3, 9, 8), (1, 1, 6, 7), (1, 4, 8, 5)]


def numpy_frequency(height, width):
    rows, columns = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    return np.hypot(rows, columns)


def pairs_of(shape, number=6, seed=0):
    """Pairs of a Hessian that is diagonal in the Fourier domain, and that diagonal."""
    rng = np.random.default_rng(seed)
    curvature = 1 / (0.01 + numpy_frequency(*shape[-2:]) ** 2)
    steps = rng.normal(size=(number, *shape))
    changes = np.fft.ifft2(np.fft.fft2(steps) * curvature).real
    flat = (torch.tensor(a.reshape(number, -1)) for a in (steps, changes))
    return tuple(flat), curvature


def fitted(shape, dtype=torch.float64, **settings):
    preconditioner = SecantFourier(first_fit=1, fit_every=1, **settings)
    preconditioner.bind(torch.zeros(shape, dtype=dtype))
    (steps, changes), _ = pairs_of(shape)
    assert preconditioner.update(1, lambda n: (steps[-n:].to(dtype), changes[-n:].to(dtype)))
    return preconditioner


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["fixed", "unfitted", "fitted", "rings only"])
def test_apply_is_symmetric_and_positive_definite(shape, kind):
    if kind == "fitted":
        preconditioner = fitted(shape)
    elif kind == "rings only":
        preconditioner = fitted(shape, window=None)
    else:
        preconditioner = FixedFourier() if kind == "fixed" else SecantFourier()
        preconditioner.bind(torch.zeros(shape, dtype=torch.float64))
    size = math.prod(shape)
    if size <= 500:  # the whole matrix
        matrix = torch.stack([preconditioner.apply(e) for e in torch.eye(size).double()])
        torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-12)
        assert torch.linalg.eigvalsh(matrix).min() > 1e-3
    generator = torch.Generator().manual_seed(0)
    v, w = torch.randn((2, size), generator=generator, dtype=torch.float64)
    torch.testing.assert_close(v @ preconditioner.apply(w), w @ preconditioner.apply(v))
    assert v @ preconditioner.apply(v) > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_fixed_filter_is_numpys(shape):
    preconditioner = FixedFourier(exponent=1.3, cutoff=0.04)
    preconditioner.bind(torch.zeros(shape, dtype=torch.float64))
    v = np.random.default_rng(1).normal(size=shape)
    response = (numpy_frequency(*shape[-2:]) ** 2 + 0.04**2) ** -0.65
    expected = np.fft.ifft2(np.fft.fft2(v) * response).real.ravel()
    found = preconditioner.apply(torch.tensor(v).reshape(-1)).numpy()
    np.testing.assert_allclose(
        found / np.abs(found).max(), expected / np.abs(expected).max(), atol=1e-12
    )


def test_exponent_zero_is_the_identity():
    preconditioner = FixedFourier(exponent=0)
    preconditioner.bind(torch.zeros(1, 3, 7, 9))
    v = torch.randn(189, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(preconditioner.apply(v), v)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 9), (1, 6), (5, 1)])
def test_half_spectrum_sums_like_the_whole(height, width):
    v = np.random.default_rng(0).normal(size=(height, width))
    half = torch.fft.rfft2(torch.tensor(v)).abs() ** 2
    power = (half * conjugate_multiplicity(height, width)).sum()
    assert float(power) == pytest.approx(float((np.abs(np.fft.fft2(v)) ** 2).sum()))
    whole = numpy_frequency(height, width)[:, : width // 2 + 1]
    np.testing.assert_allclose(radial_frequency(height, width), whole, atol=1e-15)


def test_colour_basis_is_orthonormal_and_starts_with_light():
    basis = opponent_colours(3)
    torch.testing.assert_close(basis @ basis.T, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(basis[0], torch.full((3,), 3**-0.5, dtype=torch.float64))
    assert torch.equal(opponent_colours(4), torch.eye(4, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(1, 3, 64, 48), (1, 1, 40, 63), (2, 3, 48, 48)])
def test_fit_finds_the_inverse_of_a_fourier_hessian(shape):
    preconditioner = fitted(shape, rings=12, spread=1000.0)
    (steps, changes), _ = pairs_of(shape, number=1, seed=9)
    restored = preconditioner.apply(changes[0])
    scale = (restored @ steps[0]) / (restored @ restored)
    error = (scale * restored - steps[0]).norm() / steps[0].norm()
    unfitted = (changes[0] @ steps[0]) / (changes[0] @ changes[0])
    assert error < 0.2
    assert error < (unfitted * changes[0] - steps[0]).norm() / steps[0].norm() / 4


def numpy_gains(steps, changes, shape, rings):
    """Geometric means ring by ring, over the full spectrum, of ``(pairs, 1, 3, H, W)`` pairs."""
    height, width = shape[-2:]
    edges = np.exp(np.linspace(np.log(1 / max(height, width)), np.log(math.sqrt(0.5)), rings + 1))
    frequency = numpy_frequency(height, width)
    ring_of = np.clip(np.searchsorted(edges, frequency + 1e-12, side="right") - 1, 0, rings - 1)
    gain = np.zeros((3, rings))
    for channel in range(3):
        for ring in range(rings):
            inside = ring_of == ring
            power = np.zeros(2)
            for s, y in zip(steps, changes, strict=True):
                hats = [np.fft.fft2(np.tensordot(BASIS, v[0], 1)[channel]) for v in (s, y)]
                power += [(np.abs(v[inside]) ** 2).sum() / (s * y).sum() for v in hats]
            gain[channel, ring] = np.sqrt(power[0] / power[1])
    padded = np.pad(np.log(gain), ((0, 0), (1, 1)), mode="edge")
    return np.exp((padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3), ring_of


def random_pairs(shape, seed=2):
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(3, *shape))
    changes = 0.7 * steps + 0.3 * rng.normal(size=steps.shape)
    changes[..., : shape[-1] // 2] *= 3
    return steps, changes


def test_ring_gains_are_the_weighted_geometric_means():
    shape, rings = (1, 3, 12, 11), 4
    steps, changes = random_pairs(shape)
    preconditioner = SecantFourier(rings=rings, pairs=2, first_fit=1, spread=1e9)
    preconditioner.bind(torch.zeros(shape, dtype=torch.float64))
    flat = [torch.tensor(a.reshape(3, -1)) for a in (steps, changes)]
    assert preconditioner.update(1, lambda n: (flat[0][-n:], flat[1][-n:]))
    expected, _ = numpy_gains(steps[-2:], changes[-2:], shape, rings)
    np.testing.assert_allclose(preconditioner.state_dict()["rings_gain"], expected, rtol=1e-9)


def test_pixel_gains_are_the_blurred_ratio_of_the_whitened_pairs():
    from scipy.ndimage import uniform_filter

    shape, rings = (1, 3, 12, 11), 4
    steps, changes = random_pairs(shape)
    preconditioner = SecantFourier(rings=rings, window=1, pairs=3, first_fit=1, spread=1e9)
    preconditioner.bind(torch.zeros(shape, dtype=torch.float64))
    flat = [torch.tensor(a.reshape(3, -1)) for a in (steps, changes)]
    preconditioner.update(1, lambda n: (flat[0][-n:], flat[1][-n:]))

    gain, ring_of = numpy_gains(steps, changes, shape, rings)
    root = np.sqrt(gain[:, ring_of])
    power = np.zeros((2, 12, 11))
    for s, y in zip(steps, changes, strict=True):
        for k, (v, factor) in enumerate(((s, 1 / root), (y, root))):
            hat = np.fft.fft2(np.tensordot(BASIS, v[0], 1)) * factor
            power[k] += (np.fft.ifft2(hat).real ** 2).sum(0) / (s * y).sum()
    for _ in range(2):
        power = np.stack([uniform_filter(p, 3, mode="nearest") for p in power])
    ratio = np.sqrt(power[0] / power[1])
    ratio /= np.sort(ratio.ravel())[(ratio.size - 1) // 2]
    found = preconditioner.state_dict()["pixels_gain"][0, 0]
    np.testing.assert_allclose(found, np.sqrt(np.clip(ratio, 1 / 8, 8)), rtol=1e-6)
    # Where gradients change three times as fast, steps are to be shorter.
    assert found[:, :4].mean() < found[:, -4:].mean() / 1.3


def test_second_fit_measures_the_rings_without_the_pixel_gains():
    shape = (1, 3, 12, 11)
    steps, changes = random_pairs(shape)
    preconditioner = SecantFourier(rings=4, first_fit=1, fit_every=1, spread=1e9)
    preconditioner.bind(torch.zeros(shape, dtype=torch.float64))
    flat = [torch.tensor(a.reshape(3, -1)) for a in (steps, changes)]
    preconditioner.update(1, lambda n: (flat[0], flat[1]))
    local = preconditioner.state_dict()["pixels_gain"].numpy()
    # The weights are those of the pairs themselves, which this scaling leaves as they are.
    expected, _ = numpy_gains(steps / local, changes * local, shape, 4)
    preconditioner.update(2, lambda n: (flat[0], flat[1]))
    np.testing.assert_allclose(preconditioner.state_dict()["rings_gain"], expected, rtol=1e-6)


def test_gains_stay_within_the_spread():
    preconditioner = fitted((1, 3, 64, 48), spread=2.0)
    gain = preconditioner.state_dict()["rings_gain"]
    assert gain.max() / gain.min() <= 4.0 + 1e-9
    assert gain.max() / gain.min() > 3.0


def test_fits_at_its_times_only():
    preconditioner = SecantFourier(first_fit=3, fit_every=4)
    preconditioner.bind(torch.zeros(1, 3, 8, 8, dtype=torch.float64))
    (steps, changes), _ = pairs_of((1, 3, 8, 8))
    times = [i for i in range(1, 36) if preconditioner.update(i, lambda n: (steps, changes))]
    assert times == [3, 7, 11, 15, 19, 27, 35]
    assert not preconditioner.update(15, lambda n: (steps[:0], changes[:0]))
    assert not FixedFourier().update(3, lambda n: (steps, changes))


def test_state_survives_and_reset_forgets():
    shape = (1, 3, 10, 9)
    one, other, fresh = fitted(shape, torch.float32), SecantFourier(), SecantFourier()
    v = torch.randn(270, generator=torch.Generator().manual_seed(0))
    for preconditioner in (other, fresh):
        preconditioner.bind(torch.zeros(shape))
    unfitted = fresh.apply(v)
    assert not torch.allclose(one.apply(v), unfitted)
    other.load_state_dict(one.state_dict())
    assert torch.equal(other.apply(v), one.apply(v))
    other.reset()
    assert torch.equal(other.apply(v), unfitted)
    assert other.state_dict() == {}


def test_a_table_of_other_rings_is_left_out():
    shape = (1, 3, 10, 9)
    other = SecantFourier(rings=5)
    other.bind(torch.zeros(shape))
    before = other.apply(torch.ones(270))
    other.load_state_dict(fitted(shape).state_dict())
    assert torch.equal(other.apply(torch.ones(270)), before)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (FixedFourier, "exponent", -1),
        (FixedFourier, "cutoff", 0),
        (SecantFourier, "rings", 0),
        (SecantFourier, "pairs", 0.5),
        (SecantFourier, "window", -1),
        (SecantFourier, "first_fit", 0),
        (SecantFourier, "fit_every", 0),
        (SecantFourier, "spread", 0.9),
    ],
)
def test_bad_settings_are_named(kind, name, value):
    with pytest.raises(InputError, match=name):
        kind(**{name: value})


def test_half_precision_and_five_dimensions_are_refused():
    for image in (torch.zeros(1, 3, 8, 8).half(), torch.zeros(1, 1, 3, 8, 8)):
        with pytest.raises(ValueError, match="float32 or float64"):
            SecantFourier().bind(image)
