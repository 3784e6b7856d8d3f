"""A run's folder: named after its pictures, and never over another pair's."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.painting import OBJECTIVE, files, paint
from PIL import Image

from nst_lightning.cli import main
from nst_lightning.errors import InputError
from nst_lightning.options import to_words
from nst_lightning.run_folder import MADE_OF
from nst_lightning.run_place import PICTURES, find_place, made_of, name_of, refuse_others

MADE = {"content": ["a"], "style": ["b"], "settings": "s"}
NAMED = f"outputs/{PICTURES}"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def leave(folder: str, made: dict[str, Any], age: int = 0) -> Path:
    """Leave what a run does by which a later one knows it."""
    path = Path(folder)
    path.mkdir(parents=True)
    (path / MADE_OF).write_text(json.dumps(made))
    (path / "stylized.png").write_bytes(b"picture")
    os.utime(path / MADE_OF, (1e9 - age, 1e9 - age))
    return path


@pytest.mark.parametrize(
    ("content", "styles", "name"),
    [
        ("sample:cat", ["sample:klimt"], "cat--klimt"),
        ("/a/my cat.jpg", ["the_scream.tar.png"], "my-cat--the_scream.tar"),
        ("https://x.org/a/dog.png?key=secret", ["b.jpg"], "dog--b"),
        ("a.jpg", ["klimt.jpg", "x/waves.png"], "a--klimt-waves"),
        ("a--b.jpg", ["artworks:Gustav_Klimt/3"], "a-b--Gustav_Klimt-3"),
    ],
)
def test_named_after_the_pictures(content: str, styles: list[str], name: str) -> None:
    assert name_of(content, styles) == name


def test_a_folder_for_each_run_and_the_same_for_the_same() -> None:
    others = [{**MADE, "style": ["c"]}, {**MADE, "settings": "t"}]
    first = Path("outputs/a--b")
    assert find_place(NAMED, "a--b", MADE) == first
    leave("outputs/a--b", others[0])
    assert find_place(NAMED, "a--b", MADE) == Path("outputs/a--b-2")
    leave("outputs/a--b-2", others[1])
    assert find_place(NAMED, "a--b", MADE) == Path("outputs/a--b-3")
    assert find_place(NAMED, "a--b", others[1]) == Path("outputs/a--b-2")
    assert find_place(NAMED, "a--b", MADE, anew=True) == first
    assert find_place("mine", "a--b", MADE) == Path("mine")


def test_a_run_goes_on_in_its_own_folder_or_the_last_of_its_pair() -> None:
    leave("outputs/a--b", {**MADE, "settings": "t"}, age=3)
    leave("outputs/a--b-2", {**MADE, "settings": "u"}, age=1)
    leave("outputs/a--b-3", {**MADE, "style": ["c"]})
    assert find_place(NAMED, "a--b", MADE, goes_on=True) == Path("outputs/a--b-2")
    assert find_place(NAMED, "a--b", MADE) == Path("outputs/a--b-4")
    leave("outputs/a--b-4", MADE, age=9)
    assert find_place(NAMED, "a--b", MADE, goes_on=True) == Path("outputs/a--b-4")
    # Nothing of this pair is there: it begins anew, in no other one's folder.
    new = {**MADE, "content": ["z"]}
    assert find_place(NAMED, "a--b", new, goes_on=True) == Path("outputs/a--b-5")


def test_another_pair_s_folder_is_refused() -> None:
    place = leave("mine", MADE)
    refuse_others(place, {**MADE, "settings": "t"}, None, goes_on=False)
    with pytest.raises(InputError, match=r"mine holds a run of other pictures; .*--overwrite true"):
        refuse_others(place, {**MADE, "style": ["c"]}, None, goes_on=False)
    (place / MADE_OF).unlink()  # of an older version, or not of ours
    with pytest.raises(InputError, match="other pictures"):
        refuse_others(place, MADE, None, goes_on=False)
    refuse_others(place, MADE, None, goes_on=True)


def test_a_file_is_replaced_by_the_same_run_alone() -> None:
    place = leave("mine", MADE)
    refuse_others(place, MADE, "out.png", goes_on=False)
    Path("out.png").write_bytes(b"picture")
    refuse_others(place, MADE, "out.png", goes_on=False)
    Path("out.png").write_bytes(b"holiday")
    with pytest.raises(InputError, match=r"out\.png is there already; .*--overwrite true"):
        refuse_others(place, MADE, "out.png", goes_on=False)


def test_what_a_run_is_painted_of_is_never_replaced(tmp_path: Path) -> None:
    Path("photo.png").write_bytes(b"photo")
    made = MADE | {"content": [hashlib.sha256(b"photo").hexdigest()]}
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"--out: photo\.png is what the run is painted of"):
            refuse_others(Path("new"), made, "photo.png", goes_on=False, overwrite=overwrite)
    Path("photo.png").write_bytes(b"another")
    refuse_others(Path("new"), made, "photo.png", goes_on=False, overwrite=True)


def test_a_picture_is_known_by_its_pixels_or_bytes(tmp_path: Path) -> None:
    grey = Image.fromarray(np.full((8, 8, 3), 128, np.uint8))
    for name in ("a.png", "b.png"):
        grey.save(tmp_path / name)
    config = {"data": {}, "trainer": {}, "model": {}, "seed_everything": 0}

    def content(picture: Any) -> Any:
        return made_of(config, picture, [])["content"]

    assert content("a.png") == content(str(tmp_path / "b.png"))
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    assert content("a.png") != content("b.png")
    assert content(grey) == content(grey.copy())
    assert content(grey) != content(Image.new("RGB", (8, 8)))
    assert content("https://x.org/a.png") == ["https://x.org/a.png"]  # not fetched
    assert content("nowhere.png") == ["nowhere.png"]


def test_settings_that_decide_the_picture_alone_count() -> None:
    config: Any = {"data": {"size": 3}, "trainer": {}, "model": {}, "seed_everything": 0}
    same = made_of(config, "a", ["b"])
    assert made_of({**config, "images": {"film": "gif"}, "overwrite": True}, "a", ["b"]) == same
    for other in ({"data": {"size": 4}}, {"trainer": {"max_epochs": 2}}, {"seed_everything": 1}):
        assert made_of(config | other, "a", ["b"])["settings"] != same["settings"]


# -- real runs --

SMALL = to_words({**OBJECTIVE, "data.size": 32, "trainer.accelerator": "cpu"})


@pytest.fixture
def photos(tmp_path: Path) -> tuple[str, str]:
    """Two photographs of one name, and a painting."""
    random = np.random.default_rng(3)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        levels = random.integers(0, 255, (24, 32, 3), np.uint8)
        Image.fromarray(levels).save(tmp_path / folder / "cat.png")
    Image.fromarray(random.integers(0, 255, (24, 32, 3), np.uint8)).save(tmp_path / "oil.png")
    return "one/cat.png", "two/cat.png"


def run(*words: str) -> int:
    return main([*words, *SMALL, "--steps=2"])


@pytest.mark.slow
def test_two_pairs_with_the_same_command(photos: tuple[str, str], tmp_path: Path) -> None:
    for photo in photos:
        assert run(photo, "oil.png") == 0
    first, second = (tmp_path / "outputs" / name for name in ("cat--oil", "cat--oil-2"))
    assert (first / "stylized.png").read_bytes() != (second / "stylized.png").read_bytes()
    # The same again, wherever the photograph is, is the same picture in the same place.
    before = (second / "stylized.png").read_bytes()
    (tmp_path / photos[1]).rename(tmp_path / "cat.png")
    assert run("cat.png", "oil.png") == 0
    assert (second / "stylized.png").read_bytes() == before
    # Other settings have a folder of their own.
    assert run("cat.png", "oil.png", "--strength=0.6") == 0
    assert sorted(path.name for path in Path("outputs").iterdir()) == [
        "cat--oil",
        "cat--oil-2",
        "cat--oil-3",
    ]


@pytest.mark.slow
def test_a_named_folder_keeps_its_picture(
    photos: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photos[0], "oil.png", "-o", "mine", "--images.film=gif", "--images.sheet=true") == 0
    before = {name: (tmp_path / "mine" / name).read_bytes() for name in files(tmp_path / "mine")}
    assert "film.gif" in before
    capsys.readouterr()
    assert run(photos[1], "oil.png", "-o", "mine") == 2
    line = "error: mine holds a run of other pictures; choose another folder, or --overwrite true\n"
    assert capsys.readouterr().err == line
    after = {name: (tmp_path / "mine" / name).read_bytes() for name in files(tmp_path / "mine")}
    assert after == before
    # Overwritten, nothing of the older picture is left.
    assert run(photos[1], "oil.png", "-o", "mine", "--overwrite=true") == 0
    assert {"film.gif", "contact_sheet.png"}.isdisjoint(files(tmp_path / "mine"))
    assert (tmp_path / "mine/stylized.png").read_bytes() != before["stylized.png"]


@pytest.mark.slow
def test_a_picture_s_file(
    photos: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photos[0], "oil.png", "-o", "out.jpg") == 0
    assert "picture  out.jpg\n" in capsys.readouterr().out
    made = (tmp_path / "out.jpg").read_bytes()
    assert made == (tmp_path / "outputs/cat--oil/stylized.jpg").read_bytes()
    assert run(photos[0], "oil.png", "-o", "out.jpg") == 0
    assert run(photos[1], "oil.png", "-o", "out.jpg") == 2
    assert not Path("outputs/cat--oil-2").exists()
    assert (tmp_path / "out.jpg").read_bytes() == made
    assert run(photos[1], "oil.png", "-o", "out.jpg", "--overwrite=true") == 0
    assert (tmp_path / "out.jpg").read_bytes() != made


@pytest.mark.slow
def test_a_stopped_run_is_found_by_the_same_command(
    photos: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photos[0], "oil.png") == 0
    assert run(photos[1], "oil.png", "--data.init=grey") == 0
    capsys.readouterr()
    words = [photos[1], "oil.png", "--data.init=grey", "--ckpt_path=last", *SMALL]
    words += ["--data.steps_per_epoch=2", "--trainer.max_epochs=2"]
    assert main(words) == 0
    assert "from step 2" in capsys.readouterr().out
    assert sorted(path.name for path in Path("outputs").iterdir()) == ["cat--oil", "cat--oil-2"]
    # Measured where it was painted.
    assert main(["test", *words]) == 0


@pytest.mark.slow
def test_nothing_of_a_stopped_run_is_left_beside_the_end(
    pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    film = ("--images.film=gif", "--images.sheet=true", "--images.every_n_steps=1")
    paint(tmp_path / "run", pictures, *film, steps=2)
    more = ("--ckpt_path=last", "--trainer.max_epochs=2")
    paint(tmp_path / "run", pictures, *more, "--images.film=webp", steps=2)
    assert {"film.webp"} == {n for n in files(tmp_path / "run") if n.startswith(("film", "cont"))}
