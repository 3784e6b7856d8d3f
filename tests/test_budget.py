"""What is chosen for an amount of memory, and what is refused."""

import itertools
import os
from pathlib import Path

import pytest
import torch
from helpers.painting import paint
from lightning.pytorch import Callback

from nst_lightning.budget import Budget, Plan, budget, choose, plans
from nst_lightning.encoder import VGG19Encoder
from nst_lightning.errors import InputError
from nst_lightning.losses import ContentLoss, GramLoss, LossTerm
from nst_lightning.peak import Job, tiles_kept
from nst_lightning.session import open_run
from nst_lightning.stages import Tiles

CPU = torch.device("cpu")
LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1"]


class Whole(LossTerm):
    """It does not say how it adds up."""

    def distance(self, layer, representation, target):
        return (representation - target).square().mean()


@pytest.fixture(scope="module")
def encoder() -> VGG19Encoder:
    return VGG19Encoder([*LAYERS, "relu4_2"])


def job(encoder: VGG19Encoder, side: int, pairs: int = 20, **more: LossTerm) -> Job:
    terms = {"content": ContentLoss(1.0), "style": GramLoss(1.0, LAYERS), **more}
    size = (side, side * 3 // 4)
    return Job(encoder, terms, size, [size], half=True, pairs=pairs)


def test_whole_where_it_fits(encoder: VGG19Encoder) -> None:
    plan = choose(job(encoder, 512), 8e9)
    assert plan.tiles is None
    assert (plan.pairs, plan.half_pairs) == (20, False)


def test_less_memory_means_smaller_pairs_and_then_tiles(encoder: VGG19Encoder) -> None:
    wanted = job(encoder, 2048)
    all_, stages = list(plans(wanted)), [0]
    chosen = choose(wanted, max(plan.peak for plan in all_))
    assert (chosen.tiles, chosen.pairs, chosen.half_pairs) == (None, 20, False)
    while chosen.peak > min(plan.peak for plan in all_):
        less = choose(wanted, chosen.peak - 1)
        slower = (less.tiles.stages if less.tiles else 0) - stages[-1]
        assert slower >= 0
        # Another stage only where no fewer pairs would do.
        assert not slower or (chosen.pairs, chosen.half_pairs) == (5, True)
        stages.append(stages[-1] + slower)
        chosen = less
    assert set(stages) == {0, 1, 2, 3}
    assert (chosen.pairs, chosen.half_pairs) == (5, True)


def test_memory_to_spare_keeps_graphs(encoder: VGG19Encoder) -> None:
    wanted = job(encoder, 2048)
    least = min(plans(wanted), key=lambda plan: plan.peak)
    kept = []
    for more in (0.0, 3e8, 1e9):
        chosen = choose(wanted, least.peak + more)
        assert chosen.tiles is not None
        assert chosen.half_pairs
        kept.append(sum(tiles_kept(wanted, least.tiles, more)))
    assert kept[0] == 0 < kept[1] < kept[2]
    # 2048 x 1536 px in tiles of 256, 128 and 85 places of what the stages begin with.
    assert tiles_kept(wanted, least.tiles, 1e12) == (8 * 6, 4 * 3, 3 * 2)


def test_the_history_asked_for_is_never_exceeded(encoder: VGG19Encoder) -> None:
    assert {plan.pairs for plan in plans(job(encoder, 2048, pairs=8))} == {8, 5}
    assert {plan.pairs for plan in plans(job(encoder, 2048, pairs=0))} == {0}


def test_memory_grows_no_faster_than_the_pixels(encoder: VGG19Encoder) -> None:
    peaks = [min(p.peak for p in plans(job(encoder, side))) for side in (1024, 2048, 4096, 8192)]
    for small, large in itertools.pairwise(peaks):
        assert small < large <= 4.01 * small


def test_too_large_is_refused_with_the_largest_size(encoder: VGG19Encoder) -> None:
    with pytest.raises(InputError, match=r"^model.memory: 6144x8192 px need .* GB") as caught:
        choose(job(encoder, 8192), 2e9)
    side = int(str(caught.value).split("a long side of ")[1].split()[0])
    assert 512 < side < 8192
    choose(job(encoder, side), 2e9)
    with pytest.raises(InputError):
        choose(job(encoder, side + 64), 2e9)


def test_less_than_the_program_takes_is_refused_with_what_is_enough(
    encoder: VGG19Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nst_lightning.budget.taken", lambda device: 0.7e9)  # it varies by a page
    wanted, own = job(encoder, 512), r"than the 0\.7 GB that the program takes before"
    with pytest.raises(InputError, match=rf"^model.memory: 300MB is less {own}") as caught:
        Budget("300MB").plan(wanted, wanted, CPU)
    enough = str(caught.value).split("give ")[1].split(" or")[0]
    assert Budget(enough).plan(wanted, wanted, CPU) is not None
    assert float(enough.removesuffix(" GB")) < 4


def test_a_term_that_is_seen_whole_is_named(encoder: VGG19Encoder) -> None:
    mine = Whole(1.0, ["relu1_1", "relu4_1"])
    with pytest.raises(InputError, match=r"the term mine \(Whole\) sees relu1_1 whole: leave it"):
        choose(job(encoder, 4096, mine=mine), 4e9)


@pytest.mark.parametrize(
    ("given", "bytes_"),
    [("80GB", 80e9), ("80 gb", 80e9), ("0.08TB", 80e9), ("64GiB", 2**36), ("1TiB", 2**40)],
)
def test_amounts(given: str, bytes_: float) -> None:
    assert bytes_ - 8e9 < budget(given, CPU) < bytes_


@pytest.mark.parametrize("given", ["much", "", "-3GB", "0", "8", "0GB", "8GBs", "8 QB"])
def test_no_amount(given: str) -> None:
    with pytest.raises(InputError, match=r"^model.memory: .* is no amount of memory"):
        budget(given, CPU)


def test_auto_is_less_than_the_machine_has() -> None:
    assert 0 < budget("auto", CPU) < 1e14


def test_a_line_where_something_was_chosen(
    encoder: VGG19Encoder, capsys: pytest.CaptureFixture[str]
) -> None:
    given = Budget("1000GB")
    assert given.plan(job(encoder, 256), job(encoder, 1024), CPU) is not None
    said = capsys.readouterr().err
    assert said.startswith("memory: 768x1024 px computed whole: about ")
    given.plan(job(encoder, 512), None, CPU)
    assert capsys.readouterr().err == ""
    assert Budget(None).plan(job(encoder, 256), job(encoder, 1024), CPU) is None


def test_a_resumed_run_is_cut_as_before() -> None:
    first, second, other = Budget("auto"), Budget("auto"), Budget("70GB")
    first._bytes = 12345.0
    second.load_state_dict(first.state_dict())
    other.load_state_dict(first.state_dict())
    assert second.state_dict() == {"given": "auto", "bytes": 12345.0}
    assert other.state_dict() == {"given": "70GB", "bytes": None}


def test_refused_before_anything_is_written(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    settings = {
        "data.content": str(pictures[0]),
        "data.style": str(pictures[1]),
        "data.size": 64,
        "trainer.default_root_dir": str(tmp_path / "out"),
        "model.memory": "1MB",
    }
    with pytest.raises(InputError, match=r"^model.memory: 1MB is less than"):
        open_run(settings).run()
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_tiles_are_taken_where_the_memory_asks_for_them(
    tmp_path: Path, pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nst_lightning.budget._TILES", (Tiles(40, 2),))
    options = ("--data.size=64", "--data.scales", "[{size: 32, steps: 2}]")
    session = paint(tmp_path, pictures, *options, steps=4)
    assert session.model.objective.tiles == Tiles(40, 2)
    monkeypatch.setattr("nst_lightning.budget._free", lambda device: 1.0)
    # It goes on as it began, with as much as there was then.
    again = paint(tmp_path, pictures, *options, "--ckpt_path=last", "--trainer.max_epochs=2")
    assert again.trainer.global_step > session.trainer.global_step


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only there it is known")
def test_a_refined_run_is_cut_anew(
    tmp_path: Path, pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_precision(job: Job, bytes_: float) -> Plan:
        return Plan(Tiles(48, 1) if job.half else Tiles(40, 2), 3, True, 0.0)

    monkeypatch.setattr("nst_lightning.budget.choose", by_precision)
    seen = []

    class Refines(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if batch_idx == 2:
                assert pl_module._refine()
            seen.append(
                (pl_module.objective.tiles, trainer.optimizers[0].param_groups[0]["history"])
            )

    options = ("--data.scales=null", "--model.encoder.precision=bfloat16")
    session = paint(tmp_path, pictures, *options, steps=4, callbacks=[Refines()])
    assert seen == [(Tiles(48, 1), 3)] * 2 + [(Tiles(40, 2), 3)] * 2
    assert session.model.objective.refined


def test_a_limit_of_the_address_space_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + 10**9
    monkeypatch.setattr(resource, "getrlimit", lambda _: (most, most))
    assert 0.5e9 < budget("auto", torch.device("cpu")) < 0.9e9
