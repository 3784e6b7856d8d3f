"""Lines for the user."""

import pytest

from nst_lightning.say import program


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        ("/home/me/.venv/bin/nst", "nst sagemaker watch a"),
        ("train.py", "python train.py sagemaker watch a"),
        ("sagemaker/launch.py", "python sagemaker/launch.py watch a"),
        ("/venv/nst_lightning/__main__.py", "python -m nst_lightning sagemaker watch a"),
        ("-c", "nst sagemaker watch a"),
    ],
)
def test_a_command_is_named_as_the_program_was_started(
    started: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [started, "x"])
    assert program("sagemaker watch a") == expected


def test_the_launcher_of_a_clone_names_the_clones_other_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.argv", ["sagemaker/launch.py"])
    assert program("compare --size 96") == "python train.py compare --size 96"
