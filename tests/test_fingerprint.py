"""Is this still the same? What decides a loss or a picture, asked by checkpoints and commands."""

import csv
import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.painting import KillAt, Killed, paint, small_run
from lightning.pytorch import Callback, Trainer
from PIL import Image

from nst_lightning import ImagePair, NeuralStyleTransfer
from nst_lightning.callbacks import ImageCheckpoint, LinearWeight, LossExplosion
from nst_lightning.errors import InputError
from nst_lightning.fingerprint import _stated, differences, file_digests, of_objective
from nst_lightning.losses import ContentLoss, GramLoss, Reference
from nst_lightning.options import lay_over
from nst_lightning.session import open_run

RAMP = {
    "class_path": "nst_lightning.callbacks.LinearWeight",
    "init_args": {"term": "style", "start": 1e3, "end": 1e5},
}
TV = {
    "class_path": "nst_lightning.losses.TotalVariationLoss",
    "init_args": {"weight": 3.0},
}
# Everything that decides the loss of a picture, one by one, and what the note calls it.
CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "a weight": ({"model.style.weight": 1e6}, "style.weight"),
    "layers": ({"model.content.layers": ["conv1_2"]}, "content.layers"),
    "a layer's weight": ({"model.style.layer_weights": [1.0, 2.0]}, "style.layer_weights"),
    "a term's own argument": ({"model.style.divisor": "hw"}, "style.divisor"),
    "a term of another class": ({"model.style": "nst_lightning.losses.MomentLoss"}, "style.class"),
    "a term less": ({"model.tv": None}, "tv.class"),
    "a term more": ({"model.extra": {"more": TV}}, "more.class"),
    "the strength": ({"model.strength": 0.9, "model.content.weight": 2.0}, "content.weight"),
    "the pooling": ({"model.encoder.pooling": "avg"}, "encoder.pooling"),
    "the padding": ({"model.encoder.padding": "replicate"}, "encoder.padding"),
    "the precision": ({"model.encoder.precision": "bfloat16"}, "encoder.precision"),
    "the colours": ({"data.colour": "luminance"}, "colour"),
    "a schedule": ({"trainer.callbacks": [RAMP]}, "schedule of style.class"),
    "another content": ({"data.content": "OTHER"}, "content"),
    "another style": ({"data.style": "OTHER"}, "style 1"),
    "a style more": ({"data.style": ["OTHER", "OTHER"]}, "style 2"),
    "the styles' size": ({"data.style_scale": 0.75}, "style 1"),
}


@pytest.fixture
def other(tmp_path: Path) -> Path:
    levels = np.random.default_rng(3).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(levels).save(tmp_path / "other.png")
    return tmp_path / "other.png"


def filled(settings: dict[str, Any], other: Path) -> dict[str, Any]:
    text = {"OTHER": str(other)}
    return {
        name: [text.get(v, v) for v in value]
        if isinstance(value, list) and all(isinstance(v, str) for v in value)
        else text.get(value, value)
        if isinstance(value, str)
        else value
        for name, value in settings.items()
    }


def begun(folder: Path, pictures: tuple[Path, Path]) -> dict[str, Any]:
    return {**small_run(folder, pictures, 4), "model.tv.weight": 1.0}


