"""What is typed for a run: pictures by their place, short names, looks, where to write."""

from pathlib import Path

import pytest

from nst_lightning.errors import InputError
from nst_lightning.given import is_picture, layers_of, own_folder, spell_out
from nst_lightning.options import CONFIG_FOLDERS, lookup
from nst_lightning.session import open_words
from nst_lightning.short_names import SHORT_NAMES


@pytest.fixture(autouse=True)
def _pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photo.jpg", "klimt.jpg", "waves.jpg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "photos").mkdir()
    (tmp_path / "both.yaml").write_text("data: {content: a.jpg, style: b.jpg}\n")
    (tmp_path / "style.yaml").write_text("data: {style: b.jpg, size: 64}\n")


PAIR = ["--data.content=photo.jpg", "--data.style=klimt.jpg"]
LENGTH = ["--trainer.max_epochs=1", "--trainer.max_steps=-1"]


@pytest.mark.parametrize(
    ("words", "spelled"),
    [
        ("photo.jpg klimt.jpg", PAIR),
        ("--size 96 photo.jpg klimt.jpg", ["--data.size=96", *PAIR]),
        ("photo.jpg --size=96 klimt.jpg", ["--data.size=96", *PAIR]),
        ("photo.jpg --style klimt.jpg", ["--data.style=klimt.jpg", "--data.content=photo.jpg"]),
        ("klimt.jpg --content photo.jpg", PAIR),
        ("--data.content photo.jpg klimt.jpg", PAIR),
        ("--content photo.jpg --style klimt.jpg", PAIR),
        ("photo.jpg --config style.yaml", ["--config=style.yaml", "--data.content=photo.jpg"]),
        ("--strength 0.7 -c style.yaml", ["--config=style.yaml", "--model.strength=0.7"]),
        ("--steps 30", ["--data.steps_per_epoch=30", *LENGTH]),
        ("--seed 7 --tv_weight -1", ["--seed_everything=7", "--model.tv.weight=-1"]),
        ("--out made", ["--trainer.default_root_dir=made"]),
        ("-o my.folder/", ["--trainer.default_root_dir=my.folder/"]),
        ("-o a.png", ["--images.out=a.png", "--images.format=png"]),
        ("--out=A.JPEG", ["--images.out=A.JPEG", "--images.format=jpg"]),
        ("--images.format tiff -o a.tif", ["--images.format=tiff", "--images.out=a.tif"]),
        ("--trainer.callbacks+=X --data.size 3", ["--trainer.callbacks+=X", "--data.size=3"]),
        ("--print_config photo.jpg klimt.jpg", ["--print_config", *PAIR]),
        ("--data.size", ["--data.size"]),
        ("--data.size 1 --data.size 2", ["--data.size=1", "--data.size=2"]),
        ("--model.style.help GramLoss --size 5", ["--data.size=5", "--model.style.help=GramLoss"]),
        ("-- photo.jpg klimt.jpg", PAIR),
        ("--overwrite photo.jpg klimt.jpg", ["--overwrite", *PAIR]),
        ("photo.jpg klimt.jpg --overwrite true", ["--overwrite=true", *PAIR]),
        ("--preview photo.jpg klimt.jpg", ["--preview", *PAIR]),
        ("--preview {host:0.0.0.0} --size 3", ["--preview={host:0.0.0.0}", "--data.size=3"]),
    ],
)
def test_spelled_out(words: str, spelled: list[str]) -> None:
    assert sorted(spell_out(words.split())) == sorted(spelled)


def test_configs_come_first_and_then_the_look() -> None:
    words = spell_out(["--strength", "1", "--look", "strong", "--config", "style.yaml"])
    assert words[0] == "--config=style.yaml"
    assert words[1].startswith("--config=")
    assert words[1].endswith("looks/strong.yaml")
    assert words[2:] == ["--model.strength=1"]


