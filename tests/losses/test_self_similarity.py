"""Relations between places, against NumPy and SciPy."""

import numpy as np
import pytest
import torch

from nst_lightning.errors import InputError
from nst_lightning.losses import Reference, SelfSimilarityLoss
from nst_lightning.losses.self_similarity import grid_within, relation_distance, relations
from nst_lightning.testing import check_term

LAYERS = ["relu1_1", "relu2_1"]


def distances(vectors: np.ndarray) -> np.ndarray:
    """Of ``(P, C)``; small vectors count less."""
    squares = (vectors**2).sum(1)
    unit = vectors / np.sqrt(squares + 1e-4 * squares.mean() + 1e-8)[:, None]
    return 1 - unit @ unit.T


def between(seen: np.ndarray, wanted: np.ndarray) -> float:
    """STROTSS's formula."""
    a, b = (d / d.sum(0, keepdims=True) for d in map(distances, (seen, wanted)))
    return float(len(a) * np.abs(a - b).mean())


def places(features: torch.Tensor) -> np.ndarray:
    return features[0].flatten(1).numpy().T


def test_distances_are_scipys():
    spatial = pytest.importorskip("scipy.spatial.distance")
    vectors = np.random.default_rng(0).random((9, 5)) + 0.2
    expected = spatial.cdist(vectors, vectors, "cosine")
    got = relations(torch.from_numpy(vectors)[None])[0].numpy()
    np.testing.assert_allclose(got.sum(0), 1)
    np.testing.assert_allclose(got, expected / expected.sum(0), atol=1e-3)


def test_layer_by_layer(reference):
    content, picture = reference(1), reference(2)
    term = SelfSimilarityLoss(layers=LAYERS, layer_weights=[1.0, 3.0])
    term.set_targets(content, [reference(3)])
    first, second = (
        between(places(picture.features[n]), places(content.features[n])) for n in LAYERS
    )
    loss = float(term(picture.image, picture.features))
    assert loss == pytest.approx(first + 3 * second, rel=1e-9)
    assert float(term(content.image, content.features)) == 0


def test_hypercolumns(reference):
    content, picture = reference(1), reference(2)
    term = SelfSimilarityLoss(layers=LAYERS, layer_weights=[1.0, 4.0], hypercolumns=True)
    term.set_targets(content, [reference(3)])
    seen, wanted = (
        np.concatenate([places(p.features["relu1_1"]), 2 * places(p.features["relu2_1"])], 1)
        for p in (picture, content)
    )
    loss = float(term(picture.image, picture.features))
    assert loss == pytest.approx(2.5 * between(seen, wanted), rel=1e-9)


def test_a_large_layer_is_averaged(made_features):
    content, picture = made_features(3, 8, 12, 1), made_features(3, 8, 12, 2)
    term = SelfSimilarityLoss(layers=["a"], places=24)  # 4 x 6
    term.set_targets(Reference(content, {"a": content}), [])
    means = [f[0].numpy().reshape(3, 4, 2, 6, 2).mean((2, 4)).reshape(3, -1).T
             for f in (picture, content)]  # fmt: skip
    assert float(term(picture, {"a": picture})) == pytest.approx(between(*means), rel=1e-9)


def test_colours_do_not_count_but_forms_do(made_features):
    """Any turn of the channels, and any brightness, keeps all relations."""
    content = made_features(4, 6, 8, 1)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0)))[0]
    turned = 3 * torch.einsum("dc,nchw->ndhw", turn.double(), content)
    mirrored = content.flip(3)
    term = SelfSimilarityLoss(layers=["a"])
    term.set_targets(Reference(content, {"a": content}), [])
    assert float(term(content, {"a": turned})) < 1e-4
    assert float(term(content, {"a": mirrored})) > 0.1


def test_black_and_flat_features_have_a_gradient():
    for value in (0.0, 1.0):
        flat = torch.full((1, 3, 5, 5), value)
        flat[..., 2, 2] = 0
        flat.requires_grad_()
        seen = relations(flat.flatten(2).mT)
        loss = relation_distance(seen, torch.eye(25)[None])
        (gradient,) = torch.autograd.grad(loss, flat)
        assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("size", "places", "expected"),
    [
        ((16, 24), 1024, (16, 24)),
        ((64, 64), 1024, (32, 32)),
        ((96, 128), 1024, (27, 36)),
        ((1, 5000), 1024, (1, 1024)),
        ((5000, 1), 1024, (1024, 1)),
        ((300, 2), 100, (100, 1)),
    ],
)
def test_grid(size, places, expected):
    assert grid_within(size, places) == expected


def test_another_size_is_refused(reference):
    term = SelfSimilarityLoss(layers=["relu1_1"])
    term.set_targets(reference(1), [])
    picture = reference(2, width=7)
    with pytest.raises(ValueError, match="another size"):
        term(picture.image, picture.features)


@pytest.mark.parametrize("options", [{"hypercolumns": True}, {"places": 10}])
def test_promises_of_other_settings(options):
    check_term(lambda: SelfSimilarityLoss(layers=["relu1_1", "relu2_1", "relu3_1"], **options))


@pytest.mark.parametrize("places", [1, 5000])
def test_a_mistake(places):
    with pytest.raises(InputError, match="places must be a whole number from 2 to 4096"):
        SelfSimilarityLoss(places=places)
