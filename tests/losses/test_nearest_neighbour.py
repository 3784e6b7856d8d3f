"""Matched features, against NumPy."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.painting import ADAM, TORCH_LBFGS, KillAt, Killed, logged, paint
from PIL import Image

import nst_lightning.losses.matching as module
from nst_lightning.data.resizing import resize_to
from nst_lightning.errors import InputError
from nst_lightning.losses import NearestNeighbourLoss, Reference
from nst_lightning.losses.matching import every_so_many, most_similar, on_grid
from nst_lightning.losses.products import cosine_distance
from nst_lightning.objective import Objective
from nst_lightning.testing import check_term

CHANNELS = {"relu1_1": 3, "relu2_1": 5}


def columns(reference: Reference, scales: dict[str, float]) -> np.ndarray:
    """All layers of a picture of one size, each divided by its scale: ``(P, sum of C)``."""
    layers = [reference.features[n].numpy()[0] / scales[n] for n in CHANNELS]
    return np.concatenate([layer.reshape(len(layer), -1) for layer in layers]).T


def nearest(wanted: np.ndarray, there: np.ndarray) -> list[int]:
    a, b = wanted - wanted.mean(0), there - there.mean(0)
    found = []
    for row in a:
        cosines = [row @ other / np.linalg.norm(row) / np.linalg.norm(other) for other in b]
        found.append(int(np.argmax(cosines)))
    return found


def searched(styles: list[Reference], shares: list[float]) -> tuple[dict[str, float], np.ndarray]:
    """The scales, and the hypercolumns of styles whose shares are those of their places."""
    scales = {
        name: sum(
            share * (s.features[name].numpy() ** 2).mean()
            for s, share in zip(styles, shares, strict=True)
        )
        ** 0.5
        for name in CHANNELS
    }
    return scales, np.concatenate([columns(style, scales) for style in styles])


def score(metric: str, seen: np.ndarray, match: np.ndarray) -> float:
    if metric == "squared":
        return float(((seen - match) ** 2).mean())
    total, width = 0.0, seen.shape[1]
    for part in (slice(0, 3), slice(3, 8)):
        a, b = seen[:, part], match[:, part]
        lengths = np.sqrt(((a**2).sum(1) + 0.01) * ((b**2).sum(1) + 0.01))
        total += (1 - (a * b).sum(1) / lengths).mean() * a.shape[1] / width
    return float(total)


@pytest.mark.parametrize("metric", ["squared", "cosine"])
@pytest.mark.parametrize("mix", [0.0, 0.3, 1.0])
def test_against_numpy(reference, metric, mix):
    content, picture = reference(1, layers=CHANNELS), reference(2, layers=CHANNELS)
    # 8 x 6 and 8 x 3 places: two thirds and one third, so all of both are searched.
    styles = [
        reference(3, weight=2.0, layers=CHANNELS),
        reference(4, width=3, weight=1.0, layers=CHANNELS),
    ]
    scales, there = searched(styles, [2 / 3, 1 / 3])
    of_content, seen = columns(content, scales), columns(picture, scales)
    term = NearestNeighbourLoss(layers=list(CHANNELS), mix=mix, metric=metric)
    term.set_targets(content, styles)
    first = score(metric, seen, there[nearest(of_content, there)])
    assert float(term(picture.image, picture.features)) == pytest.approx(first, rel=1e-12)
    assert term.redraw(7, lambda: picture.features)
    wanted = (1 - mix) * seen + mix * of_content
    again = score(metric, seen, there[nearest(wanted, there)])
    assert float(term(picture.image, picture.features)) == pytest.approx(again, rel=1e-12)


def test_the_cosine_distances_gradient():
    random = torch.Generator().manual_seed(0)
    seen, target = (torch.randn(2, 3, 4, 5, generator=random).double() for _ in range(2))
    seen[0, :, 0, 0] = 0  # a place without any feature
    seen.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: cosine_distance(x, target, 0.01), (seen,))
    assert torch.autograd.gradcheck(lambda x: cosine_distance(x, target[:1], 0.01), (seen,))
    with pytest.raises(ValueError, match="shapes differ"):
        cosine_distance(seen, target[..., :2], 0.01)


def test_a_coarse_layer_is_compared_at_its_own_size():
    """The gradient is that of comparing every place of the grid with its own match."""
    random = torch.Generator().manual_seed(0)

    def of_size(height: int, width: int) -> Reference:
        fine, coarse = (height, width), (height // 2, width // 2)
        return Reference(
            torch.zeros(1, 3, height, width),
            {
                "relu1_1": torch.rand(1, 3, *fine, generator=random, dtype=torch.float64),
                "relu2_1": torch.rand(1, 5, *coarse, generator=random, dtype=torch.float64),
            },
        )

    content, style, picture = of_size(6, 8), of_size(6, 8), of_size(6, 8)
    for metric in ("squared", "cosine"):
        term = NearestNeighbourLoss(layers=list(CHANNELS), metric=metric, grid="relu1_1")
        term.set_targets(content, [style])
        seen = {name: value.clone().requires_grad_() for name, value in picture.features.items()}
        term(picture.image, seen).backward()
        matches = term.target("relu1_1 matches").long()
        places, scale = term.target("relu2_1")
        match = places[matches].mT.view(1, 5, 6, 8)
        mine = picture.features["relu2_1"].clone().requires_grad_()
        spread = (mine / scale).repeat_interleave(2, 2).repeat_interleave(2, 3)
        if metric == "squared":
            loss = (spread - match).square().mean()
        else:
            lengths = (spread.square().sum(1) + 0.01) * (match.square().sum(1) + 0.01)
            loss = (1 - (spread * match).sum(1) / lengths.sqrt()).mean()
        (loss * 5 / 8).backward()
        torch.testing.assert_close(seen["relu2_1"].grad, mine.grad)


def test_the_gram_matrices_count_beside_the_matches(reference):
    content, style, picture = (reference(seed, layers=CHANNELS) for seed in (1, 2, 3))
    losses = []
    for texture in (0.0, 2.0):
        term = NearestNeighbourLoss(
            layers=list(CHANNELS), texture=texture, texture_layers=["relu2_1"]
        )
        term.set_targets(content, [style])
        losses.append(float(term(picture.image, picture.features)))
    flat = [p.features["relu2_1"][0].flatten(1).numpy() for p in (picture, style)]
    mine, theirs = (a @ a.T / a.shape[1] for a in flat)
    expected = 2 * ((mine - theirs) ** 2).sum() / (theirs**2).sum()
    assert losses[1] - losses[0] == pytest.approx(expected)


def test_texture_is_of_layers_that_the_term_has():
    with pytest.raises(InputError, match=r"texture_layers.*relu3_1"):
        NearestNeighbourLoss(layers=["relu1_1"], texture=1.0, texture_layers=["relu3_1"])
    assert NearestNeighbourLoss(layers=["relu1_1"], texture=1.0).layers == ["relu1_1"]


def test_a_style_has_places_by_its_share(reference):
    styles = [reference(seed, weight=weight) for seed, weight in ((3, 3.0), (4, 1.0))]
    term = NearestNeighbourLoss(layers=list(CHANNELS))
    term.set_targets(reference(1), styles)
    places, scale = term.target("relu1_1")
    assert len(places) == 48 + 16
    given = styles[1].features["relu1_1"][0].flatten(1).mT / scale
    of_second = [int((given - place).abs().sum(1).argmin()) for place in places[48:]]
    assert torch.equal(given[of_second], places[48:])
    assert of_second[0] == 0
    assert of_second[-1] == 47
    assert all(2 <= after - before <= 4 for before, after in itertools.pairwise(of_second))


def test_a_picture_that_is_the_style_is_its_own_match(reference):
    style = reference(3, layers=CHANNELS)
    term = NearestNeighbourLoss(layers=list(CHANNELS), mix=0.0)
    term.set_targets(reference(1, layers=CHANNELS), [style])
    assert float(term(style.image, style.features)) > 0.1
    term.redraw(0, lambda: style.features)
    assert float(term(style.image, style.features)) == 0
    assert term.held()[1:].tolist() == list(range(48))


def test_layers_of_other_sizes_come_to_the_grid():
    whole = torch.arange(32.0, dtype=torch.float64).view(1, 1, 4, 8)
    means = whole[0, 0].numpy().reshape(2, 2, 4, 2).mean((1, 3))
    assert on_grid(whole, (2, 4))[0, 0].numpy() == pytest.approx(means)
    # A slope stays one: places of half the size lie a quarter to either side.
    slope = torch.tensor([[[[0.0, 1, 2], [4, 5, 6]]]])
    larger = on_grid(slope, (4, 6))[0, 0]
    assert larger[1].tolist() == pytest.approx([1, 1.25, 1.75, 2.25, 2.75, 3])


def test_blocks_change_nothing(monkeypatch):
    random = torch.Generator().manual_seed(0)
    wanted, there = (torch.randn(n, 6, generator=random).double() for n in (50, 40))
    whole = most_similar(wanted, there)
    monkeypatch.setattr(module, "_SIMILARITIES_AT_ONCE", 7 * 40)
    assert torch.equal(most_similar(wanted, there), whole)
    assert whole.tolist() == nearest(wanted.numpy(), there.numpy())


def test_matches_are_held(reference):
    term = NearestNeighbourLoss(layers=list(CHANNELS), every=3, mix=0.0)
    content, style, picture, other = (reference(seed) for seed in (1, 2, 3, 4))
    term.set_targets(content, [style])
    assert term.held() is None
    drawn = [term.redraw(step, lambda: picture.features) for step in (4, 5, 6, 7)]
    assert drawn == [True, False, True, False]  # the first after targets, then each third
    held = term.held().clone()
    with torch.no_grad():
        term(other.image, other.features)
    assert not term.redraw(8, lambda: pytest.fail("encoded for nothing"))
    assert torch.equal(term.held(), held)
    loss = term(other.image, other.features)

    resumed = NearestNeighbourLoss(layers=list(CHANNELS), every=3, mix=0.0)
    resumed.set_targets(content, [style])
    assert not torch.equal(resumed(other.image, other.features), loss)
    resumed.hold(held)
    assert torch.equal(resumed(other.image, other.features), loss)
    assert not resumed.redraw(8, lambda: other.features)
    resumed.hold(held[:-1])  # of another size: no use
    resumed.hold(held + 1000)
    assert torch.equal(resumed(other.image, other.features), loss)


def test_half_precision_finds_as_similar_places():
    random = torch.Generator().manual_seed(0)
    wanted, there = (torch.randn(n, 60, generator=random) for n in (300, 701))
    exact, half = (most_similar(wanted, there, half=half) for half in (False, True))
    a, b = (F.normalize(rows - rows.mean(0), dim=1) for rows in (wanted, there))
    found = [(a * b[indices]).sum(1) for indices in (exact, half)]
    assert float((found[0] - found[1]).max()) < 0.01
    assert float((exact == half).float().mean()) > 0.9
    assert most_similar(there, there, half=True).tolist() == list(range(701))


@pytest.mark.parametrize("metric", ["squared", "cosine"])
def test_coverage_against_numpy(reference, metric):
    """What it adds: each place of the style against the place of the picture most like it."""
    content, picture, style = (reference(seed, layers=CHANNELS) for seed in (1, 2, 3))
    scales, there = searched([style], [1.0])
    seen = columns(picture, scales)
    losses = []
    for coverage in (0.0, 0.4):
        term = NearestNeighbourLoss(
            layers=list(CHANNELS), mix=0.0, metric=metric, coverage=coverage
        )
        term.set_targets(content, [style])
        term.redraw(0, lambda: picture.features)
        losses.append(float(term(picture.image, picture.features)))
    covering = score(metric, seen[nearest(there, seen)], there)
    assert losses[1] - losses[0] == pytest.approx(0.4 * covering, rel=1e-10)


def test_each_region_searches_in_its_own_style(reference):
    content, picture = reference(1, layers=CHANNELS), reference(2, layers=CHANNELS)
    left = torch.zeros(1, 1, 8, 6, dtype=torch.float64)
    left[..., :2] = 1
    masks = torch.cat([left, 1 - left], 1)
    styles = [reference(3, layers=CHANNELS), reference(4, layers=CHANNELS)]
    whole, none = torch.ones_like(left), torch.zeros_like(left)
    # The first region has the first style; the second has the lower half of the second style.
    lower = torch.cat([none[:, :, :4], whole[:, :, 4:]], 2)
    term = NearestNeighbourLoss(layers=list(CHANNELS), mix=0.0)
    term.set_targets(
        replace(content, mask=masks),
        [
            replace(styles[0], mask=torch.cat([whole, none], 1)),
            replace(styles[1], mask=torch.cat([none, lower], 1)),
        ],
    )
    term.redraw(0, lambda: picture.features)
    found = term.held()[1:].numpy().reshape(8, 6)
    assert found[:, :2].max() < 48
    assert found[:, 2:].min() >= 48
    scale = {name: float(term.target(name)[1]) for name in CHANNELS}
    seen = columns(picture, scale).reshape(8, 6, -1)
    first, second = (columns(style, scale) for style in styles)
    expected = nearest(seen[:, :2].reshape(16, -1), first)
    assert found[:, :2].flatten().tolist() == expected
    expected = nearest(seen[:, 2:].reshape(32, -1), second[24:])
    assert (found[:, 2:].flatten() - 48).tolist() == expected


def test_layers_matched_by_themselves(reference):
    """At every place of small layers; a layer's match knows nothing of the others."""
    content, picture, style = (reference(seed, layers=CHANNELS) for seed in (1, 2, 3))
    term = NearestNeighbourLoss(layers=list(CHANNELS), per_layer=True, metric="cosine")
    term.set_targets(content, [style])
    term.redraw(0, lambda: picture.features)
    scales, there = searched([style], [1.0])
    seen, expected = columns(picture, scales), 0.0
    for part in (slice(0, 3), slice(3, 8)):
        a = seen[:, part]
        b = there[nearest(a, there[:, part]), part]
        lengths = np.sqrt(((a**2).sum(1) + 0.01) * ((b**2).sum(1) + 0.01))
        expected += (1 - (a * b).sum(1) / lengths).mean() / 2
    assert float(term(picture.image, picture.features)) == pytest.approx(expected, rel=1e-10)


