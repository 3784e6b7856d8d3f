"""Weights that change: the rules, their messages, and a run that is killed under one."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from helpers.painting import ADAM, TORCH_LBFGS, KillAt, Killed, arguments, logged, paint

from nst_lightning.callbacks import (
    ConstantWeight,
    CosineWeight,
    EpochWeights,
    LinearWeight,
    WeightSchedule,
)
from nst_lightning.cli import main
from nst_lightning.errors import InputError


def callbacks(*schedules: tuple[str, dict[str, Any]]) -> str:
    return "--trainer.callbacks=" + json.dumps(
        [
            {"class_path": f"nst_lightning.callbacks.{name}", "init_args": arguments}
            for name, arguments in schedules
        ]
    )


# -- the rules --


def test_constant() -> None:
    assert ConstantWeight("style", 3.0).weight_at(0.7, 4) == 3.0


@pytest.mark.parametrize(("progress", "weight"), [(0, 2), (0.2, 2), (0.4, 5), (0.6, 8), (1, 8)])
def test_linear(progress: float, weight: float) -> None:
    schedule = LinearWeight("style", 2.0, 8.0, begin=0.2, until=0.6)
    assert schedule.weight_at(progress, 0) == pytest.approx(weight)


@pytest.mark.parametrize("progress", [0, 0.25, 0.5, 0.8, 1])
def test_cosine(progress: float) -> None:
    # The cosine annealing of Loshchilov & Hutter (2017), written the other way round.
    expected = 1.0 + 0.5 * (9.0 - 1.0) * (1 + math.cos(math.pi * progress))
    assert CosineWeight("style", 9.0, 1.0).weight_at(progress, 0) == pytest.approx(expected)


def test_epochs() -> None:
    assert [EpochWeights("style", [3, 2, 1]).weight_at(0, e) for e in range(4)] == [3, 2, 1, None]
    from_on = EpochWeights("style", {0: 3, 2: 1})
    assert [from_on.weight_at(0, e) for e in range(4)] == [3, 3, 1, 1]
    assert EpochWeights("style", {1: 3}).weight_at(0, 0) is None


# -- in a run --


def test_the_weights_of_a_run(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    schedules = callbacks(
        ("LinearWeight", {"term": "style", "start": 0, "end": 1e5}),
        ("EpochWeights", {"term": "content", "weights": [1, 2]}),
        ("EpochWeights", {"term": "style", "layer": "conv1_1", "weights": {0: 1, 1: 0}}),
    )
    session = paint(tmp_path, pictures, schedules, "--trainer.max_epochs=2", steps=3)
    rows = logged(tmp_path)
    weights = [float(row["style_weight"]) for row in rows]
    assert weights == pytest.approx([0, 2e4, 4e4, 6e4, 8e4, 1e5])
    assert [float(row["content_weight"]) for row in rows] == [1, 1, 1, 2, 2, 2]
    assert [float(row["style_conv1_1_weight"]) for row in rows] == [1, 1, 1, 0, 0, 0]
    assert float(rows[0]["style_loss"]) == 0
    assert session.model.objective.terms["style"].layer_weights == [0, 1]


class Squares(WeightSchedule):
    """A rule of one's own."""

    def weight_at(self, progress: float, epoch: int) -> float:
        return 1e4 * progress**2


def test_a_rule_of_ones_own(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    paint(tmp_path, pictures, callbacks=[Squares("style")], steps=3)
    weights = [float(row["style_weight"]) for row in logged(tmp_path)]
    assert weights == pytest.approx([0, 2500, 1e4])


def test_the_loss_never_rises_within_an_epoch(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    schedule = callbacks(("EpochWeights", {"term": "style", "weights": [1e5, 1e3, 1e6]}))
    paint(tmp_path, pictures, schedule, "--trainer.max_epochs=3", steps=6)
    losses = [float(row["loss"]) for row in logged(tmp_path)]
    for epoch in range(3):
        within = losses[6 * epoch : 6 * epoch + 6]
        assert within == sorted(within, reverse=True)


@pytest.mark.parametrize("optimiser", [(), TORCH_LBFGS, (*ADAM, "--model.average=0.9")])
@pytest.mark.parametrize("step", [3, 5, 6])
def test_killed_and_resumed(
    tmp_path: Path, pictures: tuple[Path, Path], optimiser: tuple[str, ...], step: int
) -> None:
    options = (
        *(*optimiser, "--trainer.max_epochs=2", "--checkpoint.every_n_steps=1"),
        callbacks(
            ("EpochWeights", {"term": "style", "weights": [1e5, 2e4]}),
            ("CosineWeight", {"term": "tv", "start": 0.1, "end": 0, "begin": 0.4}),
        ),
    )
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    paint(whole, pictures, *options, steps=5)
    with pytest.raises(Killed):
        paint(broken, pictures, *options, steps=5, callbacks=[KillAt(step)])
    paint(broken, pictures, *options, "--ckpt_path=last", steps=5)
    assert (broken / "stylized.png").read_bytes() == (whole / "stylized.png").read_bytes()
    assert logged(broken) == logged(whole)


# -- mistakes --

MISTAKES = {
    "a list that is too short": (
        ("EpochWeights", {"term": "style", "weights": [1e5]}),
        "EpochWeights of style: there is no weight for epoch 1, step 2",
    ),
    "a hole in a list": (
        ("EpochWeights", {"term": "style", "weights": [None, 1e5]}),
        "EpochWeights of style: there is no weight for epoch 0, step 0",
    ),
    "no weight from the beginning": (
        ("EpochWeights", {"term": "style", "weights": {1: 1e5}}),
        "EpochWeights of style: there is no weight for epoch 0, step 0",
    ),
    "a list that is too long": (
        ("EpochWeights", {"term": "style", "weights": [1, 2, 3]}),
        "EpochWeights of style: 3 weights, but the run has 2 epochs",
    ),
    "an epoch after the end": (
        ("EpochWeights", {"term": "style", "weights": {0: 1, 2: 3}}),
        "EpochWeights of style: there is no epoch 2: the run has 2 epochs, counted from 0",
    ),
    "a negative weight": (
        ("LinearWeight", {"term": "style", "start": 1, "end": -1}),
        "at epoch 1, step 2 is not a finite number >= 0",
    ),
    "no such term": (
        ("ConstantWeight", {"term": "stile", "weight": 1}),
        "there is no term 'stile'; did you mean style?",
    ),
    "no such layer": (
        ("ConstantWeight", {"term": "style", "weight": 1, "layer": "relu1_1"}),
        "style has no layer 'relu1_1'",
    ),
    "the wrong way round": (
        ("LinearWeight", {"term": "tv", "start": 1, "end": 0, "begin": 0.8, "until": 0.2}),
        "begin 0.8 and until 0.2 must be in order",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_one_line_before_anything_is_written(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str], what: str
) -> None:
    schedule, words = MISTAKES[what]
    args = arguments(tmp_path / "run", pictures, callbacks(schedule), steps=2)
    assert main([*args, "--trainer.max_epochs=2"]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_two_schedules_for_one_weight(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    both = [ConstantWeight("style", 1.0), LinearWeight("style", 1.0, 2.0)]
    with pytest.raises(InputError, match="two schedules set the weight of style"):
        paint(tmp_path, pictures, callbacks=both, steps=2)
