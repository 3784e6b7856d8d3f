"""The moments against SciPy's, and the term that compares them."""

import numpy as np
import pytest
import torch

from nst_lightning.errors import InputError
from nst_lightning.losses import MomentLoss, Reference
from nst_lightning.losses.moment import channel_moments

LAYER = "relu1_1"


def test_standardised_moments_are_scipys(made_features):
    stats = pytest.importorskip("scipy.stats")
    features = made_features(4, 9, 8, 0)
    flat = features.flatten(2).numpy()[0]
    mean, deviation = flat.mean(1), flat.std(1)
    got = channel_moments(features, torch.tensor(mean)[None], torch.tensor(deviation)[None], 4)
    np.testing.assert_allclose(got[0, 0], 0, atol=1e-12)
    np.testing.assert_allclose(got[0, 1], 1)
    np.testing.assert_allclose(got[0, 2], stats.skew(flat, axis=1))
    np.testing.assert_allclose(got[0, 3], stats.kurtosis(flat, axis=1, fisher=False))


def term_for(features, order=3):
    term = MomentLoss(layers=[LAYER], order=order)
    reference = Reference(features[:, :3], {LAYER: features})
    term.set_targets(reference, [reference])
    return term


def test_only_the_distribution_counts(made_features):
    features = made_features(4, 6, 8, 0)
    term = term_for(features)
    shuffled = features.flatten(2)[..., torch.randperm(48)].view_as(features)
    assert float(term(features, {LAYER: shuffled})) == pytest.approx(0, abs=1e-20)
    assert float(term(features, {LAYER: features * 1.1})) > 1e-4


def test_more_moments_see_more(made_features):
    features = made_features(4, 30, 30, 0)
    flat = features.flatten(2)
    normal = torch.randn(flat.shape, dtype=flat.dtype, generator=torch.Generator().manual_seed(0))
    normal = (normal - normal.mean(2, keepdim=True)) / normal.std(2, correction=0, keepdim=True)
    same_two = flat.mean(2, keepdim=True) + flat.std(2, correction=0, keepdim=True) * normal
    picture = {LAYER: same_two.view_as(features)}
    assert float(term_for(features, 2)(features, picture)) == pytest.approx(0, abs=1e-12)
    assert float(term_for(features, 3)(features, picture)) > 1e-3


@pytest.mark.parametrize("order", [0, 7])
def test_an_order_that_cannot_be_had(order):
    with pytest.raises(InputError, match="order must be a whole number from 1 to 6"):
        MomentLoss(order=order)