def test_several_paintings_are_blended(capsys: pytest.CaptureFixture[str]) -> None:
    words = spell_out(["photo.jpg", "klimt.jpg", "waves.jpg"])
    assert '--data.style=["klimt.jpg", "waves.jpg"]' in words
    assert capsys.readouterr().err == "note: blended into one style: klimt.jpg, waves.jpg\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("photo.jpg", "photo.jpg: which painting? nst photo.jpg painting.jpg, or --style"),
        (
            "photo.jpg klimt.jpg out.png",
            "no such file: out.png; to write the picture there: -o out",
        ),
        ("photos klimt.jpg", "photos is a folder, and a run paints one picture"),
        ("clip.mp4 klimt.jpg", "clip.mp4 is a clip: nst video clip.mp4 painting.jpg paints one"),
        ("photo.jpg klimt.jpg --content a.jpg", "named already"),
        ("photo.jpg klimt.jpg --data.style a.jpg", "the style is named already"),
        ("--content a.jpg --style b.jpg c.jpg", "named already"),
        ("--size 1 --data.size 2", "--size and --data.size are the same setting"),
        ("--size 1 --size 2", "--size is given twice"),
        ("--size", "--size needs a value"),
        ("--size --steps 3", "--size needs a value"),
        (
            "--steps 3 --trainer.max_epochs 2",
            "with --trainer.max_epochs use --data.steps_per_epoch",
        ),
        ("--steps 3 --data.steps_per_epoch 2", "the same setting"),
        ("--seed 3 --seed_everything 2", "the same setting"),
        ("--out a --trainer.default_root_dir b", "the same setting"),
        ("--out a.png --images.format jpg", "--out a.png and --images.format jpg contradict"),
        ("--out a.gif", "--out: a.gif: a picture is written as .png, .jpg"),
        ("--look strang", "there is no look strang; did you mean strong? (colours_only, painted"),
        ("--config nowhere.yaml", "there is no file nowhere.yaml"),
    ],
)
def test_refused(words: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["nst"])
    with pytest.raises(InputError) as caught:
        spell_out(words.split())
    assert line in str(caught.value)


@pytest.mark.parametrize(
    "word", ["a.jpg", "x/y", "sample:cat", "artworks:Klimt", "photos", "s3://b/k"]
)
def test_pictures_are_told_from_commands(word: str) -> None:
    assert is_picture(word)


def test_a_word_alone_is_no_picture() -> None:
    assert not is_picture("comapre")


NAMED = {"trainer.default_root_dir": "mine", "data.content": "a.jpg", "data.style": "b.jpg"}


@pytest.mark.parametrize(
    ("layers", "others"),
    [
        ([NAMED], False),
        ([NAMED, {"data.content": "a.jpg"}], False),
        ([NAMED, {"data.content": "c.jpg"}], True),
        ([NAMED, {"data.size": "64"}], False),
        ([NAMED, {"data.style": "c.jpg"}, {"trainer.default_root_dir": "theirs"}], False),
        ([{"trainer.default_root_dir": "mine"}, {"data.content": "c.jpg"}], False),
        ([{"data.content": "a.jpg"}, {"data.content": "c.jpg"}], False),
    ],
)
def test_a_folder_of_another_pair(layers: list[dict[str, str]], others: bool) -> None:
    found = own_folder(layers)
    assert found == ({"trainer.default_root_dir": "outputs/{pictures}"} if others else {})


def test_the_first_config_s_folder_is_its_pictures_alone() -> None:
    klimt = CONFIG_FOLDERS[1] / "klimt.yaml"
    assert not own_folder([dict(layer) for layer in layers_of({"data.size": 64}, klimt)])
    assert layers_of({"data.content": "x.jpg"}, klimt)[-1]
    assert spell_out(["photo.jpg", "klimt.jpg", "--config", str(klimt)])[-1] == (
        "--trainer.default_root_dir=outputs/{pictures}"
    )


def test_short_names_are_settings_of_a_run() -> None:
    settings = open_words([]).settings
    for setting in SHORT_NAMES.values():
        assert lookup(settings, setting) is not None, setting


def test_settings_that_do_not_depend_on_each_other_are_one_layer() -> None:
    given = {"data.size": 64, "model.style": "GramLoss", "model.tv.weight": 0.0}
    given |= {"model.style.weight": 1e5, "model.style.layers": ["relu1_1"], "seed_everything": 3}
    first = ("data.size", "model.style", "model.tv.weight")
    assert [tuple(layer) for layer in layers_of(given)][:2] == [first, tuple(given)[3:]]
    terms = {"model.extra.a.class_path": "TemporalLoss", "model.extra.a.weight": 1.0}
    assert [tuple(layer) for layer in layers_of(terms)][:2] == [(name,) for name in terms]
