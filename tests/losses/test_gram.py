import numpy as np
import pytest
import torch

from nst_lightning.errors import InputError
from nst_lightning.losses import STD5, GramLoss, Reference
from nst_lightning.losses.gram import gram_matrix
from nst_lightning.losses.products import squared_error

SHAPES = [(1, 3, 8, 6), (2, 5, 4, 7), (1, 16, 2, 3), (1, 4, 1, 1)]


def features_of(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def pytorch_tutorial_gram(features: np.ndarray) -> np.ndarray:
    """`gram_matrix` of the PyTorch tutorial, word for word in NumPy."""
    a, b, c, d = features.shape
    flat = features.reshape(a * b, c * d)
    return np.matmul(flat, flat.T) / (a * b * c * d)


def tensorflow_tutorial_gram(features: np.ndarray) -> np.ndarray:
    """`gram_matrix` of the TensorFlow tutorial, which has (batch, height, width, channel)."""
    nhwc = features.transpose(0, 2, 3, 1)
    result = np.einsum("bijc,bijd->bcd", nhwc, nhwc)
    return result / float(nhwc.shape[1] * nhwc.shape[2])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("divisor", ["chw", "hw", "none"])
def test_gram_is_numpys(shape, divisor):
    features = features_of(shape)
    _, c, h, w = shape
    expected = np.einsum("nahw,nbhw->nab", features, features)
    expected /= {"chw": c * h * w, "hw": h * w, "none": 1}[divisor]
    got = gram_matrix(torch.from_numpy(features), divisor).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


def test_chw_is_the_pytorch_tutorials():
    features = features_of((1, 6, 5, 7))
    got = gram_matrix(torch.from_numpy(features), "chw")[0]
    np.testing.assert_allclose(got.numpy(), pytorch_tutorial_gram(features), rtol=1e-12)


def test_hw_is_the_tensorflow_tutorials():
    features = features_of((2, 6, 5, 7))
    got = gram_matrix(torch.from_numpy(features), "hw")
    np.testing.assert_allclose(got.numpy(), tensorflow_tutorial_gram(features), rtol=1e-12)


def test_channels_last_gives_the_same_and_is_not_copied(monkeypatch):
    features = torch.from_numpy(features_of((2, 6, 5, 7)))
    nhwc = features.contiguous(memory_format=torch.channels_last)
    seen = []
    bmm = torch.bmm
    monkeypatch.setattr(torch, "bmm", lambda a, b: (seen.append(a.data_ptr()), bmm(a, b))[1])
    torch.testing.assert_close(gram_matrix(nhwc), gram_matrix(features))
    assert seen == [nhwc.data_ptr(), features.data_ptr()]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("divisor", ["chw", "hw", "none"])
def test_gram_gradient(shape, divisor):
    features = torch.from_numpy(features_of(shape)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: gram_matrix(x, divisor), (features,))


def test_gram_second_derivative():
    features = torch.from_numpy(features_of((1, 3, 2, 4))).requires_grad_()
    assert torch.autograd.gradgradcheck(gram_matrix, (features,))


def test_gradient_in_channels_last():
    features = torch.from_numpy(features_of((1, 3, 4, 2)))
    features = features.contiguous(memory_format=torch.channels_last).requires_grad_()
    assert torch.autograd.gradcheck(gram_matrix, (features,))
    gram_matrix(features).square().sum().backward()
    assert features.grad is not None
    # Else adding it to the gradient from deeper layers is several times slower.
    assert features.grad.is_contiguous(memory_format=torch.channels_last)


def test_one_product_forward_and_one_backward():
    features = torch.randn(1, 8, 16, 16, requires_grad=True)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        gram_matrix(features).square().mean().backward()
    assert sum(event.count for event in profile.key_averages() if event.key == "aten::bmm") == 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_are_summed_in_float32(dtype):
    features = torch.from_numpy(features_of((1, 4, 32, 32))).to(dtype).requires_grad_()
    gram = gram_matrix(features)
    exact = np.einsum("nahw,nbhw->nab", *[features.detach().double().numpy()] * 2) / 1024
    assert gram.dtype == torch.float32
    np.testing.assert_allclose(gram.detach().numpy(), exact, rtol=1e-4, atol=1e-6)
    gram.sum().backward()
    assert features.grad is not None
    assert features.grad.dtype == dtype


@pytest.mark.parametrize("shape", [(2, 5, 181, 193), (1, 64, 256, 256)])
def test_bfloat16_sums_of_many_places_are_near_the_exact_ones(shape):
    # All positive, as after a ReLU: one rounding of the whole sum would leave 2e-3.
    features = torch.from_numpy(np.abs(features_of(shape))).bfloat16()
    features = features.contiguous(memory_format=torch.channels_last)
    gram = gram_matrix(features, "none")
    exact = np.einsum("nahw,nbhw->nab", *[features.double().numpy()] * 2, optimize=True)
    assert gram.dtype == torch.float32
    assert np.linalg.norm(gram.numpy() - exact) < 4e-4 * np.linalg.norm(exact)


def test_autocast_does_not_round_the_gram():
    features = torch.from_numpy(features_of((1, 4, 16, 16))).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        gram = gram_matrix(features)
    assert gram.dtype == torch.float32
    torch.testing.assert_close(gram, gram_matrix(features))


def test_unknown_divisor_in_the_formula():
    with pytest.raises(ValueError, match="wh"):
        gram_matrix(torch.zeros(1, 1, 2, 2), "wh")


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gram_loss_is_numpys_and_its_gradient(reduction):
    gram, target = features_of((2, 4, 4)), features_of((1, 4, 4), 1)
    got = squared_error(torch.from_numpy(gram), torch.from_numpy(target), reduction)
    assert float(got) == pytest.approx(getattr(np, reduction)((gram - target) ** 2), rel=1e-12)
    leaf = torch.from_numpy(gram).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda g: squared_error(g, torch.from_numpy(target), reduction), (leaf,)
    )


