"""Our recipe of TensorFlow's tutorial against TensorFlow itself, values and gradients."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from .conftest import Build
from .originals import oxford_weights
from .test_recipe_objectives import ours, pictures

RELATIVE = 1e-4
SIZE = 96


@pytest.mark.slow
@pytest.mark.skipif(find_spec("tensorflow") is None, reason="tensorflow is not installed")
@pytest.mark.parametrize(
    ("content", "style"), [("sample:cat", "sample:starry"), ("sample:coffee", "sample:klimt")]
)
def test_the_tutorials_objective_is_tensorflows_own(
    content: str, style: str, build: Build, tmp_path: Path
) -> None:
    arguments = ["--data.content", content, "--data.style", style, "--data.size", str(SIZE)]
    session = build("tensorflow_tutorial", *arguments)
    picture, *references = pictures(session)
    given = {
        name: image.permute(0, 2, 3, 1).numpy()
        for name, image in zip(("picture", "content", "style"), (picture, *references), strict=True)
    }
    for number, (weight, bias) in enumerate(oxford_weights()):
        given[f"w{number}"] = weight.permute(2, 3, 1, 0).numpy()
        given[f"b{number}"] = bias.numpy()
    np.savez(tmp_path / "in.npz", **given)
    program = Path(__file__).with_name("tensorflow_tutorial.py")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "in.npz"), str(tmp_path / "out.npz")],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = np.load(tmp_path / "out.npz")

    x = picture.clone().requires_grad_()
    parts = ours(session, x, *references)

    assert set(parts) == {"content", "style", "tv"}
    gradients = {}
    for name, part in parts.items():
        assert float(part.detach()) == pytest.approx(float(theirs[name]), rel=RELATIVE)
        (gradient,) = torch.autograd.grad(part, x, retain_graph=True)
        gradients[name] = gradient.permute(0, 2, 3, 1).numpy()
        expected = theirs[f"{name}_gradient"]
        distance = np.linalg.norm(gradients[name] - expected) / np.linalg.norm(expected)
        assert distance < RELATIVE, name
    # The whole objective: what the optimiser sees.
    assert float(sum(part.detach() for part in parts.values())) == pytest.approx(
        sum(float(theirs[name]) for name in parts), rel=RELATIVE
    )
    whole, expected = sum(gradients.values()), sum(theirs[f"{n}_gradient"] for n in parts)
    assert np.linalg.norm(whole - expected) / np.linalg.norm(expected) < RELATIVE
