"""A run killed with SIGKILL at any moment goes on to the byte-identical picture."""

import json
import signal

import numpy as np
import pytest
from helpers.program import Program
from PIL import Image

STEPS = 30


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    for name, shape in (("content", (60, 80)), ("style", (90, 70))):
        picture = np.kron(rng.random((*(s // 10 for s in shape), 3)), np.ones((10, 10, 1)))
        Image.fromarray((picture * 255).astype("uint8")).save(folder / f"{name}.png")
    return [
        "fit",
        f"--data.content={folder / 'content.png'}",
        f"--data.style={folder / 'style.png'}",
        "--data.size=80",
        f"--data.steps_per_epoch={STEPS // 2}",
        "--trainer.max_epochs=2",
        "--checkpoint.every_n_steps=4",
        "--images.every_n_steps=5",
    ]


def paint(command, out, *more):
    out.parent.mkdir(exist_ok=True)
    program = Program([*command, f"--trainer.default_root_dir={out}", *more], out.parent)
    assert program.wait() == 0, program.stderr
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
    program = Program([*command, f"--trainer.default_root_dir={out}"], tmp_path)
    program.kill_when((out / "images" / f"step-{wait_for:05d}.png").exists)
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
    program = Program([*command, f"--trainer.default_root_dir={out}", *options], tmp_path)
    wait_for = rng.randrange(1, STEPS // 5) * 5
    print(f"killed after step {wait_for}")
    program.kill_when((out / "images" / f"step-{wait_for:05d}.png").exists)
    assert paint(command, out, *options, "--ckpt_path=last") == expected
    assert (out / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


@pytest.mark.slow
def test_killed_in_the_middle_of_a_tile(command, tmp_path, rng):
    options = ["--trainer.callbacks=[helpers.tiles.InTiles]"]
    whole, out = tmp_path / "a" / "run", tmp_path / "b" / "run"
    expected = paint(command, whole, *options)
    out.parent.mkdir()
    happens = out.parent / "happens.json"
    # An evaluation begins 10 tiles, in either pass the half of them.
    happens.write_text(json.dumps({"die": (die := rng.randrange(60, 280))}))
    print(f"killed in tile {die}")
    program = Program([*command, f"--trainer.default_root_dir={out}", *options], out.parent)
    assert program.wait() == -signal.SIGKILL, program.stderr
    assert (out / "checkpoints" / "last.ckpt").is_file()
    assert not (out / "stylized.png").exists()
    # With less memory than there was the pictures are cut as they were.
    happens.write_text(json.dumps({"free": 1}))
    assert paint(command, out, *options, "--ckpt_path=last") == expected
    assert (out / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
