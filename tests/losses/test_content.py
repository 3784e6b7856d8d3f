import numpy as np
import pytest
import torch

from nst_lightning.errors import InputError
from nst_lightning.losses import ContentLoss, Reference
from nst_lightning.losses.content import scaled_error
from nst_lightning.losses.products import squared_error


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_formula_is_numpys(reduction):
    rng = np.random.default_rng(0)
    features, target = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(1, 3, 4, 5))
    got = squared_error(torch.from_numpy(features), torch.from_numpy(target), reduction)
    expected = getattr(np, reduction)((features - target) ** 2)
    assert float(got) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradient(reduction):
    features = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    target = torch.randn(1, 3, 4, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: squared_error(x, target, reduction), (features,))


def test_second_derivative():
    features = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    target = torch.randn(1, 2, 3, 3, dtype=torch.float64)
    assert torch.autograd.gradgradcheck(lambda x: squared_error(x, target), (features,))


def test_gradient_of_a_target_that_asks_for_one():
    features = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    target = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(squared_error, (features, target))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_gradient_lies_in_memory_as_the_features_do(kind):
    features = torch.randn(1, 6, 5, 4, dtype=kind).contiguous(memory_format=torch.channels_last)
    features.requires_grad_()
    target = torch.randn(1, 6, 5, 4).contiguous(memory_format=torch.channels_last)
    loss = squared_error(features, target)
    loss.backward()
    assert loss.dtype == torch.float32
    assert features.grad is not None
    assert features.grad.dtype == kind
    assert features.grad.is_contiguous(memory_format=torch.channels_last)


def test_another_size_is_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r"\(1, 3, 4, 4\).*\(1, 3, 5, 4\).*another size"):
        squared_error(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 5, 4))


def test_two_targets_for_one_picture_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        squared_error(torch.zeros(1, 3, 4, 4), torch.zeros(2, 3, 4, 4))


def test_unknown_reduction():
    with pytest.raises(ValueError, match="median"):
        squared_error(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), "median")


def test_layers_are_weighted_and_the_terms_weight_is_left_to_the_caller(reference):
    content, picture = reference(1), reference(2)
    term = ContentLoss(7.0, ["relu1_1", "relu2_1"], [0.5, 2.0])
    term.set_targets(content, [])
    distance = {
        name: np.mean((picture.features[name].numpy() - content.features[name].numpy()) ** 2)
        for name in term.layers
    }
    expected = 0.5 * distance["relu1_1"] + 2.0 * distance["relu2_1"]
    assert float(term(picture.image, picture.features)) == pytest.approx(expected, rel=1e-12)


def test_the_contents_own_features_score_nothing(reference):
    content = reference(1)
    term = ContentLoss(layers=["relu2_1"])
    term.set_targets(content, [reference(2)])
    assert float(term(content.image, content.features)) == 0.0


def test_the_target_is_a_copy(reference):
    # An encoder that writes each picture's features into the same memory must not move the target.
    content = reference(1)
    term = ContentLoss(layers=["relu2_1"])
    term.set_targets(content, [])
    content.features["relu2_1"].add_(1.0)
    assert float(term(content.image, content.features)) == pytest.approx(1.0)


def test_a_mask_is_refused(reference):
    whole = reference(1)
    masked = Reference(whole.image, whole.features, mask=torch.ones(1, 1, 8, 6))
    with pytest.raises(ValueError, match="mask"):
        ContentLoss(layers=["relu2_1"]).set_targets(masked, [])


def test_no_layers():
    with pytest.raises(InputError, match="ContentLoss: layers is empty"):
        ContentLoss(layers=[])


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (1, 40, 30, 20)])
def test_scaled_error(shape):
    rng = np.random.default_rng(0)
    value, target = (100 * rng.normal(size=shape) for _ in range(2))
    features = torch.from_numpy(value).requires_grad_()
    loss = scaled_error(features, torch.from_numpy(target))
    difference = value - target
    expected = (difference**2).sum() / np.abs(difference).sum()
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-9)
    (gradient,) = torch.autograd.grad(loss, features)
    total = np.abs(difference).sum()
    by_hand = 2 * difference / total - (difference**2).sum() * np.sign(difference) / total**2
    np.testing.assert_allclose(gradient.numpy(), by_hand, rtol=1e-9)
    assert 0.5 < float(gradient.abs().sum()) < 2


def test_scaled_error_of_the_content_itself():
    features = torch.ones(1, 2, 3, 3, requires_grad=True)
    loss = scaled_error(features, torch.ones(1, 2, 3, 3))
    (gradient,) = torch.autograd.grad(loss, features)
    assert float(loss.detach()) == 0
    assert not gradient.any()
    with pytest.raises(ValueError, match="another size"):
        scaled_error(features, torch.ones(1, 2, 3, 4))


def test_balanced_is_in_units_of_both_pictures(reference):
    content, picture = reference(1), reference(2)
    styles = [reference(3, weight=3.0), reference(4, weight=1.0)]
    term = ContentLoss(layers=["relu1_1"], reduction="balanced")
    term.set_targets(content, styles)
    own, mine, first, second = (p.features["relu1_1"].numpy() for p in (content, picture, *styles))
    theirs = 0.75 * (first**2).mean() + 0.25 * (second**2).mean()
    expected = ((mine - own) ** 2).mean() / ((own**2).mean() * theirs) ** 0.5
    assert float(term(picture.image, picture.features)) == pytest.approx(expected)
    brighter = [
        Reference(p.image, {"relu1_1": 7 * p.features["relu1_1"]}, weight=p.weight)
        for p in (content, picture, *styles)
    ]
    term.set_targets(brighter[0], brighter[2:])
    assert float(term(picture.image, brighter[1].features)) == pytest.approx(expected)
