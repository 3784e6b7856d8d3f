"""A session: the same run from a mapping as from a command line, its ends, checks and measures."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.painting import (
    KillAt,
    Killed,
    SignalAt,
    arguments,
    files,
    fit,
    logged,
    paint,
    small_run,
)
from lightning.pytorch import Callback
from PIL import Image

from nst_lightning.cli import main
from nst_lightning.data.measured import as_saved
from nst_lightning.encoder import VGG19Encoder
from nst_lightning.errors import InputError
from nst_lightning.objective import SharedTargets
from nst_lightning.options import lay_over, to_words
from nst_lightning.session import Session, open_run, open_words

SILENT = {"summary": False, "progress": False, "pictures": False, "checkpoints": False}
ADAM = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.05}}
TV = "nst_lightning.losses.TotalVariationLoss"
RAMP = {
    "class_path": "nst_lightning.callbacks.LinearWeight",
    "init_args": {"term": "style", "start": 1e3, "end": 1e5},
}


def nested(settings: dict[str, Any]) -> dict[str, Any]:
    """Return dotted names as nested mappings."""
    tree: dict[str, Any] = {}
    for name, value in settings.items():
        *path, last = name.split(".")
        inner = tree
        for key in path:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return tree


def same_run(one: Path, other: Path) -> None:
    """Check that two folders hold the same run, byte for byte."""
    assert files(one) == files(other)
    for name in files(one):
        if name.endswith((".png", ".csv")):
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
    written = [yaml.safe_load((folder / "config.yaml").read_text()) for folder in (one, other)]
    for config in written:
        del config["trainer"]["default_root_dir"]
    assert written[0] == written[1]


# -- from settings to a run --

CASES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "another optimiser by name": {
        "model.optimizer": "torch.optim.Adam",
        "model.optimizer.lr": 0.05,
    },
    "another optimiser with its arguments": {"model.optimizer": ADAM},
    "another loss": {
        "model.style": "nst_lightning.losses.GuidedGramLoss",
        "model.style.layers": ["relu1_1"],
    },
    "a term less and one more": {
        "model.tv": None,
        "model.extra": {"smooth": {"class_path": TV, "init_args": {"weight": 0.5}}},
    },
    "a schedule": {"trainer.callbacks": [RAMP]},
    "another seed": {"data.init": "noise", "seed_everything": 7},
}


@pytest.mark.parametrize("case", CASES)
def test_a_mapping_is_the_command_line(
    tmp_path: Path, pictures: tuple[Path, Path], case: str
) -> None:
    more = CASES[case]
    fit(to_words(lay_over(small_run(tmp_path / "line", pictures, 3), more)))
    open_run(lay_over(small_run(tmp_path / "mapping", pictures, 3), more)).run()
    same_run(tmp_path / "line", tmp_path / "mapping")
    assert "stylized.png" in files(tmp_path / "mapping")


def test_dotted_or_nested(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    last = {"data.size": 40, "model.style.weight": 7.0, "model.tv": None}
    dotted = open_run(lay_over(small_run(tmp_path, pictures), last))
    given = small_run(tmp_path, pictures)
    plain = {name: given.pop(name) for name in list(given) if not name.startswith("model.")}
    tree = nested(lay_over(plain, {"data.size": 40}))
    half = {**tree, **lay_over(given, {"model.tv": None}), "model": {"style": {"weight": 7.0}}}
    assert open_run(half).settings == dotted.settings
    assert dotted.model.objective.terms["style"].weight == 7
    assert dotted.pair.size == 40
    assert list(dotted.model.objective.terms) == ["content", "style"]


def test_configs_lie_below_the_settings(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("data: {size: 40, init: grey}\nmodel: {style: {init_args: {weight: 5.0}}}\n")
    second.write_text("data: {size: 48}\ntrainer.max_epochs: 3\n")
    given = {"model.style.weight": 6.0, "data.content": pictures[0], "data.style": str(pictures[1])}
    session = open_run(given, [first, str(second)])
    assert (session.pair.size, session.pair.init) == (48, "grey")
    assert session.trainer.max_epochs == 3
    assert session.model.objective.terms["style"].weight == 6
    assert session.pair.content_source == str(pictures[0])
    alone = open_run({"data.size": 24}, first)
    assert (alone.pair.size, alone.model.objective.terms["style"].weight) == (24, 5)
    named = open_run({}, "gatys")
    assert named.folder == Path("outputs/recipes/gatys/cat--klimt")
    with pytest.raises(InputError, match=r"--config: there is no file gattys; did you mean gatys"):
        open_run({}, "gattys")


@pytest.mark.parametrize("door", ["mapping", "command line"])
def test_one_argument_of_one_extra_term(tmp_path: Path, door: str) -> None:
    config = tmp_path / "extra.yaml"
    extra = {
        name: {"class_path": TV, "init_args": {"weight": weight}}
        for name, weight in (("first", 1.0), ("second", 2.0))
    }
    config.write_text(yaml.safe_dump({"model": {"extra": extra}}))
    given = {"model.extra.second.weight": 5.0}
    if door == "mapping":
        session = open_run(given, config)
    else:
        session = open_words([f"--config={config}", *to_words(given)])
    terms = session.model.objective.terms
    assert {name: terms[name].weight for name in extra} == {"first": 1, "second": 5}
    stated = session.settings["model"]["extra"]
    assert {name: term["init_args"]["weight"] for name, term in stated.items()} == {
        "first": 1,
        "second": 5,
    }


def test_an_extra_term_more_keeps_those_of_the_config(tmp_path: Path) -> None:
    config = tmp_path / "extra.yaml"
    config.write_text(f"model: {{extra: {{first: {{class_path: {TV}}}}}}}\n")
    given = {"model.extra.second": {"class_path": TV, "init_args": {"weight": 3.0}}}
    terms = open_run(given, config).model.objective.terms
    assert list(terms)[-2:] == ["first", "second"]
    assert terms["second"].weight == 3
    # The dictionary as a whole replaces the one before it.
    whole = open_run({"model.extra": {"third": {"class_path": TV}}}, config)
    assert list(whole.model.objective.terms)[-1] == "third"
    assert "first" not in whole.model.objective.terms


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"data.sise": 3}, r"unknown key (data\.)?sise; did you mean data\.size\?"),
        ({"data": {"sise": 3}}, r"unknown key (data\.)?sise; did you mean data\.size\?"),
        ({"data.size": "large"}, "data.size: .*large"),
        ({"model.style.wieght": 3}, "unknown key model.style.wieght; did you mean"),
        ({"model.optimizer": "Adamm"}, "model.optimizer: .*Adamm"),
        ({"data.size": None}, "data.size: null is no value here"),
    ],
)
def test_a_mistake_in_a_mapping(given: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=f"^{line}") as caught:
        open_run(given)
    assert "\n" not in str(caught.value)


def test_pillow_pictures_in_place_of_files(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    paint(tmp_path / "files", pictures, steps=2)
    content, style = (Image.open(path) for path in pictures)
    settings = small_run(tmp_path / "pillow", pictures, 2)
    open_run(settings, content=content, styles=[style]).run()
    by_file, by_pillow = (tmp_path / name / "stylized.png" for name in ("files", "pillow"))
    assert by_pillow.read_bytes() == by_file.read_bytes()


# -- going on --


@pytest.mark.slow
def test_resume_last(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def settings(name: str) -> dict[str, Any]:
        return {**small_run(tmp_path / name, pictures), "checkpoint.every_n_steps": 2}

    open_run(settings("whole"), resume="last").run()
    assert "note: no checkpoint yet at" in capsys.readouterr().err
    with pytest.raises(Killed):
        open_run(settings("broken")).run(KillAt(5))
    again = open_run(settings("broken"), resume="last")
    again.run()
    assert again.finished
    same_run(tmp_path / "broken", tmp_path / "whole")
    # By its path, into another folder.
    path = tmp_path / "broken" / "checkpoints" / "last.ckpt"
    longer = open_run({**settings("longer"), "trainer.max_epochs": 2}, resume=path)
    longer.run()
    assert [int(row["step"]) for row in logged(tmp_path / "longer")] == list(range(6, 12))
    with pytest.raises(InputError, match=r"--ckpt_path: there is no file .*nowhere\.ckpt"):
        open_run(settings("longer"), resume=tmp_path / "nowhere.ckpt")


def test_the_settings_of_a_checkpoint_lie_below_all_that_is_given(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    first = {**small_run(tmp_path, pictures, 2), "model.style.weight": 111.0}
    open_run({**first, "model.content.weight": 11.0}).run()
    given = {"trainer.default_root_dir": str(tmp_path), "model.content.weight": 22.0}
    session = open_run(given, resume="last")
    weights = {name: term.weight for name, term in session.model.objective.terms.items()}
    assert weights == {"content": 22, "style": 111, "tv": 0}
    assert session.pair.size == 32


# -- how it ends --


@pytest.mark.usefixtures("signals_given_back")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("step", "ends"),
    [
        (None, {"interrupted": False, "finished": True, "stopped": False}),
        (3, {"interrupted": True, "finished": False, "stopped": True}),
        (6, {"interrupted": True, "finished": True, "stopped": False}),  # all that was asked for
    ],
)
def test_how_a_run_ended(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    number: signal.Signals,
    step: int | None,
    ends: dict[str, bool],
) -> None:
    session = open_run(small_run(tmp_path, pictures))
    session.run(*([] if step is None else [SignalAt(step, number=int(number))]))
    assert {name: bool(getattr(session, name)) for name in ends} == ends
    assert session.trainer.global_step == (step or 6)
    assert (tmp_path / "stylized.png").is_file()


def test_no_checkpoint_where_the_trainer_is_to_write_none(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    settings = small_run(tmp_path, pictures, steps=2) | {"trainer.enable_checkpointing": False}
    open_run(settings).run()
    assert (tmp_path / "stylized.png").is_file()
    assert not (tmp_path / "checkpoints").exists()


def test_a_run_that_the_guard_ends_is_neither_stopped_nor_finished(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    wild = {"model.optimizer": "torch.optim.Adam", "model.optimizer.lr": 5.0}
    guard = {"explosion.grace": 3, "explosion.max_retries": 0}
    session = open_run({**small_run(tmp_path, pictures, 60), **wild, **guard})
    session.run()
    assert session.guard.explosions
    assert (session.interrupted, session.stopped, session.finished) == (False, False, False)


def test_further_callbacks_come_first(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    seen: list[bool] = []

    class Look(Callback):
        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            seen.append((tmp_path / "images" / f"step-{trainer.global_step:05d}.png").exists())

    open_run({**small_run(tmp_path, pictures, 2), "images.every_n_steps": 1}).run(Look())
    assert seen == [False, False]
    assert (tmp_path / "images" / "step-00002.png").is_file()


# -- what is written --


def test_nothing_is_written(
    tmp_path: Path, pictures: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    paint(tmp_path / "seen", pictures, steps=3)
    capfd.readouterr()
    session = open_run(small_run(tmp_path / "run", pictures, 3), **SILENT)
    session.run()
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert not (tmp_path / "run").exists()
    # The picture is there all the same, and can be written.
    assert session.picture_path == tmp_path / "run" / "stylized.png"
    session.write_picture()
    assert session.picture_path.read_bytes() == (tmp_path / "seen" / "stylized.png").read_bytes()


@pytest.mark.parametrize(
    ("left_out", "missing"),
    [
        ("pictures", ["images/best.png", "stylized.png"]),
        ("checkpoints", ["checkpoints/last.ckpt"]),
    ],
)
def test_a_run_without_a_part(
    tmp_path: Path, pictures: tuple[Path, Path], left_out: str, missing: list[str]
) -> None:
    paint(tmp_path / "whole", pictures, steps=2)
    open_run(small_run(tmp_path / "run", pictures, 2), **{left_out: False}).run()
    assert sorted([*files(tmp_path / "run"), *missing]) == files(tmp_path / "whole")


# -- checks --

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "scales that leave no step": ({"data.scales": [{"size": 24, "steps": 6}]}, "has only 6"),
    "a schedule with a hole": (
        {
            "trainer.callbacks": [
                {
                    "class_path": "nst_lightning.callbacks.EpochWeights",
                    "init_args": {"term": "style", "weights": [None]},
                }
            ]
        },
        "there is no weight for epoch 0",
    ),
    "a term that is not there": (
        {
            "trainer.callbacks": [
                {
                    "class_path": "nst_lightning.callbacks.ConstantWeight",
                    "init_args": {"term": "stile", "weight": 1},
                }
            ]
        },
        "did you mean style?",
    ),
    "no such picture": ({"data.content": "nowhere.png"}, "no such file: nowhere.png"),
    "too small": ({"data.size": 2}, "size is 2, but must be from 16"),
    "clipped gradients": ({"trainer.gradient_clip_val": 1.0}, "L-BFGS"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_check_refuses_what_fit_refuses(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str], what: str
) -> None:
    more, words = REFUSED[what]
    settings = {**small_run(tmp_path / "run", pictures), **more}
    before = json.dumps(settings)
    with pytest.raises(InputError, match=words) as caught:
        open_run(settings, **SILENT).check()
    assert json.dumps(settings) == before  # what was given is not changed
    assert not (tmp_path / "run").exists()
    capsys.readouterr()
    assert main([*arguments(tmp_path / "run", pictures), *to_words(more)]) == 2
    assert capsys.readouterr().err == f"error: {caught.value}\n"


def test_check_writes_nothing_and_takes_no_step(
    tmp_path: Path, pictures: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    session = open_run(small_run(tmp_path / "run", pictures), **SILENT)
    session.check()
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert not (tmp_path / "run").exists()
    assert session.trainer.global_step == 0
    # A run opened anew is not changed by it.
    open_run(small_run(tmp_path / "run", pictures, 2)).run()
    paint(tmp_path / "other", pictures, steps=2)
    same_run(tmp_path / "run", tmp_path / "other")


# -- what a session says of itself --


@pytest.mark.parametrize(
    ("length", "steps"),
    [
        ({"trainer.max_epochs": 3}, 12),
        ({"trainer.max_epochs": 3, "trainer.max_steps": 5}, 5),
        ({"trainer.max_epochs": 1, "trainer.max_steps": 50}, 4),
        ({"trainer.max_epochs": -1, "trainer.max_steps": 50}, 50),
    ],
)
def test_steps(
    tmp_path: Path, pictures: tuple[Path, Path], length: dict[str, int], steps: int
) -> None:
    assert open_run({**small_run(tmp_path, pictures, 4), **length}).steps == steps


@pytest.mark.parametrize("length", ["trainer.max_epochs", "trainer.max_steps"])
def test_no_steps(tmp_path: Path, pictures: tuple[Path, Path], length: str) -> None:
    session = open_run({**small_run(tmp_path, pictures), length: 0})
    with pytest.raises(InputError, match="the run has no step"):
        session.steps  # noqa: B018


def test_depends_on_length(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    settings = small_run(tmp_path, pictures)
    assert not open_run(settings).depends_on_length
    assert open_run({**settings, "trainer.callbacks": [RAMP]}).depends_on_length


def test_measures(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    from skimage.metrics import structural_similarity

    session = open_run({**small_run(tmp_path, pictures, 3), "model.tv.weight": 0.5}, **SILENT)
    session.run()
    measures = session.measures()
    picture, content = (
        as_saved(tensor)[0].permute(1, 2, 0).double().numpy()
        for tensor in (session.picture(), session.pair.content)
    )
    ssim = structural_similarity(
        content,
        picture,
        channel_axis=2,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert measures["ssim"] == pytest.approx(ssim, abs=1e-3)
    assert measures["mse"] == pytest.approx(((content - picture) ** 2).mean(), rel=1e-5)
    # Losses are the run's own, of the picture as it is.
    picture = session.picture()[0].permute(1, 2, 0).double().numpy()
    steps = sum(np.abs(np.diff(picture, axis=axis)).sum() for axis in (0, 1))
    assert measures["tv_loss"] == pytest.approx(0.5 * steps, rel=1e-5)
    parts = [measures[f"{name}_loss"] for name in ("content", "style", "tv")]
    assert measures["loss"] == pytest.approx(sum(parts), rel=1e-6)
    assert measures["style_distance"] > 0
    expected = measures["style_distance"] + 1 - measures["ssim"]
    assert measures["tradeoff"] == pytest.approx(expected)
    json.dumps(measures)  # plain numbers


def test_a_test_without_a_checkpoint(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="test needs --ckpt_path"):
        open_words(arguments(tmp_path, pictures)[1:], "test").test()


# -- shared targets --


def test_runs_that_share_targets_encode_them_once_and_paint_the_same(
    tmp_path: Path, pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[tuple[int, ...]] = []
    forward = VGG19Encoder.forward

    def counting(self: VGG19Encoder, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        encoded.append(tuple(picture.shape))
        return forward(self, picture)

    monkeypatch.setattr(VGG19Encoder, "forward", counting)

    def run(name: str, weight: float, shared: SharedTargets | None) -> Session:
        settings = {**small_run(tmp_path / name, pictures, 3), "model.style.weight": weight}
        session = open_run(settings, shared=shared)
        session.run()
        return session

    alone = [run(f"alone{weight}", weight, None) for weight in (1e3, 1e5)]
    style = tuple(alone[0].pair.styles[0].shape)
    assert style != tuple(alone[0].pair.content.shape)
    assert encoded.count(style) == 2
    encoded.clear()
    shared = SharedTargets()
    both = [run(f"shared{weight}", weight, shared) for weight in (1e3, 1e5)]
    assert encoded.count(style) == 1
    assert both[0].model.objective.encoder is both[1].model.objective.encoder
    for weight in (1e3, 1e5):
        same_run(tmp_path / f"shared{weight}", tmp_path / f"alone{weight}")
    assert not torch.equal(both[0].picture(), both[1].picture())


@pytest.mark.slow
def test_runs_that_share_targets_with_other_pictures_and_encoders(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    shared = SharedTargets()
    others: list[dict[str, Any]] = [
        {},
        {"data.style": str(pictures[0])},
        {"data.size": 40},
        {"model.encoder.padding": "replicate"},
        {"data.colour": "luminance"},
        {},
    ]
    for number, more in enumerate(others):
        one, other = tmp_path / f"shared{number}", tmp_path / f"alone{number}"
        open_run({**small_run(one, pictures, 2), **more}, shared=shared).run()
        open_run({**small_run(other, pictures, 2), **more}).run()
        same_run(one, other)