def test_a_grid_of_places_is_drawn():
    values = torch.arange(12 * 20.0).view(1, 1, 12, 20)
    found = {tuple(every_so_many(values, 5, draw)[0, 0, 0, :2].tolist()) for draw in range(200)}
    assert found == {(x + 20.0 * y, x + 4 + 20.0 * y) for x in range(4) for y in range(4)}
    assert every_so_many(values, 5, 7).shape == (1, 1, 3, 5)
    assert torch.equal(every_so_many(values, 20, 7), values)
    assert every_so_many(values[..., :2, :], 1).shape == (1, 1, 1, 10)


def test_the_objective_turns_the_style():
    class Halves(torch.nn.Module):
        def __init__(self, layers):
            super().__init__()

        def forward(self, picture):
            return {"relu1_1": torch.nn.functional.avg_pool2d(picture, 2)}

    class Seen(NearestNeighbourLoss):
        def set_targets(self, content, styles):
            self.seen = styles

    term = Seen(layers=["relu1_1"], rotations=True)
    style = torch.rand(1, 3, 4, 6)
    mask = torch.rand(1, 1, 4, 6)
    content = torch.rand(1, 3, 4, 4)
    Objective({"style": term}, Halves).set_targets(
        content, [style], [1.0], (torch.ones(1, 1, 4, 4), [mask])
    )
    for turns, seen in enumerate(term.seen):
        assert seen.weight == 0.25
        turned = torch.from_numpy(np.rot90(style.numpy(), turns, (2, 3)).copy())
        assert torch.equal(seen.image, turned)
        assert torch.equal(seen.mask, torch.from_numpy(np.rot90(mask, turns, (2, 3)).copy()))
        assert torch.allclose(seen.features["relu1_1"], Halves(None)(turned)["relu1_1"])
    assert len(term.seen) == 4


