"""What a picture says of its run, and what a resumed run says of its checkpoint."""

import json
from pathlib import Path
from typing import Any

from helpers.painting import paint
from nst_lightning.settings import differing, public_settings

from nst_lightning.data.metadata import read_settings


def config(**data: Any) -> dict[str, Any]:
    return {
        "seed_everything": 3,
        "trainer": {"max_epochs": 2, "max_steps": -1, "default_root_dir": "/home/ann/out"},
        "model": {
            "content": {"class_path": "nst_lightning.losses.ContentLoss"},
            "encoder": {
                "class_path": "nst_lightning.VGG19Encoder",
                "init_args": {"weights": "/home/ann/vgg19.pth", "pooling": "avg"},
            },
        },
        "data": {"content": "sample:cat", "style": "sample:klimt", "init": "content"} | data,
    }


def test_folders_are_left_out() -> None:
    given = config(content="/home/ann/cat.jpg", style=["art/a.png", "~/b.png"], init="./x/y.png")
    public = public_settings(given)
    assert public["data"] == {"content": "cat.jpg", "style": ["a.png", "b.png"], "init": "y.png"}
    assert public["model"]["encoder"]["init_args"] == {"weights": "vgg19.pth", "pooling": "avg"}
    assert "ann" not in json.dumps(public)


def test_what_is_no_path_stays() -> None:
    public = public_settings(config(size=300))
    assert public["data"] == {
        **{"content": "sample:cat", "style": "sample:klimt", "init": "content"},
        "size": 300,
    }
    assert public["model"]["content"] == {"class_path": "nst_lightning.losses.ContentLoss"}
    assert (public["seed_everything"], public["max_epochs"], public["max_steps"]) == (3, 2, -1)


def test_secrets_of_an_address_are_left_out() -> None:
    given = config(
        content="https://ann:pw@host.org/pics/cat.jpg?Signature=abc#top",
        style=["s3://bucket/deep/klimt.png?X-Amz-Credential=abc"],
    )
    public = public_settings(given)
    assert public["data"]["content"] == "cat.jpg"
    assert public["data"]["style"] == ["klimt.png"]


def test_the_configuration_given_is_not_changed() -> None:
    given = config(content="/home/ann/cat.jpg")
    before = json.dumps(given)
    public_settings(given)
    assert json.dumps(given) == before


def test_an_encoder_of_ones_own_and_none() -> None:
    given = config()
    given["model"]["encoder"] = None
    assert public_settings(given)["model"]["encoder"] == {}
    given["model"]["encoder"] = {"class_path": "mine.Encoder"}
    assert public_settings(given)["model"]["encoder"] == {"class_path": "mine.Encoder"}


def test_a_picture_names_its_files_without_folders(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    paint(tmp_path / "secret_place", pictures, steps=1)
    settings = read_settings(tmp_path / "secret_place" / "stylized.png")
    assert settings["data"]["content"] == "content.png"
    assert settings["data"]["style"] == "style.png"
    assert settings["data"]["size"] == 32
    assert settings["model"]["style"]["init_args"]["layers"] == ["conv1_1", "relu2_1"]
    text = (tmp_path / "secret_place" / "stylized.png").read_bytes()
    for folder in (pictures[0].parent.name, "secret_place", str(Path.home())):
        assert folder.encode() not in text


def test_differing() -> None:
    then = {
        "seed_everything": 0,
        "model": {"style": {"init_args": {"weight": 1.0, "layers": ["a", "b"]}}, "tv": None},
        "data": {"size": 64, "style": ["x", "y"]},
    }
    now = {
        "seed_everything": 0,
        "model": {"style": {"init_args": {"weight": 2.0, "layers": ["a", "b"]}}, "tv": {"w": 1}},
        "data": {"size": 64, "style": "x", "new": 1},
        "trainer": {},
    }
    assert list(differing(now, then)) == [
        ("model.style.weight", 2.0, 1.0),
        ("model.tv", {"w": 1}, None),
        ("data.style", "x", ["x", "y"]),
    ]
    assert list(differing(then, then)) == []
    assert list(differing({}, {"a": {"b": 1}})) == [("a", None, {"b": 1})]