def test_term_is_the_pytorch_tutorials_style_loss(reference):
    """Its StyleLoss is mse_loss(gram, target), summed over the layers."""
    style, picture = reference(1), reference(2)
    term = GramLoss(layers=["relu1_1", "relu2_1"], divisor="chw")
    term.set_targets(reference(3), [style])
    expected = sum(
        np.mean(
            (
                pytorch_tutorial_gram(picture.features[name].numpy())
                - pytorch_tutorial_gram(style.features[name].numpy())
            )
            ** 2
        )
        for name in term.layers
    )
    assert float(term(picture.image, picture.features)) == pytest.approx(expected, rel=1e-12)


def test_term_is_the_tensorflow_tutorials_style_loss(reference):
    """Its style loss is the sum of reduce_mean((output - target)²), over the number of layers."""
    style, picture = reference(1), reference(2)
    term = GramLoss(layers=["relu1_1", "relu2_1"], layer_weights=0.5, divisor="hw")
    term.set_targets(reference(3), [style])
    grams = [
        [tensorflow_tutorial_gram(r.features[name].numpy()) for name in term.layers]
        for r in (picture, style)
    ]
    expected = sum(np.mean((g - t) ** 2) for g, t in zip(*grams, strict=True)) / 2
    assert float(term(picture.image, picture.features)) == pytest.approx(expected, rel=1e-12)


def test_papers_layer_loss_is_a_quarter_of_the_default(reference):
    """E_l = Σ(G − A)² / (4·C²·M²), Gatys et al. 2016, equation 4; both pictures of one size."""
    style, picture = reference(1), reference(2)
    term = GramLoss(layers=["relu2_1"], layer_weights=[0.25])
    term.set_targets(style, [style])
    flat = [r.features["relu2_1"].numpy()[0].reshape(5, -1) for r in (picture, style)]
    bare = [f @ f.T for f in flat]
    expected = np.sum((bare[0] - bare[1]) ** 2) / (4 * 5**2 * (8 * 6) ** 2)
    assert float(term(picture.image, picture.features)) == pytest.approx(expected, rel=1e-12)


def test_sum_reduction_in_the_term(reference):
    style, picture = reference(1), reference(2)
    values = []
    for reduction in ("mean", "sum"):
        term = GramLoss(layers=["relu2_1"], reduction=reduction)
        term.set_targets(style, [style])
        values.append(float(term(picture.image, picture.features)))
    assert values[1] == pytest.approx(25 * values[0], rel=1e-12)


@pytest.mark.parametrize("divisor", ["chw", "hw", "none"])
def test_relative_to_the_styles_own_squares(reference, divisor):
    style, picture = reference(1), reference(2)
    term = GramLoss(layers=["relu1_1"], divisor=divisor, reduction="relative")
    term.set_targets(style, [style])
    mine, theirs = (
        np.einsum("nahw,nbhw->ab", *[p.features["relu1_1"].numpy()] * 2) / 48
        for p in (picture, style)
    )
    expected = ((mine - theirs) ** 2).sum() / (theirs**2).sum()
    assert float(term(picture.image, picture.features)) == pytest.approx(expected)
    black = Reference(style.image, {"relu1_1": torch.zeros_like(style.features["relu1_1"])})
    term.set_targets(black, [black])
    assert float(term(black.image, black.features)) == 0


@pytest.mark.parametrize("weights", [(0.25, 0.75), (1.0, 3.0)])
def test_styles_of_different_sizes_are_blended(reference, weights):
    first, second = reference(1, 8, 6, weights[0]), reference(2, 5, 11, weights[1])
    picture = reference(3, 7, 7)
    term = GramLoss(layers=["relu2_1"])
    term.set_targets(reference(4, 9, 9), [first, second])
    grams = [
        tensorflow_tutorial_gram(r.features["relu2_1"].numpy()) for r in (picture, first, second)
    ]
    expected = np.mean((grams[0] - 0.25 * grams[1] - 0.75 * grams[2]) ** 2)
    assert float(term(picture.image, picture.features)) == pytest.approx(expected, rel=1e-12)


def test_own_style_scores_nothing(reference):
    style = reference(1)
    term = GramLoss(layers=["relu1_1", "relu2_1"])
    term.set_targets(style, [style])
    assert float(term(style.image, style.features)) == 0.0


def test_defaults():
    term = GramLoss()
    assert tuple(term.layers) == STD5
    assert term.layer_weights == [1.0] * 5
    assert (term.divisor, term.reduction, term.weight) == ("hw", "mean", 1.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"divisor": "hwc"}, ["divisor", "'hwc'", "did you mean", "chw, none"]),
        ({"reduction": "median"}, ["reduction", "'median'", "mean, sum"]),
        ({"layers": []}, ["layers is empty"]),
    ],
)
def test_mistakes_are_named(options, words):
    with pytest.raises(InputError) as caught:
        GramLoss(**options)
    for word in ["GramLoss", *words]:
        assert word in str(caught.value)
