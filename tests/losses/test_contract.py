"""Every term of the package keeps what a term promises, and a term that does not is found out."""

import inspect

import pytest
import torch
from torch import Tensor

import nst_lightning.losses
from nst_lightning.losses import (
    ContentLoss,
    GramLoss,
    GuidedGramLoss,
    LossTerm,
    SummedTerm,
    TemporalLoss,
    TotalVariationLoss,
)
from nst_lightning.losses.gram import gram_matrix
from nst_lightning.losses.matched import MatchedTerm
from nst_lightning.testing import check_term


def subclasses(kind: type[LossTerm]) -> list[type[LossTerm]]:
    below = [sub for child in kind.__subclasses__() for sub in (child, *subclasses(child))]
    ours = [sub for sub in below if sub.__module__.startswith("nst_lightning.")]
    return [sub for sub in ours if sub not in (SummedTerm, MatchedTerm)]  # abstract


TERMS = sorted(set(subclasses(LossTerm)), key=lambda kind: kind.__name__)


def test_every_term_is_exported():
    assert {kind.__name__ for kind in TERMS} <= set(nst_lightning.losses.__all__)
    assert len(TERMS) >= 6


@pytest.mark.parametrize("kind", TERMS)
def test_promises(kind):
    has_layers = "layers" in inspect.signature(kind).parameters

    def make() -> LossTerm:
        term = kind(**({"layers": ["relu1_1", "relu2_1"]} if has_layers else {}))
        if isinstance(term, TemporalLoss):  # compared with nothing, it is zero
            term.look_back([(torch.full((1, 3, 64, 64), 0.4), torch.ones(1, 1, 64, 64))])
        return term

    check_term(make)


@pytest.mark.parametrize("options", [{"divisor": "chw"}, {"divisor": "none", "reduction": "sum"}])
@pytest.mark.parametrize("kind", [GramLoss, GuidedGramLoss])
def test_promises_of_other_settings(kind, options):
    check_term(lambda: kind(layers=["relu1_1"], **options))


@pytest.mark.parametrize("reduction", ["sum", "scaled"])
def test_promises_of_other_contents(reduction):
    check_term(lambda: ContentLoss(layers=["relu1_1"], reduction=reduction))


@pytest.mark.parametrize("kind", ["l2", "nine_point"])
def test_promises_of_other_variations(kind):
    check_term(lambda: TotalVariationLoss(kind=kind, reduction="mean", scale=255))


class Mean(LossTerm):
    """A good term, which the broken ones are made of."""

    def __init__(self) -> None:
        super().__init__(1.0, ["a", "b"])

    def represent(self, layer, features):
        return features.mean((2, 3))

    def distance(self, layer, representation, target):
        return (representation - target).square().mean()


def test_a_good_one():
    check_term(Mean)


class ManyNumbers(Mean):
    def distance(self, layer, representation, target):
        return (representation - target).square()


class HalfAGradient(Mean):
    def distance(self, layer, representation, target):
        return ((representation - target) * (representation - target).detach()).mean()


class NoGradient(Mean):
    def represent(self, layer, features):
        return features.detach().mean((2, 3))


class InfiniteGradient(Mean):
    def distance(self, layer, representation, target):
        return (representation - representation.detach()).square().sum().sqrt()


class EvenSidesOnly(Mean):
    def represent(self, layer, features):
        n, c, h, w = features.shape
        return features.reshape(n, c, h // 2, 2, w // 2, 2).mean((2, 3, 4, 5))


class AsItLiesInMemory(Mean):
    def represent(self, layer, features):
        n, c, h, w = features.shape
        return features.as_strided((n, c, h * w), (c * h * w, h * w, 1)).mean(2)


class AnyDirection(Mean):
    def represent(self, layer, features):
        return features.mean((2, 3)) * torch.rand(features.shape[1], dtype=features.dtype)


class ADirectionOfItsOwn(Mean):
    def __init__(self) -> None:
        super().__init__()
        self.set_target("direction", torch.rand(4, dtype=torch.float64))

    def set_targets(self, content, styles):
        direction = self.target("direction")
        super().set_targets(content, styles)
        self.set_target("direction", direction)

    def represent(self, layer, features):
        kept = self._kept.get("direction")
        return features.mean((2, 3)) * (self._buffers[kept] if kept else 1)


class OldTargetsToo(Mean):
    def set_targets(self, content, styles):
        before = [self.target(layer) for layer in self.layers] if self._kept else None
        super().set_targets(content, styles)
        for layer, old in zip(self.layers, before or [], strict=False):
            self.set_target(layer, self.target(layer) + old)


class Learns(Mean):
    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1))


class Saves(Mean):
    def set_targets(self, content, styles):
        super().set_targets(content, styles)
        self.register_buffer("kept", styles[0].image)


class StaysOnTheCPU(Mean):
    def set_targets(self, content, styles):
        super().set_targets(content, styles)
        self.cache = {"targets": [self.target(layer) for layer in self.layers]}


class SumsStyles(Mean):
    def blend(self, layer, representations, weights):
        return torch.stack(list(representations)).sum(0)


class MultipliesByItsWeight(Mean):
    def forward(self, image, features):
        return self.weight * super().forward(image, features)


class ForgetsLayerWeights(Mean):
    def sum_layers(self, losses):
        return torch.stack(list(losses)).sum()


class WritesIntoFeatures(Mean):
    def forward(self, image, features):
        loss = super().forward(image, features)
        with torch.no_grad():
            for value in features.values():
                value.zero_()
        return loss


class RoundsInHalf(Mean):
    takes_half = True

    def represent(self, layer, features):
        flat = features.flatten(2)
        return flat.cumsum(2)[..., -1] / flat.shape[2] + 30 - 30  # in the features' precision


class RoundsItsLoss(Mean):
    takes_half = True

    def forward(self, image, features):
        return super().forward(image, features).to(next(iter(features.values())).dtype)


class AnotherWhole(GramLoss):
    guided = True

    def represent_region(self, layer: str, features: Tensor, guidance: Tensor) -> Tensor:
        return 2 * gram_matrix(features * guidance)


class NotATerm(torch.nn.Module):
    pass


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (ManyNumbers, "no single number"),
        (HalfAGradient, "wrong gradient"),
        (NoGradient, "without a gradient"),
        (InfiniteGradient, "not finite"),
        (EvenSidesOnly, "cannot take its targets from pictures of"),
        (AsItLiesInMemory, "channels-last"),
        (AnyDirection, "wrong gradient|the second time"),
        (ADirectionOfItsOwn, "made anew"),
        (OldTargetsToo, "remembers old targets"),
        (Learns, "has parameters"),
        (Saves, "checkpoints"),
        (StaysOnTheCPU, "keeps a tensor in cache"),
        (SumsStyles, "not that style"),
        (MultipliesByItsWeight, "the caller's part"),
        (ForgetsLayerWeights, "layer_weights"),
        (WritesIntoFeatures, "writes into"),
        (RoundsInHalf, "half precision"),
        (RoundsItsLoss, "rounds its loss"),
        (lambda: AnotherWhole(layers=["a"]), "one region that is everywhere"),
        (NotATerm, "is no LossTerm"),
    ],
)
def test_a_broken_promise_is_named(broken, says):
    with pytest.raises(AssertionError, match=says) as caught:
        check_term(broken)
    assert "\n" not in str(caught.value)
