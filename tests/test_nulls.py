"""A null where a value is needed is answered by name; one that means something passes."""

from pathlib import Path

import pytest
import yaml
from helpers.painting import arguments

from nst_lightning.cli import main
from nst_lightning.errors import InputError
from nst_lightning.session import Session, open_run

REFUSED = {
    "data.size": "data.size: null is no value here; give a whole number",
    "data.steps_per_epoch": "data.steps_per_epoch: null",
    "data.style_scale": "data.style_scale: null is no value here; give a number",
    "data.init_noise": "data.init_noise: null",
    "data.init": "data.init: null is no value here; give a text",
    "data.style": "data.style: null",
    "model.clamp": "model.clamp: null is no value here; give one of none, step, closure",
    "model.style.init_args.weight": "model.style.weight: null",
    "model.style.init_args.layers": "model.style.layers: null",
    "model.optimizer.init_args.history": "model.optimizer.history: null",
    "model.encoder.init_args.padding": "model.encoder.padding: null",
    "images.format": "images.format: null",
    "explosion.factor": "explosion.factor: null",
    "checkpoint.every_n_steps": "checkpoint.every_n_steps: null",
    "trainer.accelerator": "trainer.accelerator: null",
    "trainer.default_root_dir": "trainer.default_root_dir: null",
    "explosion": "explosion: null is no value here; write keys under it",
    "data": "data: null",
}
ALLOWED = ("model.tv", "model.optimizer", "model.style.init_args.layer_weights", "images.film")


def nested(key: str) -> dict:
    tree: dict = {}
    inner = tree
    *path, last = key.split(".")
    for name in path:
        inner = inner.setdefault(name, {})
    inner[last] = None
    return tree


def command(folder: Path, pictures: tuple[Path, Path], key: str) -> list[str]:
    words = arguments(folder / "run", pictures, steps=1)
    if ".init_args." in key:  # a class that is named on the command line beats a file's arguments
        return [*words, f"--{key.replace('.init_args', '')}=null"]
    config = folder / "nulls.yaml"
    config.write_text(yaml.safe_dump(nested(key)))
    return [*words, f"--config={config}"]


def without(args: list[str], key: str) -> list[str]:
    """Drop what the command line says of the key: it would beat the file."""
    option = f"--{key.replace('.init_args', '')}"
    beats = (f"{option}=", f"{option}.")
    return [a for a in args if not a.startswith(beats) or a == f"{option}=null"]


@pytest.mark.parametrize("key", REFUSED)
def test_refused_by_name(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str], key: str
) -> None:
    assert main(without(command(tmp_path, pictures, key), key)) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {REFUSED[key]}")
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("key", ALLOWED)
def test_allowed_where_it_means_something(
    tmp_path: Path, pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    built = []
    monkeypatch.setattr(Session, "run", lambda self: built.append(self.model))
    monkeypatch.setattr(Session, "stopped", False)
    assert main(without(command(tmp_path, pictures, key), key)) == 0
    assert len(built) == 1


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"model.tv": None, "model.tv.weight": 0}, "model.tv: LossTerm defines no distance()"),
        ({"model.content": None, "model.content.layers": ["relu1_1"]}, "model.content: LossTerm "),
        ({"model.tv": "nst_lightning.losses.LossTerm"}, "model.tv: LossTerm defines no distance()"),
        ({"model.extra.mine.weight": 1}, "model.extra.mine: LossTerm defines no distance()"),
        ({"model.extra": {"mine": None}}, "model.extra: expected a LossTerm: the name of a class"),
        ({"model.optimizer": None, "model.optimizer.lr": 1}, "unknown key model.optimizer.lr"),
        (
            {"model.encoder": None, "model.encoder.padding": "zeros"},
            "unknown key model.encoder.",
        ),
    ],
)
def test_keys_under_a_null(settings: dict, line: str) -> None:
    with pytest.raises(InputError) as caught:
        open_run(settings, summary=False, progress=False, pictures=False, checkpoints=False)
    said = str(caught.value)
    assert said.startswith(line)
    assert "\n" not in said
    assert len(said) < 200
    assert "help" not in said


@pytest.mark.parametrize("last", ["class", "null"])
def test_the_last_of_a_class_and_a_null_holds(last: str) -> None:
    both = [("model.tv", None), ("model", {"tv": {"class_path": "TotalVariationLoss"}})]
    session = open_run(
        dict(both if last == "class" else both[::-1]),
        summary=False,
        progress=False,
        pictures=False,
        checkpoints=False,
    )
    assert ("tv" in session.model.objective.terms) == (last == "class")


def test_keys_laid_over_a_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "null.yaml"
    config.write_text("data: null\n")
    assert main([f"--config={config}", "--data.size=64"]) == 2
    assert capsys.readouterr().err.startswith("error: data: null is no value here")
