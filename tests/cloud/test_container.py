"""What a job finds becomes the configs and the settings of its run."""

import json
from pathlib import Path
from typing import Any

import pytest

from nst_lightning.cloud.container import SETTINGS_FILE, Container
from nst_lightning.errors import InputError


def container(base: Path, settings: dict[str, Any], **channels: dict[str, str]) -> Container:
    environ = {"SM_HPS": json.dumps(settings), "SAGEMAKER_BASE_DIR": str(base)}
    environ["SM_CHANNELS"] = json.dumps(list(channels))
    for channel, files in channels.items():
        folder = base / "input" / "data" / channel
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        environ[f"SM_CHANNEL_{channel.upper()}"] = str(folder)
    return Container.from_environ(environ)


def task(key: str, **given: str) -> dict[str, Any]:
    """Return what a job is told of a picture: sources by name, or the channels that hold them."""
    named = {f"data.{role}": value for role, value in given.items() if ":" in value}
    channels = {role: value for role, value in given.items() if ":" not in value}
    return {
        "key": key,
        "id": f"id-{key}",
        "attempt": 1,
        "settings": named,
        "channels": channels,
    }


def test_configs_in_order_then_settings_then_pictures(tmp_path: Path) -> None:
    long = "x" * 3000
    job = container(
        tmp_path,
        {
            "model.style.weight": 5.0,
            "model.tv": None,
            "data.size": "48",
            "model.style": "GramLoss",
            "sagemaker_program": "entry.py",
            "_tuning_objective_metric": "loss",
            "painting_02": task("two", content="sample:cat"),
            "painting_01": task("one", style="picture_00"),
        },
        config={
            "01-b.yaml": "a: 1",
            "00-ein Ü.yaml": "b: 1",
            SETTINGS_FILE: json.dumps({"model.long": long}),
        },
        picture_00={"Kätzchen & co.jpg": ""},
    )
    first, second = job.tasks()
    assert [(one.number, one.key) for one in job.tasks()] == [(1, "one"), (2, "two")]
    data = tmp_path / "input" / "data"
    assert job.configs() == [data / "config" / "00-ein Ü.yaml", data / "config" / "01-b.yaml"]
    # A class comes before its arguments, and what is SageMaker's own is left out.
    assert list(first.settings.items()) == [
        ("data.size", "48"),
        ("data.style", str(data / "picture_00" / "Kätzchen & co.jpg")),
        ("model.long", long),
        ("model.style", "GramLoss"),
        ("model.style.weight", 5.0),
        ("model.tv", None),
        ("trainer.default_root_dir", str(first.folder)),
    ]
    assert first.folder.parent == tmp_path / "checkpoints"
    assert second.settings["data.content"] == "sample:cat"
    assert "data.style" not in second.settings


def test_a_trial_takes_up_nothing_of_one_with_other_values(tmp_path: Path) -> None:
    told = {"painting_01": task("one")}
    trial = {**told, "_tuning_objective_metric": "tradeoff"}
    folders = [
        container(tmp_path, given | {"model.style.weight": weight}).tasks()[0].folder
        for given in (told, trial)
        for weight in (1.0, 2.0, 1.0)
    ]
    assert [folders.index(folder) for folder in folders] == [0, 0, 0, 3, 4, 3]


def test_a_channel_with_two_pictures_is_refused(tmp_path: Path) -> None:
    told = {"painting_01": task("one", style="picture_00")}
    job = container(tmp_path, told, picture_00={"a.png": "", "b.png": ""})
    with pytest.raises(InputError, match="channel picture_00: there are 2 files"):
        job.tasks()


def test_outside_a_job_the_entry_script_says_so() -> None:
    with pytest.raises(InputError, match=r"entry\.py runs inside a SageMaker job; use train\.py"):
        Container.from_environ({})


def test_a_list_of_masks_comes_from_one_channel(tmp_path: Path) -> None:
    masks = ["00-left.png", "01-right.png"]
    job = container(
        tmp_path,
        {
            "data.style_mask": ["00-whole.png", None],
            "data.content_mask": masks,
            "painting_01": task("one"),
        },
        content_mask=dict.fromkeys(masks, "x"),
        style_mask={"00-whole.png": "x"},
    )
    (settings,) = (one.settings for one in job.tasks())
    folders = {name: str(job.channels[name]) for name in ("content_mask", "style_mask")}
    assert settings["data.content_mask"] == [f"{folders['content_mask']}/{mask}" for mask in masks]
    assert settings["data.style_mask"] == [f"{folders['style_mask']}/00-whole.png", None]
