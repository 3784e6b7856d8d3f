"""Loss and gradient in tiles against those of the whole picture."""

import copy
import inspect
import itertools
import threading
from collections.abc import Callable, Mapping

import pytest
import torch
import torch.nn.functional as F
from test_objective import Keeps, Stranger, picture
from torch import Tensor

import nst_lightning.losses
from nst_lightning.encoder import VGG19Encoder
from nst_lightning.errors import InputError
from nst_lightning.losses import (
    ContentLoss,
    GramLoss,
    GuidedGramLoss,
    LossTerm,
    MeanDeviationLoss,
    MomentLoss,
    NearestNeighbourLoss,
    SelfSimilarityLoss,
    SlicedWassersteinLoss,
    TemporalLoss,
    TotalVariationLoss,
    WassersteinLoss,
)
from nst_lightning.losses.places import Tile, averages
from nst_lightning.objective import Objective
from nst_lightning.optim import BoundedLBFGS
from nst_lightning.stages import Stage, Tiles, bounds
from nst_lightning.tiles import features_in_tiles

EXACT = 1e-5  # float32 in another order; 2e-7 is usual
LAYERS = ["relu1_1", "conv2_2", "relu3_1", "relu4_1"]


def temporal() -> TemporalLoss:
    term = TemporalLoss(1.0)
    term.look_back([(torch.full((1, 3, 64, 64), 0.4), torch.ones(1, 1, 64, 64))])
    return term


TERMS: dict[str, Callable[[], LossTerm]] = {
    "content": lambda: ContentLoss(1.0, ["relu1_2", "relu4_1"]),
    "content, sum": lambda: ContentLoss(1e-3, ["relu2_1"], reduction="sum"),
    "content, scaled": lambda: ContentLoss(1.0, ["relu2_1", "relu3_3"], reduction="scaled"),
    "content, balanced": lambda: ContentLoss(1.0, ["relu1_2", "relu4_2"], reduction="balanced"),
    "gram": lambda: GramLoss(10.0, LAYERS, [0.25, 1.0, 2.0, 0.0]),
    "gram, none": lambda: GramLoss(1e-9, LAYERS, divisor="none", reduction="sum"),
    "gram, relative": lambda: GramLoss(1.0, LAYERS, reduction="relative"),
    "guided": lambda: GuidedGramLoss(10.0, LAYERS, divisor="chw"),
    "guided, relative": lambda: GuidedGramLoss(1.0, LAYERS, reduction="relative"),
    "guided, none": lambda: GuidedGramLoss(1e-9, LAYERS, divisor="none", reduction="sum"),
    "wasserstein": lambda: WassersteinLoss(1.0, LAYERS),
    "wasserstein, eps": lambda: WassersteinLoss(1.0, LAYERS, eps=1e-2),
    "moments": lambda: MomentLoss(1.0, LAYERS),
    "moments, one": lambda: MomentLoss(1.0, LAYERS, order=1),
    "moments, five": lambda: MomentLoss(1.0, LAYERS, order=5),
    "deviations": lambda: MeanDeviationLoss(1.0, LAYERS),
    "neighbours": lambda: NearestNeighbourLoss(1.0, LAYERS, metric="cosine"),
    "neighbours, covered": lambda: NearestNeighbourLoss(1.0, LAYERS, coverage=1.0),
    "neighbours by layer": lambda: NearestNeighbourLoss(1.0, LAYERS, per_layer=True),
    "neighbours by layer, covered": lambda: NearestNeighbourLoss(
        1.0, LAYERS, per_layer=True, coverage=0.5, metric="cosine"
    ),
    "neighbours, fine grid": lambda: NearestNeighbourLoss(1.0, LAYERS, grid="conv2_2"),
    "neighbours, coarse grid": lambda: NearestNeighbourLoss(1.0, LAYERS, grid="relu4_1"),
    "neighbours, mixed": lambda: NearestNeighbourLoss(1.0, LAYERS, mix=0.0, every=1),
    "neighbours, turned": lambda: NearestNeighbourLoss(1.0, LAYERS, rotations=True),
    "neighbours, texture": lambda: NearestNeighbourLoss(
        1.0, [*LAYERS, "relu5_1"], [0.25, 0.5, 1.0, 2.0, 4.0], mix=0.4, metric="cosine", texture=0.5
    ),
    "neighbours, fine texture": lambda: NearestNeighbourLoss(
        1.0, LAYERS, texture=0.5, texture_layers=["relu1_1", "relu4_1"]
    ),
    "relations": lambda: SelfSimilarityLoss(1.0, LAYERS, places=300),
    "hypercolumns": lambda: SelfSimilarityLoss(1.0, LAYERS, places=300, hypercolumns=True),
    "sliced": lambda: SlicedWassersteinLoss(1.0, ["relu1_1", "relu3_1"], places=500),
    "sliced, all places": lambda: SlicedWassersteinLoss(
        1.0, ["relu2_1", "relu3_1"], directions=5, places=None, seed=3, every=1
    ),
    "variation": lambda: TotalVariationLoss(1.0, "nine_point"),
    "temporal": temporal,
    "variation, side": lambda: TotalVariationLoss(1.0, "l1", reduction="side"),
    "variation, mean": lambda: TotalVariationLoss(1.0, "l2", reduction="mean", scale=255),
}


