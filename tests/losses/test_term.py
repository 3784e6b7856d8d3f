import doctest

import numpy as np
import pytest
import torch

from nst_lightning.errors import InputError
from nst_lightning.losses import (
    ContentLoss,
    GramLoss,
    LossTerm,
    MomentLoss,
    Reference,
    TotalVariationLoss,
    WassersteinLoss,
    term,
)

LAYERS = ["relu1_1", "relu2_1"]
STYLE_TERMS = [
    lambda: GramLoss(layers=LAYERS),
    lambda: WassersteinLoss(layers=LAYERS),
    lambda: MomentLoss(layers=LAYERS),
]
WITH_TARGETS = [lambda: ContentLoss(layers=LAYERS), *STYLE_TERMS]


def test_example_in_the_docstring():
    result = doctest.testmod(term)
    assert result.attempted >= 7
    assert result.failed == 0


@pytest.mark.parametrize("make", WITH_TARGETS)
def test_targets_are_buffers_that_move_with_the_module(make, reference):
    loss = make()
    loss.set_targets(reference(1), [reference(2)])
    assert list(loss.buffers())
    loss.to("meta")
    assert {b.device.type for b in loss.buffers()} == {"meta"}


@pytest.mark.parametrize("make", WITH_TARGETS)
def test_targets_have_no_graph(make, reference):
    content, style = reference(1), reference(2)
    for r in (content, style):
        for f in r.features.values():
            f.requires_grad_()
    loss = make()
    loss.set_targets(content, [style])
    assert all(b.grad_fn is None and not b.requires_grad for b in loss.buffers())


@pytest.mark.parametrize("make", WITH_TARGETS)
def test_targets_made_in_inference_mode_can_be_used_in_a_backward_pass(make, reference):
    loss = make()
    with torch.inference_mode():
        loss.set_targets(reference(1), [reference(2)])
    picture = reference(3)
    leaves = {k: v.requires_grad_() for k, v in picture.features.items()}
    loss(picture.image, leaves).backward()
    assert all(leaf.grad.abs().sum() > 0 for leaf in leaves.values())


@pytest.mark.parametrize("make", WITH_TARGETS)
def test_forward_before_targets_says_so(make, reference):
    picture = reference(1)
    with pytest.raises(RuntimeError, match="set_targets"):
        make()(picture.image, picture.features)


@pytest.mark.parametrize("make", STYLE_TERMS)
@pytest.mark.parametrize(
    ("weights", "words"),
    [([], "at least one style"), ([1.0, -2.0], "-2.0"), ([float("nan")], "nan"), ([0.0], "all 0")],
)
def test_impossible_blends(make, weights, words, reference):
    with pytest.raises(InputError, match=words):
        make().set_targets(reference(1), [reference(2, weight=w) for w in weights])


@pytest.mark.parametrize("make", STYLE_TERMS)
def test_a_masked_style_is_refused(make, reference):
    style = reference(2)
    masked = Reference(style.image, style.features, mask=torch.ones(1, 1, 8, 6))
    with pytest.raises(ValueError, match="mask"):
        make().set_targets(reference(1), [masked])


@pytest.mark.parametrize("kind", [LossTerm, ContentLoss, GramLoss, WassersteinLoss])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weight": -1.0}, ["weight", "-1.0"]),
        ({"weight": float("nan")}, ["weight", "nan"]),
        ({"weight": float("inf")}, ["weight", "inf"]),
        ({"weight": "much"}, ["weight", "'much'"]),
        ({"layer_weights": [1.0]}, ["layer_weights", "[1.0]", "2 layers", "relu2_1"]),
        ({"layer_weights": [1.0, -3.0]}, ["layer_weights[1]", "-3.0"]),
        ({"layer_weights": [float("inf"), 1.0]}, ["layer_weights[0]", "inf"]),
        ({"layer_weights": float("nan")}, ["layer_weights[0]", "nan"]),
        ({"layer_weights": "12"}, ["layer_weights", "'12'"]),
        ({"layers": "relu1_1"}, ["layers", "[relu1_1]"]),
        ({"layers": ["relu1_1", "relu1_1"]}, ["relu1_1", "more than once"]),
    ],
)
def test_mistakes_are_named_in_one_line(kind, options, words):
    with pytest.raises(InputError) as caught:
        kind(**{"layers": LAYERS, **options})
    message = str(caught.value)
    assert "\n" not in message
    for word in [kind.__name__, *words]:
        assert word in message


def test_a_negative_weight_is_refused_by_total_variation_too():
    with pytest.raises(InputError, match=r"TotalVariationLoss: weight.*-0\.5"):
        TotalVariationLoss(-0.5)


def test_one_layer_weight_stands_for_all():
    assert GramLoss(layers=LAYERS, layer_weights=0.2).layer_weights == [0.2, 0.2]
    assert GramLoss(layers=LAYERS, layer_weights=np.float64(3)).layer_weights == [3.0, 3.0]


def test_layers_are_summed_with_their_weights():
    loss = LossTerm(layers=["a", "b", "c"], layer_weights=[1.0, 2.0, 0.5])
    assert float(loss.sum_layers(torch.tensor(v) for v in (1.0, 10.0, 100.0))) == 71.0


def test_a_layer_too_few_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        LossTerm(layers=["a", "b"]).sum_layers([torch.tensor(1.0)])


def test_layer_names_of_other_encoders_may_have_dots():
    loss = LossTerm(layers=["features.3"])
    loss.set_target("features.3", torch.ones(2))
    assert loss.target("features.3").tolist() == [1.0, 1.0]


def test_a_subclass_without_distance_or_forward_is_named():
    class Unfinished(LossTerm):
        pass

    with pytest.raises(NotImplementedError, match="Unfinished"):
        Unfinished()(torch.zeros(1), {})


def test_what_print_shows():
    shown = repr(GramLoss(1e6, ["conv1_1"], [0.5]))
    assert "weight=1e+06" in shown
    assert "conv1_1" in shown
    assert "0.5" in shown
