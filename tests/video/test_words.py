"""What is typed for a film: clip and paintings in any place, and the short names of a run."""

from pathlib import Path

import pytest

from nst_lightning.errors import InputError
from nst_lightning.options import take_settings
from nst_lightning.short_names import SHORT_NAMES
from nst_lightning.video.command import make_parser
from nst_lightning.video.words import spell_out


def understood(words: str) -> dict[str, object]:
    settings, rest = take_settings(spell_out(words.split())[0])
    return make_parser().parse_args(rest).as_dict() | {"settings": settings}


@pytest.mark.parametrize(
    "words",
    [
        "clip.mp4 a.jpg -o out.mp4 --size 96",
        "clip.mp4 -o out.mp4 a.jpg --size 96",
        "--size=96 -o out.mp4 clip.mp4 a.jpg",
        "clip.mp4 --styles a.jpg --out out.mp4 --size 96",
        "--styles a.jpg clip.mp4 --out=out.mp4 --size 96",
        "--size 96 clip.mp4 --out out.mp4 --styles=a.jpg",
    ],
)
def test_clip_and_painting_are_known_by_their_order_alone(words: str) -> None:
    assert understood(words) == understood("clip.mp4 --styles a.jpg --out out.mp4 --size 96")
    found = understood(words)
    assert (found["clip"], found["styles"], found["out"]) == ("clip.mp4", ["a.jpg"], "out.mp4")


def test_several_paintings_and_configs() -> None:
    found = understood("clip.mp4 a.jpg b.jpg --styles c.jpg --configs x.yaml y.yaml --every 2")
    assert sorted(map(str, found["styles"])) == ["a.jpg", "b.jpg", "c.jpg"]  # type: ignore[call-overload]
    assert found["configs"] == ["x.yaml", "y.yaml"]
    assert found["every"] == 2


@pytest.mark.parametrize(
    ("words", "overwrite"),
    [("--overwrite clip.mp4 a.jpg", True), ("clip.mp4 --overwrite false a.jpg", False)],
)
def test_a_switch_may_stand_alone(words: str, overwrite: bool) -> None:
    found = understood(words)
    assert (found["clip"], found["styles"], found["overwrite"]) == (
        "clip.mp4",
        ["a.jpg"],
        overwrite,
    )


def test_short_names_are_a_runs() -> None:
    found = understood("clip.mp4 a.jpg --strength 0.7 --steps 9 --look strong --seed=3")
    assert found["settings"] == {
        SHORT_NAMES["strength"]: 0.7,
        SHORT_NAMES["steps"]: 9,
        SHORT_NAMES["seed"]: 3,
        "trainer.max_epochs": 1,
        "trainer.max_steps": -1,
    }
    assert [str(config).endswith("looks/strong.yaml") for config in found["configs"]] == [True]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "which clip? .* clip.mp4 painting.jpg"),
        ("--styles a.jpg", "which clip?"),
        ("clip.mp4", "clip.mp4: which painting? .*, or --styles sample:klimt"),
        ("clip.mp4 a.jpg out.mp4", "no such file: out.mp4; to write the film there: -o out.mp4"),
        ("clip.mp4 a.jpg --strength", "--strength needs a value"),
        ("clip.mp4 a.jpg --strength 1 --strength 2", "--strength is given twice"),
        ("clip.mp4 a.jpg --look storng", "--look: there is no look storng; did you mean strong?"),
        (
            "clip.mp4 a.jpg --strength 1 --settings.model.strength 1",
            "--strength and --model.strength are the same setting",
        ),
    ],
)
def test_a_mistake_is_one_line(words: str, said: str) -> None:
    with pytest.raises(InputError, match=said.replace("?", r"\?")):
        spell_out(words.split())


def test_the_clip_comes_first(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.touch()
    with pytest.raises(InputError, match=r"clip\.mp4 is no painting; the clip comes first: "):
        spell_out(["painting.jpg", str(clip)])


@pytest.mark.parametrize(("word", "meant"), [("start", "from"), ("end", "to"), ("skip", "every")])
def test_what_others_call_it(word: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"unknown option --{word}; did you mean --{meant}"):
        understood(f"clip.mp4 a.jpg --{word} 1")


def test_help_needs_no_pictures() -> None:
    assert spell_out(["--help"])[0] == ["--help"]