@pytest.mark.parametrize(
    "options",
    [
        {"metric": "cosine"},
        {"grid": "relu1_1", "mix": 1.0},
        {"coverage": 0.5},
        {"per_layer": True, "metric": "cosine", "coverage": 0.5},
    ],
)
def test_promises_of_other_settings(options):
    check_term(lambda: NearestNeighbourLoss(layers=["relu1_1", "relu2_1", "relu3_1"], **options))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mix": 1.5}, "mix must be a finite number of at least 0 and of at most 1"),
        ({"mix": -1}, "mix must be a finite number of at least 0 and of at most 1"),
        ({"every": 0}, "every must be a whole number"),
        ({"metric": "cosin"}, "metric must be one of squared, cosine"),
        ({"grid": "relu5_1"}, "grid must be one of relu1_1"),
    ],
)
def test_a_mistake(options, words):
    with pytest.raises(InputError, match=words):
        NearestNeighbourLoss(**options)


STYLE = (
    "--model.style=nst_lightning.losses.NearestNeighbourLoss",
    "--model.style.weight=100",
    "--model.style.layers=[relu1_1,relu2_1]",
    "--model.style.every=3",
)
SPLIT = ("--model.style.per_layer=true", "--model.style.coverage=0.5")
SCALES = (
    "--data.scales=" + json.dumps([{"size": 22, "steps": 4}]),
    "--data.detail=painting",
    "--data.init=blurred",
)


