"""Properties that hold for any picture and any run; examples that once failed are kept.

``HYPOTHESIS_PROFILE=long`` tries 500 of each; 50 are the usual, and 15 of whole runs.
"""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.painting import KillAt, Killed, files, small_run
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from nst_lightning.data.images import load_image
from nst_lightning.errors import InputError
from nst_lightning.fingerprint import differences
from nst_lightning.metrics.functional import structural_similarity
from nst_lightning.options import read_yaml, write_yaml
from nst_lightning.session import open_run

pytestmark = pytest.mark.slow
for name, examples in (("usual", 50), ("long", 500)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=name == "usual",
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "usual")
settings.load_profile(PROFILE)

SIDE = st.integers(1, 200)
MODE = st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F", "I;16"])


def picture(mode: str, width: int, height: int, seed: int) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    if mode == "I":
        return Image.fromarray(levels[..., 0].astype(np.int32) * 257)
    if mode == "I;16":
        return Image.fromarray(levels[..., 0].astype(np.uint16) * 257)
    if mode == "F":
        return Image.fromarray((levels[..., 0] / 255).astype(np.float32))
    return Image.fromarray(levels, "RGBA").convert(mode)


@given(
    mode=MODE,
    width=SIDE,
    height=SIDE,
    size=st.none() | st.integers(1, 200),
    seed=st.integers(0, 99),
)
@example("RGBA", 16, 200, 16, 0)
def test_any_picture(mode: str, width: int, height: int, size: int | None, seed: int) -> None:
    source = picture(mode, width, height, seed)
    try:
        first = load_image(source, size)
    except InputError as error:
        said = str(error)
        first = None
    if first is None:
        assert "\n" not in said
        shrunk = min(width, height) * (size or max(width, height)) / max(width, height)
        assert min(width, height, size or 200, shrunk) < 17
        return
    again = load_image(source, size)
    assert first.original_size == (width, height)
    for part in (first.pixels, first.alpha):
        if part is not None:
            assert bool(torch.isfinite(part).all())
            assert 0 <= float(part.min()) <= float(part.max()) <= 1
    assert torch.equal(first.pixels, again.pixels)
    assert size is None or max(first.pixels.shape[-2:]) == size


@given(seeds=st.tuples(st.integers(0, 9), st.integers(0, 9)), width=SIDE, height=SIDE)
def test_measures_stay_in_their_bounds(seeds: tuple[int, int], width: int, height: int) -> None:
    shape = (1, 3, max(height, 16), max(width, 16))
    one, two = (torch.rand(shape, generator=torch.Generator().manual_seed(s)) for s in seeds)
    found = float(structural_similarity(one, two))
    assert -1 <= found <= 1 + 1e-6
    assert seeds[0] != seeds[1] or math.isclose(found, 1, abs_tol=1e-5)


TEXT = st.text("1e5_+.-ñ :#'", max_size=6)
NAMES = st.text("abc", min_size=1)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@given(tree=st.dictionaries(st.text("abc", min_size=1), VALUE, min_size=1, max_size=4))
@example(tree={"a": "1e5"})
@example(tree={"a": "nan"})
def test_settings_survive_their_file(tree: dict[str, Any], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("yaml") / "config.yaml"
    path.write_text(write_yaml(tree), encoding="utf-8")
    assert read_yaml(path) == tree


@given(now=st.dictionaries(NAMES, VALUE), then=st.dictionaries(NAMES, VALUE))
def test_differences_go_both_ways(now: dict[str, Any], then: dict[str, Any]) -> None:
    found = differences(now, then)
    assert bool(found) == bool(differences(then, now)) == (now != then)


RUNS = {
    "size": st.integers(20, 48),
    "style_layers": st.sampled_from([["conv1_1"], ["relu1_1", "relu2_1"], ["conv1_2"]]),
    "weights": st.tuples(st.floats(0, 1e3), st.floats(0, 1e7), st.floats(0, 100)),
    "seed": st.integers(0, 2**31),
    "steps": st.integers(1, 6),
    "killed_at": st.integers(1, 6),
    "every": st.integers(1, 3),
    "init": st.sampled_from(["content", "noise", "grey", "style"]),
    "mode": st.sampled_from(["RGB", "RGBA", "L"]),
    "scales": st.sampled_from([[], [{"size": 20, "steps": 1}]]),
    "kept": st.sampled_from(["full", "light"]),
}


@settings(max_examples=8 if PROFILE == "usual" else settings.default.max_examples)
@given(**RUNS)
@example(
    size=20,
    style_layers=["conv1_1"],
    weights=(0.0, 0.0, 0.0),
    seed=0,
    steps=2,
    killed_at=1,
    every=1,
    init="noise",
    mode="RGBA",
    scales=[],
    kept="full",
)
@example(
    size=40,
    style_layers=["conv1_2"],
    weights=(1.0, 1e4, 0.0),
    seed=1,
    steps=4,
    killed_at=2,
    every=1,
    init="content",
    mode="L",
    scales=[{"size": 20, "steps": 1}],
    kept="light",
)
@example(
    size=20,
    style_layers=["conv1_1"],
    weights=(0.0, 0.0, 5.731028740537791e-37),
    seed=0,
    steps=1,
    killed_at=1,
    every=1,
    init="content",
    mode="RGB",
    scales=[],
    kept="full",
)
def test_any_run_is_finite_repeatable_and_goes_on(
    size: int,
    style_layers: list[str],
    weights: tuple[float, float, float],
    seed: int,
    steps: int,
    killed_at: int,
    every: int,
    init: str,
    mode: str,
    scales: list[dict[str, int]],
    kept: str,
    tmp_path_factory: Any,
) -> None:
    root: Path = tmp_path_factory.mktemp("run")
    picture(mode, 60, 48, seed % 100).save(root / "c.png")
    picture("RGB", 50, 56, seed % 101).save(root / "s.png")

    def run(folder: str, *callbacks: Any, **options: Any) -> None:
        given_ = small_run(root / folder, (root / "c.png", root / "s.png"), steps)
        given_ |= {
            "data.size": size,
            "data.init": init,
            "seed_everything": seed,
            "model.content.weight": weights[0],
            "model.style.layers": style_layers,
            "model.style.weight": weights[1],
            "model.tv.weight": weights[2],
            "checkpoint.every_n_steps": every,
            "checkpoint.optimizer": kept,
            "data.scales": scales if size > 20 and steps > 1 else [],
        }
        open_run(given_, summary=False, progress=False, **options).run(*callbacks)

    try:
        run("whole")
    except InputError as error:
        # All that is left of the loss at its first picture is too small for float32.
        if max(weights[1:]) >= 1e-9 or "too large or small for float32" not in str(error):
            raise
        assert not (root / "whole").exists()
        return
    found = np.asarray(Image.open(root / "whole" / "stylized.png"))
    assert found.shape[-1] == (4 if mode == "RGBA" else 3)
    try:
        run("broken", KillAt(killed_at))
    except Killed:
        run("broken", resume="last")
    assert files(root / "whole") == files(root / "broken")
    for name in ("stylized.png", "metrics.csv"):
        assert (root / "whole" / name).read_bytes() == (root / "broken" / name).read_bytes()
