import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.painting import paint
from helpers.pictures import encoded, write
from PIL import Image

from nst_lightning.data.metadata import public_settings, read_settings
from nst_lightning.data.output import save_image
from nst_lightning.errors import InputError

PIXELS = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0))
SETTINGS = {
    "content": "Bäume/Ølgod 日本.jpg",
    "weights": [1e-05, 1e6, 0.1 + 0.2],
    "nested": {"none": None, "yes": True, "quote": '"\\\n\t'},
    "empty": {},
}
FILES = [("a.png", 8), ("a.png", 16), ("a.jpg", 8), ("a.webp", 8), ("a.tif", 8), ("a.tif", 16)]


@pytest.mark.parametrize(("name", "bits"), FILES)
def test_settings_come_back(tmp_path, name, bits):
    path = save_image(PIXELS, tmp_path / name, settings=SETTINGS, bits=bits)
    assert read_settings(path) == SETTINGS
    assert list(read_settings(path)) == list(SETTINGS)


@pytest.mark.parametrize(("name", "bits"), FILES)
def test_settings_change_no_pixel(tmp_path, name, bits):
    plain = save_image(PIXELS, tmp_path / f"plain-{name}", bits=bits)
    told = save_image(PIXELS, tmp_path / name, settings=SETTINGS, bits=bits)
    assert Image.open(plain).tobytes() == Image.open(told).tobytes()


@pytest.mark.parametrize(("name", "bits"), FILES)
def test_other_programs_see_the_text_and_no_date(tmp_path, name, bits):
    path = save_image(PIXELS, tmp_path / name, settings={"size": 20}, bits=bits)
    with Image.open(path) as picture:
        if picture.format == "PNG":
            texts = picture.text
            assert texts["Software"] == "nst_lightning"
            assert texts["nst_lightning"] == '{"size": 20}'
            assert b"tIME" not in path.read_bytes()
        else:
            tags = picture.getexif()
            assert tags[305] == "nst_lightning"
            assert tags[270] == '{"size": 20}'
            assert not {306, 36867, 36868} & set(tags)


def test_paths_and_other_objects_become_text(tmp_path):
    path = save_image(PIXELS, tmp_path / "a.png", settings={"where": Path("x/y.png")})
    assert read_settings(path) == {"where": str(Path("x/y.png"))}


def test_remote_pictures_tell_too(tmp_path):
    import fsspec

    path = save_image(PIXELS, tmp_path / "a.png", settings={"size": 20})
    with fsspec.open("memory://told.png", "wb") as handle:
        handle.write(path.read_bytes())
    assert read_settings("memory://told.png") == {"size": 20}


def test_long_settings(tmp_path, caplog):
    long = {"text": "x" * 200_000}
    for name in ("a.png", "a.webp", "a.tif"):
        assert read_settings(save_image(PIXELS, tmp_path / name, settings=long)) == long
    with caplog.at_level(logging.WARNING):
        path = save_image(PIXELS, tmp_path / "a.jpg", settings=long)
    assert "too long for a JPEG" in caplog.text
    with pytest.raises(InputError, match="no settings"):
        read_settings(path)


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_pictures_of_other_programs_have_none(tmp_path, format_):
    exif = Image.Exif()
    exif[270], exif[305] = '{"a": 1}', "Another program"
    data = encoded(Image.new("RGB", (20, 20)), format_, exif=exif)
    path = write(tmp_path / "a", data)
    with pytest.raises(InputError, match=r"a holds no settings"):
        read_settings(path)


def test_pictures_without_settings_and_what_is_no_picture(tmp_path):
    for name in ("a.png", "a.jpg", "a.webp", "a.tif"):
        path = save_image(PIXELS, tmp_path / name)
        with pytest.raises(InputError, match="no settings"):
            read_settings(path)
    with pytest.raises(InputError, match="no settings"):
        read_settings("sample:cat")
    with pytest.raises(InputError, match="no such file"):
        read_settings(tmp_path / "none.png")
    with pytest.raises(InputError, match="text file"):
        read_settings(write(tmp_path / "b.png", b"just words"))


# -- what a picture says of its run --


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
        "content": "sample:cat",
        "style": "sample:klimt",
        "init": "content",
        "size": 300,
    }
    assert public["model"]["content"] == {"class_path": "nst_lightning.losses.ContentLoss"}
    assert (public["seed_everything"], public["max_epochs"], public["max_steps"]) == (3, 2, -1)


def test_where_masks_and_data_sets_are_is_left_out() -> None:
    private = {"artworks": "/home/ann/art", "content_mask": "/m.png", "style_mask": ["/n.png"]}
    public = public_settings(config(size=300, **private))
    assert public == public_settings(config(size=300))
    assert not set(private) & set(public["data"])


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
