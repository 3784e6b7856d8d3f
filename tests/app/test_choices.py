"""Looks and controls as settings, and the settings of a stranger's picture."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from nst_lightning.app.choices import (
    COLOURS,
    CONTROLS,
    FROM_PICTURE,
    Choices,
    as_size,
    from_picture,
    looks,
    of_look,
)
from nst_lightning.app.which_look import which_look
from nst_lightning.data.image_pair import ColourRule
from nst_lightning.errors import InputError
from nst_lightning.options import lookup
from nst_lightning.session import open_run

CONFIGS = Path(__file__).parents[2] / "configs" / "looks"


def public_of(settings: dict[str, Any], config: str) -> Choices:
    """Return what the settings inside a picture of such a run choose."""
    session = open_run(
        settings, config, summary=False, progress=False, pictures=False, checkpoints=False
    )
    return from_picture(json.loads(json.dumps(session.model.public_settings, default=str)), "a")


def opened(choices: Choices) -> Any:
    """Return the whole configuration of the run that was chosen."""
    return open_run(
        choices.settings,
        choices.config,
        summary=False,
        progress=False,
        pictures=False,
        checkpoints=False,
    )


def test_every_look_has_words_and_the_default_is_first() -> None:
    found = looks()
    assert sorted(found) == sorted(path.stem for path in CONFIGS.glob("*.yaml"))
    assert list(found)[:3] == ["painted", "subtle", "strong"]
    assert (
        found["strong"]
        == "The painting's forms: houses may turn into hills, and windows into stars."
    )
    assert all(words.endswith(".") and "\n" not in words for words in found.values())


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.yaml")))
def test_the_controls_stand_where_the_look_has_them(name: str) -> None:
    of_file = open_run(
        {},
        f"looks/{name}.yaml",
        summary=False,
        progress=False,
        pictures=False,
        checkpoints=False,
    ).settings
    chosen = opened(of_look(name)).settings
    assert {key: chosen[key] for key in ("model", "data", "trainer")} == {
        key: of_file[key] for key in ("model", "data", "trainer")
    }


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.yaml")))
def test_the_settings_of_a_look_are_known_as_that_look(name: str) -> None:
    chosen = public_of({"data.size": 200}, f"looks/{name}.yaml")
    assert which_look(chosen) == name
    moved = replace(chosen, size=64, strength=0.12)
    assert which_look(moved, name) == name
    assert which_look(moved) in ("painted" if name in ("subtle", "strong") else name)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("model.style/init_args/mix", 0.3),  # as the defaults give it
        ("model.style/init_args/rotations", True),  # as its class has it
        ("model.style/class_path", "nst_lightning.losses.GramLoss"),
        ("model.style/class_path", "nst_lightning.losses.OfTomorrow"),
        ("model.tv", None),
        ("model.clamp", "step"),
        ("model.of_tomorrow", 1),
        ("data.init_noise", 0.1),
        ("data.steps_per_epoch", 13),
        ("trainer.max_epochs", 2),
        ("seed_everything", 1),
    ],
)
def test_other_settings_are_no_look(of_painted: Choices, place: str, value: Any) -> None:
    base = copy.deepcopy(dict(of_painted.base))
    *path, last = place.split("/")
    inside = base
    for key in path:
        inside = inside[key]
    inside[last] = value
    assert which_look(of_painted, "painted") == "painted"
    assert which_look(replace(of_painted, base=base), "painted") == FROM_PICTURE


@pytest.fixture(scope="module")
def of_painted() -> Choices:
    return public_of({}, "looks/painted.yaml")


def test_what_is_chosen_is_what_is_painted() -> None:
    chosen = Choices("strong", 0.31, 2.25, "fine", "luminance", 300)
    settings = opened(chosen).settings
    found = {control: lookup(settings, setting) for control, setting in CONTROLS.items()}
    assert found == {
        **{"strength": 0.31, "stroke_size": 2.25, "strokes": "fine"},
        **{"colours": "luminance", "size": 300},
    }


def test_there_is_a_choice_for_every_rule_of_colours() -> None:
    assert sorted(COLOURS.values()) == sorted(get_args(ColourRule))


@pytest.mark.parametrize(("given", "size"), [(512, 512), ("300", 300), (" 128 px", 128)])
def test_a_size_may_be_typed(given: object, size: int) -> None:
    assert as_size(given) == size


@pytest.mark.parametrize("given", ["", "large", "12.5", "-3", None, "15", "99999"])
def test_what_is_no_size(given: object) -> None:
    with pytest.raises(InputError, match="size"):
        as_size(given)


@pytest.fixture(scope="module")
def public() -> dict[str, Any]:
    """Return what a picture of other weights holds."""
    session = open_run(
        {"model.style.weight": 321.0, "data.size": 200, "model.strength": 0.4}
        | {"seed_everything": 7, "data.steps_per_epoch": 5, "data.init": "blurred"},
        "recipes/gatys.yaml",
        summary=False,
        progress=False,
        pictures=False,
        checkpoints=False,
    )
    settings: dict[str, Any] = json.loads(json.dumps(session.model.public_settings, default=str))
    return settings


def test_a_pictures_settings_are_used_whole(public: dict[str, Any]) -> None:
    chosen = from_picture(public, "a.png")
    assert (chosen.look, chosen.size, chosen.strength) == (FROM_PICTURE, 200, 0.4)
    again = opened(chosen).model.public_settings
    for name in ("content", "style"):
        again["data"][name] = public["data"][name]
    assert json.loads(json.dumps(again, default=str)) == public


def test_what_was_changed_afterwards_wins(public: dict[str, Any]) -> None:
    base = from_picture(public, "a.png").base
    chosen = Choices(FROM_PICTURE, 0.9, 1.0, "large", "style", 96, base)
    settings = opened(chosen).settings
    assert (settings["model"]["strength"], settings["data"]["size"]) == (0.9, 96)
    assert lookup(settings, "model.style.weight") == 321.0


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("model.style.class_path", "os.system"),
        ("model.style.class_path", "evil.Term"),
        ("model.style.class_path", "nst_lightning.cloud.job.Job"),
        ("model.style.class_path", "nst_lightning.losses.os.system"),
        ("model.optimizer.class_path", "torch.optim.lr_scheduler.os.system"),
        ("model.style", "evil.yaml"),
        ("model.style", "evil"),
        ("model.encoder", "evil"),
        ("model.encoder.init_args.weights", "/etc/passwd"),
        ("model.encoder.init_args.weights", "mine.pth"),
        ("model.extra", {"mine": "evil"}),
        ("model.extra", {"mine": {"class_path": "evil.Term"}}),
        ("model.extra", "evil"),
        ("data.init", "start.png"),
        ("data.scales", "C:\\scales"),
        ("model.strength", "much"),
        ("model.strength", 3),
        ("data.style_scale", 0),
        ("data.strokes", ["large"]),
        ("data.colour", "pink"),
        ("data.size", {"a": 1}),
    ],
)
def test_a_strangers_settings_name_no_code_and_no_file(
    public: dict[str, Any], place: str, value: Any
) -> None:
    settings = copy.deepcopy(public)
    *path, last = place.split(".")
    inside = settings
    for key in path:
        inside = inside[key]
    inside[last] = value
    with pytest.raises(InputError, match=r"^a\.png: its "):
        from_picture(settings, "a.png")


@pytest.mark.parametrize("settings", [{}, {"data": {}}, {"model": 3, "data": []}])
def test_other_settings_than_ours(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"a\.png: its settings lack model\.strength"):
        from_picture(settings, "a.png")