def test_every_shipped_term_and_option_is_here() -> None:
    built = [make() for make in TERMS.values()]
    for name in nst_lightning.losses.__all__:
        kind = getattr(nst_lightning.losses, name)
        if not (isinstance(kind, type) and issubclass(kind, LossTerm)):
            continue
        if not kind(**({"layers": ["relu1_1"]} if "layers" in options(kind) else {})).has_formula:
            continue  # abstract
        mine = [term for term in built if type(term) is kind]
        assert mine, f"{name} is not among TERMS"
        for option, default in options(kind).items():
            if option not in ("weight", "layers", "layer_weights") and hasattr(mine[0], option):
                seen = {repr(getattr(term, option)) for term in mine}
                chosen = seen - {repr(default)}
                assert chosen, f"{name} has no {option} in TERMS other than {default!r}"


def options(kind: type[LossTerm]) -> dict[str, object]:
    """Return a term's arguments and their defaults."""
    parameters = inspect.signature(kind).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def losses_and_gradient(
    objective: Objective, x: Tensor, tiles: Tiles | None
) -> tuple[dict[str, float], Tensor]:
    objective.tiles = tiles
    x = x.clone().requires_grad_()
    losses = objective.losses(x)
    losses["loss"].backward()
    assert x.grad is not None
    return {name: float(loss.detach()) for name, loss in losses.items()}, x.grad


Ready = tuple[Objective, Tensor, Callable[[], None]]


def check(objective: Objective, x: Tensor, targets: Callable[[], None], tiles: Tiles) -> None:
    expected, gradient = losses_and_gradient(objective, x, None)
    losses, in_tiles = losses_and_gradient(objective, x, tiles)
    assert losses == pytest.approx(expected, rel=EXACT)
    assert float((in_tiles - gradient).norm() / gradient.norm()) < EXACT
    # No place is wrong by much either, as one at a seam would be.
    assert float((in_tiles - gradient).abs().max() / gradient.abs().max()) < 1e-4
    targets()  # of references in tiles
    losses, in_tiles = losses_and_gradient(objective, x, tiles)
    assert losses == pytest.approx(expected, rel=10 * EXACT)
    # Absolute differences of relations have kinks, at which a rounding turns a sign.
    kinks = any(isinstance(term, SelfSimilarityLoss) for term in objective.terms.values())
    most = (100 if kinks else 10) * EXACT
    assert float((in_tiles - gradient).norm() / gradient.norm()) < most
    with torch.no_grad():
        again = {name: float(loss) for name, loss in objective.losses(x).items()}
    assert again == pytest.approx(expected, rel=EXACT)


