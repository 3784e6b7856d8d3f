"""Means and deviations of channels, against NumPy."""

import numpy as np
import pytest
import torch

from nst_lightning.losses import MeanDeviationLoss
from nst_lightning.losses.mean_deviation import mean_and_deviation


def test_against_numpy(reference):
    style, picture = reference(2, 7, 9), reference(3)
    term = MeanDeviationLoss(layers=["relu1_1"])
    term.set_targets(reference(1), [style])
    seen, wanted = (p.features["relu1_1"][0].flatten(1).numpy() for p in (picture, style))
    expected = sum(
        ((of(seen, axis=1) - of(wanted, axis=1)) ** 2).mean() for of in (np.mean, np.std)
    )
    loss = float(term(picture.image, picture.features))
    assert loss == pytest.approx(expected, rel=1e-6)
    assert float(term(style.image, style.features)) == 0


def test_a_flat_channel_has_a_gradient():
    features = torch.ones(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(mean_and_deviation(features).sum(), features)
    assert gradient.isfinite().all()
