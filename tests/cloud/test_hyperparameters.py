"""Settings survive the way into a job."""

import json
from typing import Any

import pytest

from nst_lightning.cloud.hyperparameters import (
    MAXIMUM_COUNT,
    MAXIMUM_LENGTH,
    flatten,
    split_for_job,
    to_arguments,
)


def test_nested_settings_get_dotted_names_and_classes_stay_whole() -> None:
    nested = {
        "data": {"size": 48, "style_weights": [1, 2]},
        "model.tv": None,
        "model": {"style": {"class_path": "a.B", "init_args": {"weight": 1.0}}},
    }
    assert flatten(nested) == {
        "data.size": 48,
        "data.style_weights": [1, 2],
        "model.tv": None,
        "model.style": {"class_path": "a.B", "init_args": {"weight": 1.0}},
    }


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (True, "--k=true"),
        (None, "--k=null"),
        ([1, None, "-x"], '--k=[1, null, "-x"]'),
        ("-dash", "--k=-dash"),
        ("bräunliche Katze.jpg", "--k=bräunliche Katze.jpg"),
        (1e-5, "--k=1e-05"),
        ({"a": "b"}, '--k={"a": "b"}'),
    ],
)
def test_values_become_words_of_the_command_line(value: Any, word: str) -> None:
    assert list(to_arguments({"k": value})) == [word]


def test_a_class_comes_before_its_arguments_and_sagemakers_keys_are_left_out() -> None:
    settings = {
        "model.optimizer.lr": 1,
        "model.optimizer": "Adam",
        "sagemaker_program": "entry.py",
        "_tuning_objective_metric": "loss",
    }
    assert list(to_arguments(settings)) == ["--model.optimizer=Adam", "--model.optimizer.lr=1"]


def test_what_no_hyperparameter_can_hold_goes_into_a_file() -> None:
    settings = {"long": "x" * (MAXIMUM_LENGTH + 1), "short": 1}
    fitting, rest = split_for_job(settings)
    assert fitting == {"short": 1}
    assert rest == {"long": settings["long"]}
    many = {f"k{n}": n for n in range(150)}
    fitting, rest = split_for_job(many)
    assert len(fitting) < MAXIMUM_COUNT
    assert fitting | rest == many
    assert all(len(json.dumps(value)) <= MAXIMUM_LENGTH for value in fitting.values())
