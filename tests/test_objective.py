"""The objective without a trainer: terms, targets, masks, and encoders of somebody else's."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from nst_lightning.encoder import VGG19Encoder
from nst_lightning.errors import InputError
from nst_lightning.losses import ContentLoss, GramLoss, LossTerm, Reference
from nst_lightning.objective import Objective, SharedTargets, named_terms


class Stranger(nn.Module):
    """Somebody else's encoder: it knows neither a minimum size nor how to refine."""

    def __init__(self, layers: Sequence[str], gain: float = 1.0) -> None:
        super().__init__()
        self.layers, self.gain = list(layers), gain
        self.seen: list[tuple[int, ...]] = []

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        self.seen.append(tuple(picture.shape))
        return {name: picture * self.gain * (i + 1) for i, name in enumerate(self.layers)}


class Keeps(LossTerm):
    """Remembers the references that it was given; its loss is the mean of a channel."""

    def __init__(self, weight: float = 1.0, layers: Sequence[str] = ("one",), channel: int = 0):
        super().__init__(weight, list(layers))
        self.channel = channel

    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        self.content, self.styles = content, styles

    def forward(self, image: Tensor, features: dict[str, Tensor]) -> Tensor:
        return image[:, self.channel].mean() + 0 * features[self.layers[0]].sum()


class Guided(Keeps):
    """The same for regions."""

    guided = True


def picture(seed: int = 0, size: tuple[int, int] = (6, 8)) -> Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed))


# -- losses --


def test_losses_are_weighted_and_summed() -> None:
    objective = Objective({"a": Keeps(2.0), "b": Keeps(0.5, channel=2)}, Stranger)
    x = picture()
    losses = objective.losses(x)
    assert list(losses) == ["a_loss", "b_loss", "loss"]
    pixels = x[0].double().numpy()
    a, b = 2 * pixels[0].mean(), 0.5 * pixels[2].mean()
    assert float(losses["a_loss"]) == pytest.approx(a, rel=1e-6)
    assert float(losses["b_loss"]) == pytest.approx(b, rel=1e-6)
    assert float(losses["loss"]) == pytest.approx(a + b, rel=1e-6)
    objective.terms["a"].weight = 0.0  # a schedule may do this during a run
    assert float(objective.losses(x)["loss"]) == pytest.approx(b, rel=1e-6)


def test_the_gradient_is_that_of_the_sum() -> None:
    objective = Objective({"a": Keeps(2.0), "b": Keeps(0.5, channel=2)}, Stranger)
    x = picture().requires_grad_()
    (gradient,) = torch.autograd.grad(objective.losses(x)["loss"], x)
    assert torch.allclose(gradient[:, 0], torch.tensor(2 / 48))
    assert torch.allclose(gradient[:, 1], torch.tensor(0.0))
    assert torch.allclose(gradient[:, 2], torch.tensor(0.5 / 48))


def test_against_the_terms_themselves() -> None:
    terms = {"content": ContentLoss(1.0, ["relu1_1"]), "style": GramLoss(10.0, ["conv1_1"])}
    objective = Objective(terms, VGG19Encoder)
    content, style, x = picture(1, (24, 32)), picture(2, (30, 20)), picture(3, (24, 32))
    objective.set_targets(content, [style], [1.0])
    losses = objective.losses(x)
    encoder = VGG19Encoder(["relu1_1", "conv1_1"])
    alone = {"content": ContentLoss(1.0, ["relu1_1"]), "style": GramLoss(10.0, ["conv1_1"])}
    for name, term in alone.items():
        term.set_targets(Reference(content, encoder(content)), [Reference(style, encoder(style))])
        expected = term.weight * term(x, encoder(x))
        assert float(losses[f"{name}_loss"]) == pytest.approx(float(expected), rel=1e-6)


def test_nothing_is_in_the_state_and_nothing_is_trained() -> None:
    objective = Objective({"style": GramLoss(1.0, ["conv1_1"])}, VGG19Encoder)
    objective.set_targets(picture(1, (24, 24)), [picture(2, (24, 24))], [1.0])
    assert list(objective.parameters()) == []
    assert objective.state_dict() == {}


# -- terms --


def test_the_encoder_is_asked_once_for_every_layer() -> None:
    terms = {"a": Keeps(layers=["two", "one"]), "b": Keeps(layers=["one", "three"])}
    objective = Objective(terms, Stranger)
    assert objective.encoder.layers == ["two", "one", "three"]
    assert objective.terms == terms


def test_without_terms() -> None:
    with pytest.raises(InputError, match="no loss term is left"):
        Objective({}, Stranger)


def test_named_terms() -> None:
    a, b = Keeps(), Keeps()
    assert named_terms({"style": a, "tv": None}, {"mine": b}) == {"style": a, "mine": b}
    assert list(named_terms({"style": a}, {"mine": b})) == ["style", "mine"]
    for name in ("style", "tv", "my term", "", "a.b"):
        with pytest.raises(InputError, match=r"model\.extra: .* cannot name a term.*style, tv"):
            named_terms({"style": a, "tv": None}, {name: b})


# -- targets --


def test_every_picture_is_encoded_once_and_handed_to_every_term() -> None:
    terms = {"a": Keeps(), "b": Keeps(layers=["two"])}
    objective = Objective(terms, Stranger)
    content, styles = picture(0), [picture(1, (5, 9)), picture(2, (7, 4))]
    objective.set_targets(content, styles, [0.25, 0.75])
    assert objective.encoder.seen == [(1, 3, 6, 8), (1, 3, 5, 9), (1, 3, 7, 4)]
    for term in terms.values():
        assert term.content is terms["a"].content
        assert term.content.image is content
        assert term.content.mask is None
        assert [style.image for style in term.styles] == styles
        assert [style.weight for style in term.styles] == [0.25, 0.75]
        for reference in (term.content, *term.styles):
            assert list(reference.features) == ["one", "two"]
            assert torch.equal(reference.features["two"], 2 * reference.image)
            assert not reference.features["two"].requires_grad


def test_every_style_has_a_share() -> None:
    objective = Objective({"a": Keeps()}, Stranger)
    with pytest.raises(ValueError, match="zip"):
        objective.set_targets(picture(), [picture(1), picture(2)], [1.0])


def test_masks_go_to_the_terms_that_look_at_regions() -> None:
    whole, guided = Keeps(), Guided()
    objective = Objective({"whole": whole, "guided": guided}, Stranger)
    assert objective.takes_regions
    masks = torch.ones(1, 2, 6, 8), [torch.ones(1, 2, 5, 9), torch.zeros(1, 2, 7, 4)]
    objective.set_targets(picture(), [picture(1, (5, 9)), picture(2, (7, 4))], [0.5, 0.5], masks)
    assert whole.content.mask is None
    assert [style.mask for style in whole.styles] == [None, None]
    assert guided.content.mask is masks[0]
    assert [style.mask for style in guided.styles] == masks[1]
    # The features are the same, and were computed once.
    assert guided.content.features is whole.content.features
    assert len(objective.encoder.seen) == 3
    assert not Objective({"whole": whole}, Stranger).takes_regions
    objective.set_targets(picture(), [picture(1)], [1.0])
    assert guided.content.mask is None


# -- what an encoder may offer --


def test_an_encoder_that_offers_nothing() -> None:
    objective = Objective({"a": Keeps()}, Stranger)
    assert objective.minimum_size == 1
    assert not objective.refine()
    assert not objective.refined
    objective.refined = True  # a checkpoint of another encoder may say so
    assert not objective.refined
    assert not hasattr(objective.encoder, "refined")


def test_an_encoder_with_a_minimum_size() -> None:
    class Deep(Stranger):
        minimum_size = 28

    assert Objective({"a": Keeps()}, Deep).minimum_size == 28


def test_an_encoder_that_refines() -> None:
    class Coarse(Stranger):
        refined = False

        def refine(self) -> bool:
            changes, self.refined = not self.refined, True
            return changes

    objective = Objective({"a": Keeps()}, Coarse)
    assert not objective.refined
    assert [objective.refine(), objective.refine()] == [True, False]
    assert objective.refined
    objective.refined = False
    assert not objective.encoder.refined


def test_what_vgg_offers() -> None:
    deep = Objective({"a": GramLoss(1.0, ["relu3_1"])}, VGG19Encoder)
    assert deep.minimum_size == deep.encoder.minimum_size > 1
    coarse = Objective(
        {"a": GramLoss(1.0, ["relu1_1"])}, lambda layers: VGG19Encoder(layers, precision="bfloat16")
    )
    assert coarse.refine()
    assert coarse.refined


# -- targets of several runs --


def test_a_picture_that_was_seen_is_not_encoded_again() -> None:
    shared = SharedTargets()
    encoder = Stranger(["one"])
    style = picture(1)
    for content, weight in ((picture(0), 1.0), (picture(2), 0.5)):
        term = Keeps()
        objective = Objective({"a": term}, lambda layers: encoder)
        objective.shared = shared
        objective.set_targets(content, [style.clone(), style.clone()], [weight, 1 - weight])
        assert [reference.weight for reference in term.styles] == [weight, 1 - weight]
        for reference, image in ((term.content, content), (term.styles[1], style)):
            assert torch.equal(reference.image, image)
            assert torch.equal(reference.features["one"], image)
    assert len(encoder.seen) == 3  # two contents and one style


def test_one_level_more_is_another_picture() -> None:
    shared, encoder = SharedTargets(), Stranger(["one"])
    first = picture()
    second = first.clone()
    second[0, 2, 5, 7] += 1 / 255
    assert torch.equal(shared.reference(encoder, second).features["one"], second)
    assert torch.equal(shared.reference(encoder, first).features["one"], first)
    # The same bytes in another shape are another picture too.
    turned = first.reshape(1, 3, 8, 6)
    assert shared.reference(encoder, turned).features["one"].shape == (1, 3, 8, 6)


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    shared, encoder = SharedTargets(keep=2), Stranger(["one"])
    a, b, c = (picture(seed) for seed in range(3))
    for image in (a, b, a, c, a, b):
        assert torch.equal(shared.reference(encoder, image).features["one"], image)
    assert len(encoder.seen) == 4  # a, b, c, and b once more


def test_encoders_with_the_same_arguments_are_one() -> None:
    shared = SharedTargets()
    first = shared.encoder(Stranger, ["one"], gain=2.0)
    assert isinstance(first, Stranger)
    assert shared.encoder(Stranger, ["one"], gain=2.0) is first
    assert shared.encoder(Stranger, ["one"], gain=3.0) is not first
    assert shared.encoder(Stranger, ["two"], gain=2.0) is not first
    measuring = shared.measuring_encoder(["relu1_1"])
    assert isinstance(measuring, VGG19Encoder)
    assert shared.measuring_encoder(["relu1_1"]) is measuring


def test_encoders_that_are_gone_are_not_mistaken_for_new_ones() -> None:
    # Python gives the address of an object that is gone to the next one.
    shared, image = SharedTargets(), picture()
    for gain in range(1, 20):
        encoder = Stranger(["one"], gain=float(gain))
        assert torch.equal(shared.reference(encoder, image).features["one"], gain * image)
        del encoder
