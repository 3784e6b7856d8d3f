"""Terms are named in YAML and changed on the command line."""

import pytest
from jsonargparse import ArgumentParser

from nst_lightning.losses import (
    STD5,
    ContentLoss,
    GramLoss,
    LossTerm,
    TotalVariationLoss,
    WassersteinLoss,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def build(tmp_path):
    def run(yaml: str, *arguments: str) -> LossTerm:
        path = tmp_path / "config.yaml"
        path.write_text(yaml)
        parser = ArgumentParser(exit_on_error=False)
        parser.add_argument("--config", action="config")
        parser.add_subclass_arguments(LossTerm, "term")
        config = parser.parse_args([f"--config={path}", *arguments])
        # What is saved with a run must build the same term again.
        again = parser.parse_string(parser.dump(config))
        first = parser.instantiate_classes(config).term
        assert repr(parser.instantiate_classes(again).term) == repr(first)
        return first

    return run


GRAM = """
term:
  class_path: nst_lightning.losses.GramLoss
  init_args:
    weight: 1e6
    layers: [conv1_1, conv2_1]
    divisor: chw
"""


def test_gram(build):
    term = build(GRAM)
    assert isinstance(term, GramLoss)
    # YAML 1.1 reads 1e6, without a dot, as text.
    assert isinstance(term.weight, float)
    assert term.weight == 1e6
    assert term.layers == ["conv1_1", "conv2_1"]
    assert term.divisor == "chw"


def test_command_line_beats_the_file(build):
    term = build(GRAM, "--term.init_args.weight", "1e7", "--term.init_args.layers", "[relu5_1]")
    assert (term.weight, term.layers) == (1e7, ["relu5_1"])


@pytest.mark.parametrize(
    ("text", "weights"), [("0.2", [0.2] * 5), ("[256, 64, 16, 4, 1e0]", [256, 64, 16, 4, 1])]
)
def test_layer_weights_as_a_number_or_a_list(build, text, weights):
    term = build(
        "term:\n  class_path: nst_lightning.losses.WassersteinLoss\n  init_args:\n"
        f"    eps: 1e-4\n    layer_weights: {text}\n"
    )
    assert isinstance(term, WassersteinLoss)
    assert tuple(term.layers) == STD5
    assert term.layer_weights == weights
    assert term.eps == 1e-4


def test_content_and_total_variation(build):
    content = build(
        "term: {class_path: nst_lightning.losses.ContentLoss, init_args: {reduction: sum}}"
    )
    assert isinstance(content, ContentLoss)
    assert (content.layers, content.reduction) == (["relu4_2"], "sum")
    tv = build(
        "term: {class_path: nst_lightning.losses.TotalVariationLoss, "
        "init_args: {kind: nine_point, reduction: mean, scale: 255}}"
    )
    assert isinstance(tv, TotalVariationLoss)
    assert (tv.kind, tv.reduction, tv.scale) == ("nine_point", "mean", 255.0)


def test_unknown_divisor_is_refused_while_parsing(build):
    with pytest.raises(Exception, match=r"(?s)divisor.*cwh"):
        build(GRAM, "--term.init_args.divisor", "cwh")