def ready(
    terms: Mapping[str, LossTerm],
    size: tuple[int, int],
    masks: tuple[Tensor, list[Tensor]] | None = None,
    **options: str,
) -> Ready:
    objective = Objective(terms, lambda layers: VGG19Encoder(layers, **options))
    content, style = smooth(1, size), smooth(2, (90, 110))

    def targets() -> None:
        objective.set_targets(content, [style], [1.0], masks)

    targets()
    return objective, (content + 0.1 * torch.randn(content.shape)).clamp(0, 1), targets


def smooth(seed: int, size: tuple[int, int]) -> Tensor:
    coarse = picture(seed, (size[0] // 8, size[1] // 8))
    return F.interpolate(coarse, size, mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize(
    ("size", "tiles"),
    [((97, 141), Tiles(48)), pytest.param((130, 111), Tiles(64, 2), marks=pytest.mark.slow)],
    ids=str,
)
def test_every_term(name: str, size: tuple[int, int], tiles: Tiles) -> None:
    padding = "zeros" if tiles.stages == 1 else "replicate"
    check(*ready({"a": TERMS[name]()}, size, padding=padding), tiles=tiles)


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
@pytest.mark.parametrize("padding_layers", ["all", "first"])
@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_borders_and_poolings(padding: str, padding_layers: str, pooling: str) -> None:
    terms = {"a": GramLoss(10.0, [*LAYERS, "relu5_1"]), "b": ContentLoss(1.0)}
    options = {"padding": padding, "padding_layers": padding_layers, "pooling": pooling}
    check(*ready(terms, (115, 133), **options), tiles=Tiles(40, 3))


@pytest.mark.parametrize("tile", [16, 33, 70, 500])
@pytest.mark.parametrize("stages", [1, 2, 3])
def test_any_tile(tile: int, stages: int) -> None:
    check(*ready({"a": GramLoss(10.0, LAYERS)}, (71, 85)), tiles=Tiles(tile, stages))


@pytest.mark.parametrize("layers", [["relu1_1"], ["relu2_2"], ["conv3_1"]])
def test_layers_that_end_before_the_cut(layers: list[str]) -> None:
    check(*ready({"a": GramLoss(10.0, layers)}, (61, 50)), tiles=Tiles(32, 3))


@pytest.mark.parametrize("term", [GuidedGramLoss, NearestNeighbourLoss, SlicedWassersteinLoss])
def test_regions(term: type[LossTerm]) -> None:
    inside = (torch.rand(1, 1, 12, 17) > 0.5).float()
    content = F.interpolate(torch.cat([inside, 1 - inside], 1), (97, 141), mode="bilinear")
    style = torch.cat([torch.ones(1, 1, 90, 110).triu(), 1 - torch.ones(1, 1, 90, 110).triu()], 1)
    check(*ready({"a": term(10.0, LAYERS)}, (97, 141), (content, [style])), tiles=Tiles(48, 2))


def test_the_pass_back_keeps_no_more_than_a_tile() -> None:
    objective, x, _ = ready({"a": GramLoss(1.0, ["relu1_1", "relu2_2"])}, (160, 160))
    kept = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept = max(kept, tensor.numel())
        return tensor

    objective.tiles = Tiles(40)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        objective.losses(x.requires_grad_())["loss"].backward()
    # A tile with its margins at 64 channels; the whole picture would be 10 times as much.
    assert kept <= 64 * 56 * 56


def test_kept_graphs_are_not_computed_again_and_change_no_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terms = {"a": GramLoss(10.0, LAYERS), "b": ContentLoss(1.0, ["relu1_2", "relu4_1"])}
    objective, x, _ = ready(terms, (97, 141))
    computed = []
    products = Stage.products
    monkeypatch.setattr(
        Stage, "products", lambda *given: computed.append(given[2]) or products(*given)
    )
    results = []
    for kept in ((), (4, 0), (4, 1), (99, 99)):
        computed.clear()
        losses, gradient = losses_and_gradient(objective, x, Tiles(48, 2, kept))
        results.append((losses, gradient, len(computed)))
    # 6 tiles and 1: all twice, but those that were kept.
    assert [number for *_, number in results] == [14, 10, 9, 7]
    for losses, gradient, _ in results[1:]:
        assert losses == results[0][0]
        assert torch.equal(gradient, results[0][1])
    computed.clear()
    with torch.no_grad():
        objective.losses(x)
    assert len(computed) == 7


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_whoever_watches_is_told_of_each_tile(stages: int) -> None:
    objective, x, _ = ready({"a": GramLoss(1.0, LAYERS)}, (97, 141))
    expected = losses_and_gradient(objective, x, Tiles(48, stages))
    told: list[tuple[int, int]] = []
    objective.on_tile = lambda done, of: told.append((done, of))
    losses, gradient = losses_and_gradient(objective, x, Tiles(48, stages))
    # 6 tiles of 48 px; 24 x 35 and 12 x 17 places are one tile each. Forward and back.
    of = 2 * sum([6, 1, 1][:stages])
    assert told == [(done, of) for done in range(1, of + 1)]
    assert losses == expected[0]
    assert torch.equal(gradient, expected[1])
    told.clear()
    with torch.no_grad():
        objective.losses(x)
    assert told == [(done, of // 2) for done in range(1, of // 2 + 1)]


@pytest.mark.parametrize("name", TERMS)
def test_gradients_lie_as_the_features_do(name: str) -> None:
    """Else all before them in the network is laid out anew, which took half of an evaluation."""
    term = TERMS[name]()
    objective, x, _ = ready({"a": term}, (97, 141))
    for layer, features in objective.encoder(x).items():
        size = (features.shape[-2], features.shape[-1])
        if term.reach(layer, size) is None:
            continue
        height, width = size
        tile = Tile(size, height // 3, height, 0, width // 2, (1, 0))
        features.requires_grad_()
        computed = features[..., 1:, :].contiguous(memory_format=torch.channels_last)
        sums = term.sums(layer, computed, tile)
        (gradient,) = torch.autograd.grad(sum(part.float().sum() for part in sums), computed)
        assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_no_copy_is_watched() -> None:
    objective, _, _ = ready({"a": GramLoss(1.0, ["relu1_1"])}, (32, 32))
    names = set(objective.state_dict())
    lock = threading.Lock()  # which cannot be copied
    objective.on_tile = lambda done, of: lock.release()
    assert copy.deepcopy(objective).on_tile is None
    assert objective.on_tile is not None
    assert set(objective.state_dict()) == names


def test_half_precision_is_the_untiled_one_but_for_rounding() -> None:
    objective, x, _ = ready({"a": ContentLoss(1.0), "b": GramLoss(10.0)}, (97, 141))
    objective.encoder.precision = "bfloat16"
    expected, gradient = losses_and_gradient(objective, x, None)
    losses, in_tiles = losses_and_gradient(objective, x, Tiles(48, 2))
    assert losses == pytest.approx(expected, rel=2e-2)
    assert float((in_tiles - gradient).norm() / gradient.norm()) < 0.1


def test_a_large_search_in_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    term = NearestNeighbourLoss(10.0, LAYERS, metric="cosine", mix=0.4)
    objective, x, targets = ready({"a": term}, (97, 141))
    expected, gradient = losses_and_gradient(objective, x, None)
    for module in ("matched", "nearest_neighbour"):
        monkeypatch.setattr(f"nst_lightning.losses.{module}.LARGE", 0)
    objective.tiles = Tiles(48, 2)
    targets()
    losses, in_tiles = losses_and_gradient(objective, x, Tiles(48, 2))
    assert term.target("relu4_1 match").dtype == torch.bfloat16
    assert losses == pytest.approx(expected, rel=1e-2)
    assert float((in_tiles - gradient).norm() / gradient.norm()) < 0.2


def test_a_term_that_says_nothing_sees_its_layer_whole() -> None:
    class Median(LossTerm):
        def distance(self, layer: str, representation: Tensor, target: Tensor) -> Tensor:
            return (representation.flatten(2).median(2)[0] - 1).square().mean()

    check(
        *ready({"a": Median(1.0, ["relu1_1", "relu2_2", "relu4_1"])}, (97, 141)), tiles=Tiles(48, 2)
    )


def test_an_encoder_that_cannot_be_cut_is_refused() -> None:
    objective = Objective({"a": Keeps()}, Stranger)
    objective.tiles = Tiles(64)
    with pytest.raises(InputError, match=r"^model.encoder: Stranger cannot be computed in tiles"):
        objective.losses(picture())


def test_layers_are_laid_together_without_a_seam() -> None:
    encoder = VGG19Encoder(["relu1_2", "relu2_2", "relu3_4", "relu4_2"], padding="replicate")
    x = picture(3, (101, 75))
    term = SelfSimilarityLoss(1.0, encoder.taps)
    seen = features_in_tiles(encoder, {"a": term}, x, Tiles(32, 3))["a"]
    for layer, features in encoder(x).items():
        torch.testing.assert_close(seen[layer], features, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("length", [16, 97, 100, 101, 1365])
@pytest.mark.parametrize("size", [16, 40, 96, 2000])
@pytest.mark.parametrize("multiple", [1, 4, 8])
def test_bounds(length: int, size: int, multiple: int) -> None:
    found = bounds(length, size, multiple)
    assert found[0] == 0
    assert found[-1] == length
    assert all(at % multiple == 0 for at in found[:-1])
    sides = [after - before for before, after in itertools.pairwise(found)]
    assert min(sides) >= min(multiple, length)
    assert max(sides) <= 1.5 * size + 2 * multiple


@pytest.mark.parametrize("grid", [(24, 35), (12, 17), (7, 35), (97, 141), (1, 1)])
def test_averages_are_the_whole_ones(grid: tuple[int, int]) -> None:
    whole = torch.randn(2, 3, 97, 141, dtype=torch.float64)
    expected = F.adaptive_avg_pool2d(whole, grid)
    found = torch.full_like(expected, torch.nan)
    rows, columns = bounds(97, 40, 1), bounds(141, 40, 1)
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(columns):
            first = max(0, top - 3), max(0, left - 5)
            tile = Tile((97, 141), top, bottom, left, right, first)
            part, own = averages(whole[..., first[0] :, first[1] :], tile, grid)
            own.out_of(found).copy_(part)
    torch.testing.assert_close(found, expected)


def test_ten_steps_end_in_the_same_picture() -> None:
    terms = {"content": ContentLoss(1.0), "style": GramLoss(100.0, LAYERS)}
    ends = []
    for tiles in (None, Tiles(48, 2)):
        objective, _, _ = ready(terms, (73, 97))
        # A descent makes much of little: in float32 two threads and one part ways too.
        objective, x = objective.double(), smooth(3, (73, 97)).double().requires_grad_()
        objective.set_targets(smooth(1, (73, 97)).double(), [smooth(2, (90, 110)).double()], [1.0])
        objective.tiles = tiles
        optimizer = BoundedLBFGS([x])

        def closure(objective: Objective = objective, x: Tensor = x) -> Tensor:
            x.grad = None
            loss = objective.losses(x)["loss"]
            loss.backward()
            return loss

        for _ in range(10):
            optimizer.step(closure)
        ends.append(x.detach())
    assert float((ends[0] - smooth(3, (73, 97))).abs().max()) > 0.05
    assert float((ends[0] - ends[1]).abs().max()) < 1 / 255
