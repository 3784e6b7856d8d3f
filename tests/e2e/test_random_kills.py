"""Killed at random moments, in folders that were used before: byte for byte the same, none old.

``KILLS=10`` kills each command ten times; one is the usual, of a run and a job.
"""

import csv
import json
import os
import random
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import comparing
from helpers.painting import OBJECTIVE, arguments, files
from helpers.program import Program

KILLS = int(os.environ.get("KILLS", "1"))
Pictures = tuple[Path, Path]
EVERY = ("--checkpoint.every_n_steps=3", "--images.every_n_steps=4")


def fit(folder: Path, pictures: Pictures, older: bool) -> list[str]:
    words = arguments(folder / "out", pictures, *EVERY, steps=12)
    return [*words, "--data.init=noise", "--images.film=gif"] if older else words


def compare(folder: Path, pictures: Pictures, older: bool) -> list[str]:
    style = comparing.write_style(folder / "other.png", seed=3)
    weight = "--settings.model.style.weight=1e3"
    words = comparing.options(folder / "out", [pictures[0]], [pictures[1], style])
    return [*words, weight] if older else words


def grid(folder: Path, pictures: Pictures, older: bool) -> list[str]:
    named = {"data.content": str(pictures[0]), "data.style": str(pictures[1])}
    weights = {"name": "weight", "key": "model.style.weight", "values": [1e4, 1e6]}
    steps = {"name": "steps", "key": "data.steps_per_epoch", "values": [3, 9]}
    settings = OBJECTIVE | named | {"data.size": 32, "trainer.accelerator": "cpu"}
    settings |= {"trainer.max_epochs": 1, "seed_everything": 1 if older else 2}
    asked = {"title": "Small", "settings": settings, "axes": [weights, steps]}
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump(asked))
    return ["grid", f"--config={path}", f"--out={folder / 'out'}"]


def job(folder: Path, pictures: Pictures, older: bool) -> dict[str, str]:
    words = fit(folder, pictures, older)[1:]
    settings = dict(word.removeprefix("--").split("=", 1) for word in words)
    settings.pop("trainer.default_root_dir")
    return {
        "SM_HPS": json.dumps(settings),
        "SAGEMAKER_BASE_DIR": str(folder),
        "SM_MODEL_DIR": str(folder / "out"),
    }


COMMANDS: dict[str, Callable[[Path, Pictures, bool], list[str] | dict[str, str]]] = {
    "fit": fit,
    "compare": compare,
    "grid": grid,
    "job": job,
}


def results(out: Path) -> dict[str, Any]:
    """Return what a command was asked for, without the seconds that it took and where it lies."""
    if (out / "grid.csv").is_file():  # other pictures in its folder are those of other grids
        with (out / "grid.csv").open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        named: Mapping[str, Any] = {row["picture"]: {**row, "seconds": ""} for row in rows}
        return {"grid.png": (out / "grid.png").read_bytes(), "rows": named} | {
            name: (out / name).read_bytes() for name in named
        }
    found = [name for name in files(out) if name.endswith((".png", ".gif", "/metrics.csv"))]
    if not (out / "runs").is_dir():  # a comparison's own has the seconds that it took
        found += [name for name in files(out) if name == "metrics.csv"]
    return {name: (out / name).read_bytes() for name in found}


def run(asked: list[str] | dict[str, str], folder: Path, kill_after: float | None = None) -> int:
    program = Program(asked, folder)
    if kill_after is not None:
        program.kill_after(kill_after)
    code = program.wait()
    assert code in (0, -9), program.stderr
    return code


@pytest.fixture(scope="module", params=COMMANDS if KILLS > 1 else ["fit", "job"])
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: Any, pictures: Pictures
) -> tuple[str, dict[str, Any], float, Path]:
    """A command that nobody killed: its results, the seconds it took, a folder used before."""
    root: Path = tmp_path_factory.mktemp(request.param)
    command = COMMANDS[request.param]
    (root / "used").mkdir()
    run(command(root / "used", pictures, True), root / "used")
    (root / "new").mkdir()
    began = time.monotonic()
    run(command(root / "new", pictures, False), root / "new")
    return request.param, results(root / "new" / "out"), time.monotonic() - began, root / "used"


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(KILLS))
def test_killed_at_a_random_moment_in_a_used_folder(
    whole: tuple[str, dict[str, Any], float, Path],
    pictures: Pictures,
    tmp_path: Path,
    rng: random.Random,
    attempt: int,
) -> None:
    name, wanted, seconds, used = whole
    # The same place for all of them, since files name the folder that they are in.
    folder = tmp_path / "here"
    shutil.copytree(used, folder)
    asked = COMMANDS[name](folder, pictures, False)
    moment = rng.uniform(0, seconds)
    code = run(asked, folder, moment)
    print(f"{name} killed after {moment:.2f} of {seconds:.2f} seconds: exit code {code}")
    checkpoint = Path("out", "checkpoints", "last.ckpt")
    older = (used / checkpoint).read_bytes() if name == "fit" else b""
    # Before its first step it has touched nothing: what lies there is the older run, whole.
    begun = not (folder / checkpoint).is_file() or (folder / checkpoint).read_bytes() != older
    if isinstance(asked, list) and name == "fit" and begun:
        asked.append("--ckpt_path=last")
    run(asked, folder)
    found = results(folder / "out")
    assert wanted
    assert sorted(found) == sorted(wanted)
    for key, value in wanted.items():
        assert found[key] == value, key
    assert not list(folder.rglob("*.part*"))