@pytest.fixture(scope="module")
def ended(pictures: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that has ended."""
    folder = tmp_path_factory.mktemp("ended") / "run"
    open_run(begun(folder, pictures)).run()
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("case", CHANGES)
def test_what_an_older_objective_measured_is_forgotten(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    ended: Path,
    other: Path,
    case: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change, name = CHANGES[case]
    run = begun(tmp_path / "run", pictures)
    if "model.style" in change:  # which is not to have the arguments of another class
        run = {name: value for name, value in run.items() if name != "model.style.divisor"}
        open_run(run).run()
    else:
        shutil.copytree(ended, tmp_path / "run")
    session = open_run(
        # Other pictures go into the same folder only where that is asked for.
        lay_over(run, {"trainer.max_epochs": 2, "overwrite": True}, filled(change, other)),
        resume="last",
        progress=False,
    )
    seen: list[Any] = []

    class Look(Callback):
        def on_train_batch_start(self, trainer: Any, model: Any, *_: Any) -> None:
            if not seen:
                seen.extend([model.best.loss, session.guard.retries])

    session.guard.retries = 2
    capsys.readouterr()
    session.run(Look())
    assert "best picture forgotten" in (said := capsys.readouterr().out)
    assert name in said or "..." in said
    assert seen == [None, 0]
    if case == "a schedule":
        return  # its rows are of several objectives
    with (tmp_path / "run" / "metrics.csv").open() as handle:
        rows = [float(row["loss"]) for row in csv.DictReader(handle)][4:]
    assert float(session.model.best.loss) <= min(rows) * (1 + 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"data.steps_per_epoch": 9},
        {"trainer.max_epochs": 3},
        {"images.every_n_steps": 1},
        {"data.content": "COPY"},
        {"model.memory": "8GB"},
        {"checkpoint.optimizer": "full"},
    ],
    ids=str,
)
def test_what_does_not_decide_a_loss_forgets_nothing(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    change: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes(pictures[0].read_bytes())
    change = {key: str(copy) if value == "COPY" else value for key, value in change.items()}
    with pytest.raises(Killed):
        paint(tmp_path / "run", pictures, "--checkpoint.every_n_steps=2", callbacks=[KillAt(4)])
    capsys.readouterr()
    session = open_run({**small_run(tmp_path / "run", pictures), **change}, resume="last")
    session.run()
    assert "forgotten" not in capsys.readouterr().out


def model() -> NeuralStyleTransfer:
    return NeuralStyleTransfer(
        content=ContentLoss(layers=["conv1_1"]),
        style=GramLoss(weight=1e4, layers=["conv1_1"], divisor="chw"),
    )


def fit(
    model: NeuralStyleTransfer, pair: ImagePair, folder: Path, *callbacks: Callback
) -> torch.Tensor:
    Trainer(
        max_epochs=1,
        devices=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=list(callbacks),
    ).fit(model, pair)
    return model.picture()


@pytest.mark.slow
@pytest.mark.parametrize("again", ["the same size", "another size", "the same pictures"])
def test_a_second_fit_is_a_new_run(tmp_path: Path, pictures: tuple[Path, Path], again: str) -> None:
    content, style = map(str, pictures)
    first = ImagePair(content, style, size=32, steps_per_epoch=3)
    sources = {
        "the same size": (style, content, 32),
        "another size": (style, content, 40),
        "the same pictures": (content, style, 32),
    }[again]
    used, guard = model(), LossExplosion()
    images = ImageCheckpoint()
    fit(used, first, tmp_path / "used", guard, LinearWeight("style", 1e4, 2e4))
    guard.retries, guard.explosions = 3, [2]
    pair = ImagePair(*sources[:2], size=sources[2], steps_per_epoch=3)
    found = fit(used, pair, tmp_path / "used", guard, LinearWeight("style", 1e4, 3e4), images)
    pair = ImagePair(*sources[:2], size=sources[2], steps_per_epoch=3)
    wanted = fit(model(), pair, tmp_path / "new", LinearWeight("style", 1e4, 3e4))
    assert torch.equal(found, wanted)
    assert (guard.retries, guard.explosions) == (0, [])


@pytest.mark.slow
def test_a_trainer_paints_once(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    session = open_run(small_run(tmp_path, pictures, 1), progress=False)
    session.run()
    with pytest.raises(InputError, match="it has painted already; give every fit a Trainer"):
        session.run()


def test_differences() -> None:
    then = {"style.weight": 1.0, "tv.class": "a", "content": "x"}
    assert differences(dict(then), then) == differences(then, None) == ""
    now = {"style.weight": 2.0, "content": "x", "more.class": None}
    assert differences(now, then) == "style.weight, tv.class, more.class"
    assert differences({**now, "tv": 1}, then) == "style.weight, tv.class, more.class, ..."


@pytest.mark.parametrize("change", [{"strokes": "fine"}, {"detail": "painting"}], ids=str)
def test_how_a_painting_grows_decides_where_it_grows(
    pictures: tuple[Path, Path], change: dict[str, Any]
) -> None:
    content, style = map(str, pictures)

    def found(**options: Any) -> Any:
        pair = ImagePair(content, style, size=32, **options)
        pair.setup("fit")
        return of_objective(model().objective, pair, "32-true")

    scales = [{"size": 24, "steps": 1}]
    assert differences(found(scales=scales, **change), found(scales=scales)) == next(iter(change))
    assert not differences(found(**change), found())


@pytest.mark.parametrize(
    "settings",
    [
        {"data": {"init": "FILE"}},
        {"data.content_mask": ["FILE", "sample:cat"]},
        {"data.style_mask": [None, "FILE"]},
        {"data.content": "FILE"},
        {"data.style": ["sample:cat", "FILE"]},
        {"model.encoder": {"class_path": "VGG19Encoder", "init_args": {"weights": "FILE"}}},
        {"model.extra": {"mine": {"class_path": "Mine", "init_args": {"table": "FILE"}}}},
        {"trainer.callbacks": [{"class_path": "Mine", "init_args": {"paths": ["FILE"]}}]},
    ],
    ids=str,
)
def test_every_file_that_settings_name_counts(settings: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "some.file"
    path.write_bytes(b"one")

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: named(item) for key, item in value.items()}
        if isinstance(value, list):
            return [named(item) for item in value]
        return str(path) if value == "FILE" else value

    first = file_digests(named(settings))
    assert first == file_digests(named(settings))
    path.write_bytes(b"two")
    assert differences(file_digests(named(settings)), first)


@pytest.mark.parametrize(
    "settings",
    [
        {"model.extra": {"mine": {"class_path": "theirs_of_a_test.Mine"}}},
        {"trainer.callbacks": [{"class_path": "theirs_of_a_test.Mine"}]},
        {"class_path": "theirs_of_a_test.Mine", "init_args": {}},
    ],
    ids=str,
)
def test_the_code_of_a_users_class_counts(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "theirs_of_a_test.py"
    path.write_text("class Mine: factor = 1")
    first = file_digests(settings)
    assert first == file_digests(settings)
    path.write_text("class Mine: factor = 2")
    assert differences(file_digests(settings), first)
    words = {"a": "no.such_thing", "b": "photo.jpg", "c": "torch.nn.Module", "d": "a..b", "e": ".a"}
    assert not file_digests(words)


# -- what a user's term keeps to itself --


class Held:
    def __init__(self, scale: float) -> None:
        self.scale = scale


class Private(GramLoss):
    """Scales its loss by something that it does not show."""

    def __init__(self, scale: float, kind: str) -> None:
        super().__init__(1.0, ["conv1_1"])
        self._kind = kind
        if kind == "number":
            self._held: Any = scale
        elif kind == "tensor":
            self._held = torch.tensor(scale)
        elif kind == "array":
            self._held = np.array([scale])
        elif kind == "function":
            self._held = lambda: scale
        elif kind == "object":
            self._held = {"a": [Held(scale)]}
        elif kind == "buffer":
            self.register_buffer("fixed", torch.tensor([scale]))
        elif kind == "module":
            self.inner = torch.nn.Linear(1, 1)
            torch.nn.init.constant_(self.inner.weight, scale)

    def scale(self) -> float:
        match self._kind:
            case "array" | "tensor":
                return float(self._held.max())
            case "number":
                return float(self._held)
            case "function":
                return float(self._held())
            case "object":
                return self._held["a"][0].scale
            case "buffer":
                return float(self.fixed)
            case _:
                return float(self.inner.weight)

    def distance(self, layer: str, representation: Any, target: Any) -> torch.Tensor:
        return self.scale() * super().distance(layer, representation, target)


@pytest.mark.parametrize(
    "kind", ["number", "tensor", "array", "function", "object", "buffer", "module"]
)
def test_what_a_users_term_hides_decides_too(kind: str) -> None:
    def of(scale: float) -> tuple[dict[str, Any], float]:
        torch.manual_seed(0)
        term = Private(scale, kind)
        before = _stated(term)
        picture = torch.rand(1, 3, 16, 16)
        features = {"conv1_1": torch.rand(1, 4, 8, 8)}
        other = Reference(picture, {"conv1_1": torch.rand(1, 4, 8, 8)})
        term.set_targets(other, [other])
        assert differences(before, _stated(term)) == ""  # what a run sets is no setting
        return before, float(term(picture, features))

    (one, loss), (same, loss_again), (another, other_loss) = of(2.0), of(2.0), of(3.0)
    assert loss == loss_again != other_loss
    assert differences(one, same) == ""
    assert differences(one, another)


def test_the_code_of_a_users_term_decides_too(tmp_path: Path) -> None:
    found = []
    for number in (1, 2):
        path = tmp_path / f"term_{number}.py"
        path.write_text(
            "from nst_lightning.losses import GramLoss\n"
            "class Mine(GramLoss):\n"
            "    def distance(self, layer, representation, target):\n"
            f"        return {number} * super().distance(layer, representation, target)\n"
        )
        spec = importlib.util.spec_from_file_location("mine_of_a_user", path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["mine_of_a_user"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.append(_stated(module.Mine(1.0, ["conv1_1"])))
    assert differences(*found) == "source"
