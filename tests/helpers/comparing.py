"""Small comparisons: 48 px, shallow layers, a few steps, and a baseline that needs no package."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from helpers.painting import OBJECTIVE
from nst_lightning.baselines import Baseline
from nst_lightning.cli import main
from nst_lightning.errors import InputError
from nst_lightning.options import to_words

STEPS = 6


class MeanColour(Baseline):
    """Moves the content's mean colour to the style's."""

    name = "mean colour"

    def stylize(self, content: Any, style: Any) -> Any:
        return content + style.mean((2, 3), keepdim=True) - content.mean((2, 3), keepdim=True)


class Unloadable(MeanColour):
    """Has a model that is not there."""

    def load(self) -> None:
        raise ValueError("no such model\nof two lines")


class Unbuildable(MeanColour):
    """Wants a package that is not there."""

    def __init__(self) -> None:
        raise InputError("a package is missing")


def options(out: Path, contents: list[Any], styles: list[Any], *args: str) -> list[str]:
    """Return a command line of ``compare``."""
    settings = {**OBJECTIVE, "data.steps_per_epoch": STEPS, "trainer.accelerator": "cpu"}
    return [
        "compare",
        *("--contents", *map(str, contents)),
        *("--styles", *map(str, styles)),
        *("--size", "48", "--out", str(out)),
        "--baselines=[helpers.comparing.MeanColour]",
        *(f"--settings.{word.removeprefix('--')}" for word in to_words(settings)),
        *args,
    ]


def compare(out: Path, contents: list[Any], styles: list[Any], *args: str) -> int:
    """Run the command line in this process; return its exit code."""
    return main(options(out, contents, styles, *args))


def document(out: Path) -> dict[str, Any]:
    """Return ``metrics.json``."""
    found: dict[str, Any] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return found


def write_style(path: Path, seed: int, size: tuple[int, int] = (56, 64)) -> Path:
    """Write a picture of coloured tiles."""
    rng = np.random.default_rng(seed)
    tiles = rng.integers(0, 255, (size[0] // 8, size[1] // 8, 3), dtype=np.uint8)
    Image.fromarray(np.kron(tiles, np.ones((8, 8, 1), np.uint8))).save(path)
    return path


def stamps(folder: Path) -> dict[str, int]:
    """Return the time of the last change of every file."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }
