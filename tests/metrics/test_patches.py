"""Patches and distributions of features against plain NumPy and SciPy."""

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from nst_lightning.metrics import patches
from nst_lightning.metrics.patches import patch_distance, sliced_wasserstein


def numpy_patches(features):
    f = np.pad(features[0].double().numpy(), ((0, 0), (1, 1), (1, 1)), mode="edge")
    height, width = features.shape[-2:]
    rows = [f[:, y : y + 3, x : x + 3].ravel() for y in range(height) for x in range(width)]
    return [row / max(np.linalg.norm(row), 1e-12) for row in rows]


def numpy_patch_distance(a, b):
    a, b = numpy_patches(a), numpy_patches(b)
    there = np.mean([min(1 - p @ q for q in b) for p in a])
    back = np.mean([min(1 - p @ q for p in a) for q in b])
    return (there + back) / 2


@pytest.mark.parametrize("at_once", [2**24, 70])
@pytest.mark.parametrize("size", [(6, 9), (2, 3), (1, 1)])
def test_patch_distance_agrees_with_numpy(make_features, monkeypatch, at_once, size):
    monkeypatch.setattr(patches, "_NUMBERS_AT_ONCE", at_once)
    a, b = make_features(5, *size, 1), make_features(5, 7, 4, 2)
    expected = numpy_patch_distance(a, b)
    assert patch_distance(a, b).item() == pytest.approx(expected, rel=1e-5)
    assert patch_distance(b, a).item() == pytest.approx(expected, rel=1e-5)
    assert patch_distance(a, a).item() == pytest.approx(0, abs=1e-6)


def test_patches_see_what_distributions_do_not(make_features):
    style = make_features(5, 8, 8, 1)
    order = torch.randperm(64)
    shuffled = style.flatten(2)[..., order].reshape(style.shape)
    assert sliced_wasserstein(shuffled, style).item() == pytest.approx(0, abs=1e-6)
    assert patch_distance(shuffled, style).item() > 0.05


@pytest.mark.parametrize("size", [(6, 9), (3, 4)])
def test_sliced_wasserstein_agrees_with_scipy(make_features, size):
    a, b = make_features(5, *size, 1), make_features(5, 7, 4, 2)
    directions = patches._directions(5).double().numpy()
    assert np.linalg.norm(directions, axis=1) == pytest.approx(np.ones(len(directions)))
    places = [f[0].double().numpy().reshape(5, -1) for f in (a, b)]
    distances = [wasserstein_distance(d @ places[0], d @ places[1]) for d in directions]
    scale = np.sqrt(np.mean(places[1] ** 2))
    assert sliced_wasserstein(a, b).item() == pytest.approx(np.mean(distances) / scale, rel=1e-5)


def test_the_scale_of_the_features_cancels_out(make_features):
    a, b = make_features(5, 6, 6, 1), make_features(5, 7, 4, 2)
    for distance in (patch_distance, sliced_wasserstein):
        assert distance(40 * a, 40 * b).item() == pytest.approx(distance(a, b).item(), rel=1e-5)


def test_dark_pictures_are_numbers():
    dark, light = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    assert sliced_wasserstein(dark, dark) == 0
    assert patch_distance(dark, light).item() == 1
