"""A run killed with SIGKILL at any moment goes on to the byte-identical picture."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
STEPS = 30


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    for name, shape in (("content", (60, 80)), ("style", (90, 70))):
        picture = np.kron(rng.random((*(s // 10 for s in shape), 3)), np.ones((10, 10, 1)))
        Image.fromarray((picture * 255).astype("uint8")).save(folder / f"{name}.png")
    return [
        *(sys.executable, str(ROOT / "train.py"), "fit"),
        f"--data.content={folder / 'content.png'}",
        f"--data.style={folder / 'style.png'}",
        "--data.size=80",
        f"--data.steps_per_epoch={STEPS // 2}",
        "--trainer.max_epochs=2",
        "--checkpoint.every_n_steps=4",
        "--images.every_n_steps=5",
    ]


def environment():
    return os.environ | {"OMP_NUM_THREADS": "1"}


def paint(command, out, *more):
    line = [*command, f"--trainer.default_root_dir={out}", *more]
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, cwd=out.parent)
    assert done.returncode == 0, done.stderr
    return (out / "stylized.png").read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(command, tmp_path_factory):
    return paint(command, tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.slow
@pytest.mark.parametrize("attempt", [0, 1])
def test_killed_at_a_random_step(command, uninterrupted, tmp_path, rng, attempt):
    out = tmp_path / "run"
    wait_for = rng.randrange(1, STEPS // 5) * 5
    print(f"killed after step {wait_for}")
    line = [*command, f"--trainer.default_root_dir={out}"]
    process = subprocess.Popen(line, env=environment(), cwd=tmp_path, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 300
    while not (out / "images" / f"step-{wait_for:05d}.png").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "stylized.png").exists()

    assert paint(command, out, "--ckpt_path=last") == uninterrupted
    steps = [line.split(",")[0] for line in (out / "metrics.csv").read_text().splitlines()[1:]]
    assert steps == [str(step) for step in range(STEPS)]
    assert not list(out.rglob("*.part*"))


@pytest.mark.slow
def test_killed_before_the_first_checkpoint(command, uninterrupted, tmp_path):
    assert paint(command, tmp_path / "run", "--ckpt_path=last") == uninterrupted


@pytest.mark.slow
def test_killed_under_a_schedule_and_between_scales(command, tmp_path, rng):
    rule = {"term": "style", "weights": [3e4, 1e4]}
    schedule = [{"class_path": "nst_lightning.callbacks.EpochWeights", "init_args": rule}]
    options = [f"--trainer.callbacks={json.dumps(schedule)}"]
    options += ['--data.scales=[{"size": 40, "steps": 6}, {"size": 56, "steps": 6}]']
    whole, out = tmp_path / "whole", tmp_path / "run"
    expected = paint(command, whole, *options)
    line = [*command, f"--trainer.default_root_dir={out}", *options]
    process = subprocess.Popen(line, env=environment(), cwd=tmp_path, stderr=subprocess.PIPE)
    wait_for = rng.randrange(1, STEPS // 5) * 5
    print(f"killed after step {wait_for}")
    deadline = time.monotonic() + 300
    while not (out / "images" / f"step-{wait_for:05d}.png").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert paint(command, out, *options, "--ckpt_path=last") == expected
    assert (out / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
