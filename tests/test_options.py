"""Settings as mappings and as words of a command line."""

from typing import Any

import pytest

from nst_lightning.options import flatten, to_words


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
    assert to_words({"k": value}) == [word]
