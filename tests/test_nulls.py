"""A null where a value is needed is answered by name; one that means something passes."""

from pathlib import Path

import pytest
import yaml
from helpers.painting import arguments

from nst_lightning.cli import main
from nst_lightning.session import Session

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
    config = folder / "nulls.yaml"
    config.write_text(yaml.safe_dump(nested(key)))
    return [*arguments(folder / "run", pictures, steps=1), f"--config={config}"]


def without(args: list[str], key: str) -> list[str]:
    """Drop what the command line says of the key: it would beat the file."""
    option = f"--{key.replace('.init_args', '')}"
    return [a for a in args if not (a.startswith((f"{option}=", f"{option}.")))]


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
