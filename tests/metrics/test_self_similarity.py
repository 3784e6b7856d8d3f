"""Relations between places against plain NumPy."""

import numpy as np
import pytest
import torch

from nst_lightning.metrics import self_similarity
from nst_lightning.metrics.self_similarity import (
    content_feature_structural_distance,
    self_similarity_distance,
)

BOTH = [self_similarity_distance, content_feature_structural_distance]


def places(features):
    return features[0].double().numpy().reshape(features.shape[1], -1).T  # (n, C)


def numpy_self_similarity(a, b):
    """STROTSS: the mean of the differences of D / its columns' sums, times n.

    Squared lengths have a ten-thousandth of their mean added.
    """
    matrices = []
    for rows in (places(a), places(b)):
        squares = np.sum(rows**2, axis=1, keepdims=True)
        unit = rows / np.sqrt(squares + 1e-4 * squares.mean())
        distances = 1 - unit @ unit.T
        matrices.append(distances / distances.sum(axis=0))
    return len(matrices[0]) * np.mean(np.abs(matrices[0] - matrices[1]))


def numpy_cfsd(picture, content):
    """StyleID: KL divergence of the softmaxes; here the mean of the rows, times 1000."""
    from scipy.special import softmax
    from scipy.stats import entropy

    p, q = (
        softmax(rows @ rows.T / rows.shape[1] ** 2, axis=1)
        for rows in (places(content), places(picture))
    )
    return 1000 * np.mean(entropy(p, q, axis=1))


@pytest.fixture
def features(make_features):
    return make_features(7, 6, 9, 1), make_features(7, 6, 9, 2)


@pytest.mark.parametrize("at_once", [2**24, 400])
def test_agree_with_numpy(features, monkeypatch, at_once):
    monkeypatch.setattr(self_similarity, "_NUMBERS_AT_ONCE", at_once)
    a, b = features
    assert self_similarity_distance(a, b).item() == pytest.approx(
        numpy_self_similarity(a, b), rel=1e-5
    )
    assert content_feature_structural_distance(a, b).item() == pytest.approx(
        numpy_cfsd(a, b), rel=1e-4
    )


@pytest.mark.parametrize("distance", BOTH)
def test_the_same_is_at_no_distance(features, distance):
    assert distance(features[0], features[0]).item() == pytest.approx(0, abs=1e-6)
    assert distance(*features).item() > 1e-3


def test_self_similarity_sees_relations_only(features):
    turned = torch.linalg.qr(torch.randn(7, 7, generator=torch.Generator().manual_seed(0)))[0]
    other = torch.einsum("ij,njhw->nihw", 3 * turned, features[0])
    assert self_similarity_distance(other, features[0]).item() == pytest.approx(0, abs=1e-4)


def test_twice_the_size_is_the_same_distance(features):
    large = [f.repeat_interleave(2, -1).repeat_interleave(2, -2) for f in features]
    for distance in BOTH:
        assert distance(*large).item() == pytest.approx(distance(*features).item(), rel=1e-4)


@pytest.mark.parametrize("distance", BOTH)
@pytest.mark.parametrize("size", [(1, 1), (4, 5)])
def test_flat_and_dark_pictures_are_numbers(distance, size):
    flat, dark = torch.ones(1, 3, *size), torch.zeros(1, 3, *size)
    for a in (flat, dark):
        for b in (flat, dark):
            assert torch.isfinite(distance(a, b))
    assert distance(flat, flat).item() == pytest.approx(0, abs=1e-6)
