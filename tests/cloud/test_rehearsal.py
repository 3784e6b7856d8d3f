"""End to end on the loopback: boto3, moto, AWS's toolkit, a spot instance taken away."""

import csv
import itertools
import json
import os
import random
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import namespace
from PIL import Image

from nst_lightning.cli import main

pytestmark = pytest.mark.slow

STEPS, EVERY = 8, 3
HERE = Path(__file__).parent

SETTINGS: dict[str, Any] = {
    "data.size": 48,
    "data.steps_per_epoch": STEPS,
    "trainer.max_epochs": 1,
    "trainer.max_steps": -1,  # a value that begins with a hyphen
    "trainer.accelerator": "cpu",
    "images.every_n_steps": 0,
    "images.save_best": False,
    "checkpoint.every_n_steps": EVERY,
    "model.tv": None,
    "model.style.layers": ["relu1_1", "relu2_1"],
    "model.style.layer_weights": [1.0, 2.0],
}


@dataclass
class Rehearsed:
    out: Path
    output: str
    counts: dict[str, Any]
    taken_at: int
    contents: list[Path]
    styles: list[Path]
    config: Path
    alone: bool


def _picture(path: Path, seed: int) -> Path:
    y, x = np.mgrid[:60, :80]
    waves = [128 + 100 * np.sin((x * (k + 1) + y * seed) / 9) for k in range(3)]
    Image.fromarray(np.stack(waves, -1).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory, seed: int) -> Rehearsed:
    """Rehearse 2 x 3 pictures in two jobs, where the kernel has nothing but the loopback."""
    folder = tmp_path_factory.mktemp("rehearsal")
    contents = [_picture(folder / "ein Kätzchen (1).png", 3), _picture(folder / "dog.png", 4)]
    names = ("-one.png", "two & more.png", "three.png")
    styles = [_picture(folder / name, seed) for seed, name in enumerate(names)]
    long = folder / "long one.yaml"
    long.write_text("# " + "x" * 3000 + "\nmodel:\n  content:\n    init_args: {weight: 2.5}\n")
    launch = {
        "name": "e2e",
        "contents": [str(c) for c in contents],
        "styles": [str(s) for s in styles],
        "configs": ["klimt.yaml", str(long)],
        "settings": SETTINGS,
        "out": str(folder / "out"),
        "job": {"pictures": 3},
    }
    file = folder / "launch.yaml"
    file.write_text(yaml.safe_dump(launch, allow_unicode=True), encoding="utf-8")
    print(f"random choices: NST_TEST_SEED={seed} repeats them")  # shown if a test fails
    taken_at = random.Random(seed).randrange(EVERY + 1, STEPS)  # of the first job's second
    alone = namespace.is_allowed()
    wrapped = namespace.ALONE if alone else []
    script = [sys.executable, str(HERE / "rehearse_in_namespace.py")]
    done = subprocess.run(
        [*wrapped, *script, "alone" if alone else "shared", str(taken_at), "--config", str(file)],
        env=os.environ | {"OMP_NUM_THREADS": "2"},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    counts = json.loads(done.stdout.strip().splitlines()[-1])
    return Rehearsed(folder / "out", done.stdout, counts, taken_at, contents, styles, long, alone)


KEYS = [f"{c}--{s}" for c in ("ein-Kätzchen-1", "dog") for s in ("one", "two-more", "three")]


def _logs(rehearsed: Rehearsed, word: str) -> list[str]:
    paths = sorted((rehearsed.out / "logs").glob(f"*{word}*.log"))
    return [path.read_text(encoding="utf-8") for path in paths]


def _steps(log: str, picture: int) -> list[int]:
    lines = re.findall(r"^nst (step=.*) loss=", log, re.MULTILINE)
    words = [dict(word.split("=") for word in line.split()) for line in lines]
    return [int(line["step"]) for line in words if line["picture"] == str(picture)]


@pytest.mark.usefixtures("two_threads")
def test_local_and_rehearsed_pictures_are_the_same_bytes(
    rehearsed: Rehearsed, tmp_path: Path
) -> None:
    """Also of the job whose instance was taken away; and every setting arrived."""
    assert sorted(path.name for path in (rehearsed.out / "runs").iterdir()) == sorted(KEYS)
    pairs = itertools.product(rehearsed.contents, rehearsed.styles)
    for key, (content, style) in zip(KEYS, pairs, strict=True):
        words = ["fit", "--config", "klimt.yaml", "--config", str(rehearsed.config)]
        words += [
            f"--{name}={json.dumps(value) if not isinstance(value, str) else value}"
            for name, value in SETTINGS.items()
        ]
        local, there = tmp_path / key, rehearsed.out / "runs" / key
        words += [f"--data.content={content}", f"--data.style={style}"]
        assert main([*words, f"--trainer.default_root_dir={local}"]) == 0
        assert (there / "stylized.png").read_bytes() == (local / "stylized.png").read_bytes()
        collected, expected = (
            yaml.safe_load((f / "config.yaml").read_text(encoding="utf-8")) for f in (there, local)
        )
        expected["trainer"]["default_root_dir"] = str(there)
        assert collected == expected
        rows = [(f / "metrics.csv").read_text().splitlines() for f in (there, local)]
        # A row is logged just after its step's checkpoint: a kill in between loses that row.
        assert len(rows[1]) - len(rows[0]) in ((0, 1) if key == KEYS[1] else (0,))
    assert expected["model"]["content"]["init_args"]["weight"] == 2.5
    assert expected["model"]["tv"] is None


def test_a_job_that_lost_its_instance_repeats_few_steps_and_no_picture(
    rehearsed: Rehearsed,
) -> None:
    before, after = _logs(rehearsed, "tzchen")
    whole = list(range(1, STEPS + 1))
    assert (_steps(before, 1), _steps(after, 1)) == (whole, [])
    assert "is finished already" in after
    seen, again = _steps(before, 2), _steps(after, 2)
    assert seen == whole[: len(seen)]
    assert len(seen) >= rehearsed.taken_at
    assert again[-1] == STEPS
    assert 0 <= seen[-1] - (again[0] - 1) <= EVERY
    assert (_steps(before, 3), _steps(after, 3)) == ([], whole)
    (other,) = _logs(rehearsed, "dog")
    assert [_steps(other, picture) for picture in (1, 2, 3)] == [whole] * 3


def test_the_rehearsal_had_nothing_but_the_loopback(rehearsed: Rehearsed) -> None:
    """It passed where the kernel has no other device, so that no packet can have left."""
    if not rehearsed.alone:
        pytest.skip("this machine allows no network namespace")
    assert rehearsed.counts["devices"] == ["lo"]
    assert rehearsed.counts["refused"] != 0  # a connection to anywhere else is refused
    assert rehearsed.counts["control"] > rehearsed.counts["tried"]


def test_what_a_collected_folder_holds(rehearsed: Rehearsed) -> None:
    folder = rehearsed.out / "runs" / KEYS[0]
    measures = json.loads((folder / "metrics.json").read_text())
    assert measures["steps"] == STEPS
    assert {"loss", "style_loss", "ssim", "style_distance", "tradeoff"} <= set(measures)
    mark = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    assert mark["content"] == str(rehearsed.contents[0])
    assert "6 pictures: 6 Completed; 6 pictures here" in rehearsed.output


def test_the_job_ran_staged_code(rehearsed: Rehearsed) -> None:
    (log,) = _logs(rehearsed, "dog")
    assert "Installing dependencies from requirements.txt" in log
    assert "sagemaker_pytorch_container" in log
    assert "Reporting training SUCCESS" in log


def _tiny(tmp_path: Path, **more: Any) -> str:
    launch = {
        "name": "tiny",
        "contents": [str(_picture(tmp_path / "a.png", 3))],
        "styles": [str(_picture(tmp_path / "b.png", 1))],
        "configs": ["klimt.yaml"],
        "settings": SETTINGS | {"data.steps_per_epoch": 2},
        "out": str(tmp_path / "out"),
        **more,
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(launch), encoding="utf-8")
    return str(path)


def test_a_search_is_rehearsed_by_the_toolkit(tmp_path: Path, capsys: Any) -> None:
    ranges = {"model.style.weight": {"min": 1e3, "max": 1e5}}
    file = _tiny(tmp_path, tuning={"max_jobs": 2, "ranges": ranges})
    assert main(["sagemaker", "tune", "--config", file, "--rehearse"]) == 0
    shown = capsys.readouterr().out
    assert "2 pictures: 2 Completed; 2 pictures here" in shown
    with (tmp_path / "out" / "trials.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["state"] for row in rows] == ["Completed", "Completed"]
    assert float(rows[0]["tradeoff"]) <= float(rows[1]["tradeoff"])
    assert len({row["model.style.weight"] for row in rows}) == 2
    for row in rows:
        run = tmp_path / "out" / "runs" / row["trial"]
        config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        weight = config["model"]["style"]["init_args"]["weight"]
        assert weight == pytest.approx(float(row["model.style.weight"]))


@pytest.mark.parametrize("where", ["the job's thread", "an answer", "the search's thread"])
def test_a_fault_of_the_rehearsal_ends_the_command_with_what_it_was(
    where: str, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    def fault(*_: Any) -> None:
        raise ZeroDivisionError("a fault of ours")

    place = {
        "the job's thread": "toolkit.ToolkitRunner._instance",
        "an answer": "service.TrainingService.create_training_job",
        "the search's thread": "tuner._draw",
    }[where]
    monkeypatch.setattr(f"nst_lightning.cloud.rehearsal.{place}", fault)
    tuning = {"max_jobs": 2, "ranges": {"model.style.weight": {"min": 1e3, "max": 1e5}}}
    search = where == "the search's thread"
    file = _tiny(tmp_path, **({"tuning": tuning} if search else {}))
    words = ["tune"] if search else []
    assert main(["sagemaker", *words, "--config", file, "--rehearse"]) == 1
    shown = capsys.readouterr().err
    assert "ZeroDivisionError: a fault of ours" in shown
    assert "Traceback" in shown
    assert "in fault" in shown


def test_ctrl_c_in_a_rehearsal_says_that_nothing_runs_on(
    tmp_path: Path, capsys: Any, asleep: Any
) -> None:
    def pressed(seconds: float) -> None:
        raise KeyboardInterrupt

    asleep("watching", pressed)
    assert main(["sagemaker", "--config", _tiny(tmp_path), "--rehearse"]) == 130
    left = capsys.readouterr().err.strip().splitlines()[-1]
    assert left.startswith("left: nothing of the rehearsal runs on")
    assert main(["sagemaker", "logs", "tiny", "a--b", "--out", str(tmp_path / "out")]) == 2
    assert f"its logs are in {tmp_path / 'out' / 'logs'}" in capsys.readouterr().err
