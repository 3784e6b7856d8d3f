"""Regions: the guided Gram matrix, and the term that sends each region to its own style."""

import numpy as np
import pytest
import torch

from nst_lightning.errors import InputError
from nst_lightning.losses import GramLoss, GuidedGramLoss, Reference
from nst_lightning.losses.gram import gram_matrix
from nst_lightning.losses.guided_gram import guided_gram

LAYER = "relu1_1"


@pytest.mark.parametrize("divisor", ["chw", "hw", "none"])
def test_guided_gram_is_numpys(divisor, made_features):
    features, mask = made_features(5, 6, 7, 0), np.random.default_rng(1).random((1, 1, 6, 7))
    guided = features.numpy() * mask
    expected = np.einsum("nahw,nbhw->nab", guided, guided)
    size = (mask**2).sum()
    expected /= {"chw": 5 * size, "hw": size, "none": 1}[divisor]
    got = guided_gram(features, torch.from_numpy(mask), divisor).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("divisor", ["chw", "hw", "none"])
def test_guided_everywhere_is_the_plain_one(divisor, made_features):
    features = made_features(4, 6, 7, 0)
    got = guided_gram(features, torch.ones(1, 1, 6, 7, dtype=torch.float64), divisor)
    torch.testing.assert_close(got, gram_matrix(features, divisor))


def test_an_empty_region_is_zero_and_has_a_finite_gradient(made_features):
    features = made_features(4, 6, 7, 0).requires_grad_()
    gram = guided_gram(features, torch.zeros(1, 1, 6, 7, dtype=torch.float64))
    gram.sum().backward()
    assert not gram.any()
    assert torch.isfinite(features.grad).all()


def halves(features, left=True, soft=False):
    """Masks of the left and the right half, of the picture's size (twice the features')."""
    height, width = (2 * side for side in features.shape[-2:])
    ramp = (torch.arange(width) >= width / 2).double().expand(1, 1, height, width)
    return torch.cat([1 - ramp, ramp], dim=1)


def refer(features, mask=None, weight=1.0):
    return Reference(features[:, :3], {LAYER: features}, weight, mask)


def only(features, region, regions=2):
    mask = torch.zeros(1, regions, *features.shape[-2:], dtype=torch.float64)
    mask[:, region] = 1
    return mask


def test_each_region_is_compared_with_its_own_style(made_features):
    first, second = made_features(4, 6, 8, 1), made_features(4, 7, 5, 2)
    picture = made_features(4, 6, 8, 3)
    term = GuidedGramLoss(layers=[LAYER])
    term.set_targets(
        refer(picture, halves(picture)),
        [refer(first, only(first, 0), 0.5), refer(second, only(second, 1), 0.5)],
    )
    losses = []
    for half, style in ((picture[..., :4], first), (picture[..., 4:], second)):
        losses.append((gram_matrix(half) - gram_matrix(style)).square().mean())
    torch.testing.assert_close(term(picture, {LAYER: picture}), (losses[0] + losses[1]) / 2)


def test_regions_of_one_style_picture(made_features):
    style, picture = made_features(4, 6, 8, 1), made_features(4, 6, 8, 3)
    term = GuidedGramLoss(layers=[LAYER], divisor="chw")
    # The picture's left half takes after the style's right half, and the other way round.
    term.set_targets(refer(picture, halves(picture)), [refer(style, halves(style).flip(1))])
    swapped = torch.cat([style[..., 4:], style[..., :4]], dim=3)
    assert float(term(picture, {LAYER: swapped})) == pytest.approx(0, abs=1e-20)
    assert float(term(picture, {LAYER: style})) > 1e-6


def test_without_masks_it_is_gram_loss(made_features):
    style, picture = made_features(4, 6, 8, 1), made_features(4, 6, 8, 3)
    terms = GuidedGramLoss(layers=[LAYER]), GramLoss(layers=[LAYER])
    for term in terms:
        term.set_targets(refer(picture), [refer(style)])
    guided, plain = (term(picture, {LAYER: picture}) for term in terms)
    assert torch.equal(guided, plain)


def test_a_region_without_a_style(made_features):
    style, picture = made_features(4, 6, 8, 1), made_features(4, 6, 8, 3)
    term = GuidedGramLoss(layers=[LAYER])
    with pytest.raises(InputError, match="region 2 has no style"):
        term.set_targets(refer(picture, halves(picture)), [refer(style, only(style, 0))])


def test_the_gradient_stays_within_the_region(made_features):
    style, picture = made_features(4, 6, 8, 1), made_features(4, 6, 8, 3).requires_grad_()
    term = GuidedGramLoss(layers=[LAYER])
    masks = halves(picture)
    masks[:, 1] = 0
    masks[:, 1, 0, 0] = 1e-3  # as good as nothing
    term.set_targets(
        refer(picture.detach(), masks), [refer(style, only(style, 0) + only(style, 1))]
    )
    term(picture, {LAYER: picture}).backward()
    assert picture.grad[..., :4].abs().max() > 0
    assert picture.grad[..., 4:].abs().max() == 0
