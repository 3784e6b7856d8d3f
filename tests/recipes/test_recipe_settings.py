"""What a recipe fixes besides its objective: optimiser, size, start and length of the run."""

from typing import Any

import pytest
import torch

from nst_lightning.callbacks import EpochWeights
from nst_lightning.optim import ScaledLBFGS

from .conftest import NAMES, RECIPES, Build

LBFGS = torch.optim.LBFGS
PIXELS = {"scale": 255}  # L-BFGS on 0-255 pixels

# Written down from each system's own files.
# name: (epochs, steps, size, rule, style_resize, init, clamp, average, optimiser, its arguments)
EXPECTED: dict[str, tuple[Any, ...]] = {
    "pytorch_tutorial": (2, 300, 512, "long", "content", "content", "closure", None, LBFGS, {}),
    "tensorflow_tutorial": (10, 50, 512, "long", "scale", "content", "step", None, LBFGS, {}),
    "gatys": (1, 500, 512, "short", "scale", "content", "none", None, LBFGS, PIXELS),
    "neural_style_pt": (
        *(1, 1000, 512, "long", "scale", "noise", "none", None, LBFGS),
        PIXELS | {"tolerance_grad": -1, "tolerance_change": -1},
    ),
    "crowsonkb": (
        *(1, 3000, 512, "long", "scale", "content", "step", 0.99, torch.optim.Adam),
        {"lr": 0.02, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0, "amsgrad": False},
    ),
    "gordicaleksa": (
        *(1, 1000, 400, "height", "scale", "content", "none", None, LBFGS),
        PIXELS | {"line_search_fn": "strong_wolfe"},
    ),
    "pystiche": (1, 500, 500, "short", "scale", "content", "none", None, LBFGS, PIXELS),
    "pastiche": (1, 1000, 500, "area", "scale", "content", "none", None, LBFGS, PIXELS),
    "spst": (1, 600, 512, "short", "scale", "content", "none", None, LBFGS, PIXELS),
    "sliced_wasserstein": (
        *(1, 500, 512, "long", "scale", "content", "none", None, LBFGS),
        PIXELS | {"tolerance_grad": 0},
    ),
    "nnst": (
        *(1, 800, 512, "long", "scale", "blurred", "step", None, torch.optim.Adam),
        {"lr": 0.002, "betas": (0.9, 0.999), "eps": 1e-8},
    ),
    "strotss": (
        *(4, 250, 512, "long", "scale", "blurred", "step", None, torch.optim.RMSprop),
        {"lr": 0.002, "alpha": 0.99, "eps": 1e-8, "momentum": 0, "centered": False},
    ),
}
# name: sizes and steps before the last.
SCALES = {
    "crowsonkb": [(128, 1000), (181, 500), (256, 500), (362, 500)],
    "nnst": [(64, 200), (128, 200), (256, 200)],
    "strotss": [(64, 250), (128, 250), (256, 250)],
}
TORCH_LBFGS = {
    "lr": 1,
    "max_iter": 1,
    "history_size": 100,
    "tolerance_grad": 1e-7,
    "tolerance_change": 1e-9,
    "line_search_fn": None,
}


def test_the_folder_holds_recipes_alone() -> None:
    assert sorted(path.name for path in RECIPES.iterdir()) == sorted(f"{n}.yaml" for n in EXPECTED)


@pytest.mark.parametrize("name", NAMES)
def test_settings(name: str, build: Build, small_pair: tuple[str, str]) -> None:
    session = build(name, "--data.content", small_pair[0], "--data.style", small_pair[1])

    epochs, steps, size, rule, resize, init, clamp, average, kind, arguments = EXPECTED[name]
    data, model = session.pair, session.model
    assert session.trainer.max_epochs == epochs
    assert session.trainer.default_root_dir.endswith(f"outputs/recipes/{name}/content--style")
    assert (data.steps_per_epoch, data.size, data.size_rule) == (steps, size, rule)
    assert (data.style_resize, data.style_scale, data.init) == (resize, 1, init)
    assert [(scale.size, scale.steps) for scale in data.scales] == SCALES.get(name, [])
    assert data.detail == ("painting" if name in (*SCALES, "spst") else "content")
    assert (model.clamp, model.average and model.average.decay) == (clamp, average)
    optimizer = model.optimizer_factory([torch.nn.Parameter(torch.zeros(1, 3, 4, 4))])
    expected = (TORCH_LBFGS if kind is LBFGS else {}) | arguments
    if scale := expected.pop("scale", None):
        assert isinstance(optimizer, ScaledLBFGS)
        assert optimizer.scale == scale
    else:
        assert type(optimizer) is kind
    group = optimizer.param_groups[0]
    found = {key: tuple(v) if isinstance(v := group[key], list) else v for key in expected}
    assert found == expected
    if kind is LBFGS:
        # A line search needs room for torch's 25 evaluations besides the first; else it is moot.
        assert group["max_eval"] == (26 if group["line_search_fn"] else 1)


@pytest.mark.parametrize("name", NAMES)
def test_terms_are_all_stated(name: str, build: Build, small_pair: tuple[str, str]) -> None:
    # The defaults have a total variation; a recipe without one must say so.
    session = build(name, "--data.content", small_pair[0], "--data.style", small_pair[1])

    expected = {"content", "style"}
    if name in ("tensorflow_tutorial", "neural_style_pt", "crowsonkb", "gordicaleksa"):
        expected.add("tv")
    expected |= {"spst": {"statistics"}, "strotss": {"moments", "palette"}}.get(name, set())
    expected -= {"content"} if name == "nnst" else set()
    assert set(session.model.objective.terms) == expected
    encoder = session.model.objective.encoder
    replicates = name in ("crowsonkb", "sliced_wasserstein")
    assert encoder.padding == ("replicate" if replicates else "zeros")
    assert encoder.pooling == ("avg" if name == "sliced_wasserstein" else "max")


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("gatys", [1 / channels**2 for channels in (64, 128, 256, 512, 512)]),
        ("pastiche", [1 / channels**2 for channels in (64, 128, 256, 512, 512)]),
        ("spst", [1 / channels**2 for channels in (64, 128, 256, 512, 512)]),
        ("crowsonkb", [weight / 341 for weight in (256, 64, 16, 4, 1)]),
    ],
)
def test_layer_weights(
    name: str, weights: list[float], build: Build, small_pair: tuple[str, str]
) -> None:
    # Some layers' share of the objective is too small for a comparison of sums to see.
    session = build(name, "--data.content", small_pair[0], "--data.style", small_pair[1])

    style = session.model.objective.terms["style"]
    assert style.layer_weights == pytest.approx(weights, rel=1e-7)
    if name == "crowsonkb":
        assert style.eps == 1e-4


def test_strotss_halves_alpha_at_each_scale(build: Build, small_pair: tuple[str, str]) -> None:
    session = build("strotss", "--data.content", small_pair[0], "--data.style", small_pair[1])
    schedules = {c.term: c for c in session.trainer.callbacks if isinstance(c, EpochWeights)}
    assert set(schedules) == {"content", "style", "moments", "palette"}
    for epoch, alpha in enumerate((16, 8, 4, 2)):
        shares = {"content": alpha, "style": 1, "moments": 1, "palette": 1 / alpha}
        for term, share in shares.items():
            weight = schedules[term].weight_at(0.0, epoch)
            assert weight == pytest.approx(share / (alpha + 2), rel=1e-5)