@pytest.fixture
def photographs(tmp_path: Path) -> tuple[Path, Path]:
    random = torch.Generator().manual_seed(0)
    paths = tmp_path / "content.png", tmp_path / "style.png"
    for path, size in zip(paths, ((24, 32), (30, 28)), strict=True):
        values = resize_to(torch.rand(1, 3, 7, 8, generator=random), size)
        pixels = (values[0].permute(1, 2, 0) * 255).round().byte().numpy()
        Image.fromarray(pixels).save(path)
    return paths


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), TORCH_LBFGS, ADAM, SPLIT])
@pytest.mark.parametrize("step", [2, 3, 4, 5, 6, 8])
def test_killed_and_resumed(tmp_path, photographs, options, step):
    """In the middle of held matches, right before and after new ones, and at a new scale."""
    more = (*STYLE, *SCALES, *options, "--checkpoint.every_n_steps=1")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    paint(whole, photographs, *more, steps=10)
    with pytest.raises(Killed):
        paint(broken, photographs, *more, steps=10, callbacks=[KillAt(step)])
    paint(broken, photographs, *more, "--ckpt_path=last", steps=10)
    assert (broken / "stylized.png").read_bytes() == (whole / "stylized.png").read_bytes()
    assert logged(broken) == logged(whole)


@pytest.mark.slow
def test_the_matches_of_a_run(tmp_path, photographs):
    """Anew at each third step and at the new scale; the loss falls in between; measured as held."""
    session = paint(tmp_path / "run", photographs, *STYLE, *SCALES, steps=9)
    losses = [float(row["style_loss"]) for row in logged(tmp_path / "run")]
    for between in (losses[:3], losses[4:6], losses[6:9]):  # step 3: one step before the new scale
        assert between == sorted(between, reverse=True)
    term = session.model.objective.terms["style"]
    held = term.held().clone()
    with torch.no_grad():
        before = session.model.losses(session.model.picture())
    assert session.measures()["loss"] == float(before["loss"])
    session.trainer.test(session.model, datamodule=session.pair, verbose=False)
    assert torch.equal(term.held(), held)
    with torch.no_grad():
        after = session.model.losses(session.model.picture())
    assert torch.equal(before["loss"], after["loss"])
