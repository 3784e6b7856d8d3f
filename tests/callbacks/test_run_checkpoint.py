"""A run that was killed goes on from its checkpoint and ends bit for bit where it would have."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.painting import ADAM, TORCH_LBFGS, KillAt, Killed, files, logged, paint
from lightning.pytorch import Callback

from nst_lightning.callbacks import RunCheckpoint
from nst_lightning.errors import InputError

OPTIMISERS = {
    "bounded": (),
    "lbfgs": TORCH_LBFGS,
    "adam": (*ADAM, "--model.clamp=step", "--model.average=0.9"),
    "lbfgs_in_closure": (*TORCH_LBFGS, "--model.clamp=closure"),
}
# Two epochs of five steps; pictures every second step.
COMMON = ("--trainer.max_epochs=2", "--images.every_n_steps=2", "--data.init=noise")

References = dict[str, Path]


@pytest.fixture(scope="session")
def uninterrupted(
    tmp_path_factory: pytest.TempPathFactory, pictures: tuple[Path, Path]
) -> References:
    """Return the folders of runs that nothing disturbed."""
    folders = {name: tmp_path_factory.mktemp(name) for name in OPTIMISERS}
    for name, options in OPTIMISERS.items():
        paint(folders[name], pictures, *COMMON, *options, steps=5)
    return folders


def same(folder: Path, reference: Path) -> None:
    """Check that pictures and losses are those of the undisturbed run."""
    pngs = [name for name in files(reference) if name.endswith(".png")]
    assert len(pngs) == 7
    assert [name for name in files(folder) if name.endswith(".png")] == pngs
    for name in pngs:
        assert (folder / name).read_bytes() == (reference / name).read_bytes(), name
    rows = logged(folder)
    assert [int(row["step"]) for row in rows] == list(range(10))
    assert [int(row["epoch"]) for row in rows] == [0] * 5 + [1] * 5
    assert rows == logged(reference)


# every 3: in the middle of an epoch; 5: at its very end; the kill comes between two checkpoints,
# or in the last hook of the step that has just been saved.
@pytest.mark.parametrize(
    ("name", "every", "kill"),
    [
        *(("bounded", *when) for when in [(3, 5), (3, 8), (5, 7), (1, 9), (4, 10)]),
        *((name, *when) for name in list(OPTIMISERS)[1:] for when in [(3, 8), (5, 7)]),
    ],
)
def test_resume_is_exact(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    uninterrupted: References,
    name: str,
    every: int,
    kill: int,
) -> None:
    options = (*COMMON, *OPTIMISERS[name], f"--checkpoint.every_n_steps={every}")
    with pytest.raises(Killed):
        paint(tmp_path, pictures, *options, steps=5, callbacks=[KillAt(kill)])
    (tmp_path / "stylized.png").unlink()  # a killed process writes none
    saved = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == (kill - 1) // every * every
    session = paint(tmp_path, pictures, *options, "--ckpt_path=last", steps=5)
    assert session.trainer.global_step == 10
    same(tmp_path, uninterrupted[name])


def test_resume_twice(
    tmp_path: Path, pictures: tuple[Path, Path], uninterrupted: References
) -> None:
    options = (*COMMON, "--checkpoint.every_n_steps=2")
    for kill, resume in ((4, ()), (7, ("--ckpt_path=last",))):
        with pytest.raises(Killed):
            paint(tmp_path, pictures, *options, *resume, steps=5, callbacks=[KillAt(kill)])
    paint(tmp_path, pictures, *options, "--ckpt_path=last", steps=5)
    same(tmp_path, uninterrupted["bounded"])


def test_resume_without_the_log_of_the_first_part(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    options = (*COMMON, "--checkpoint.every_n_steps=3")
    with pytest.raises(Killed):
        paint(tmp_path, pictures, *options, steps=5, callbacks=[KillAt(5)])
    (tmp_path / "metrics.csv").unlink()
    paint(tmp_path, pictures, *options, "--ckpt_path=last", steps=5)
    assert [int(row["step"]) for row in logged(tmp_path)] == list(range(3, 10))


class KillAfterTheLastStep(Callback):
    """Ends the process when the last step is saved and the result is not yet written."""

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        raise Killed


@pytest.mark.parametrize("length", ["--trainer.max_epochs=2", "--trainer.max_steps=10"])
def test_killed_between_the_last_step_and_the_result(
    tmp_path: Path, pictures: tuple[Path, Path], uninterrupted: References, length: str
) -> None:
    options = (*COMMON, length, "--checkpoint.every_n_steps=5")
    with pytest.raises(Killed):
        paint(tmp_path, pictures, *options, steps=5, callbacks=[KillAfterTheLastStep()])
    (tmp_path / "stylized.png").unlink()
    paint(tmp_path, pictures, *options, "--ckpt_path=last", steps=5)
    result = (tmp_path / "stylized.png").read_bytes()
    if "max_epochs" in length:
        assert result == (uninterrupted["bounded"] / "stylized.png").read_bytes()
    assert [int(row["step"]) for row in logged(tmp_path)] == list(range(10))


def test_a_finished_run_says_so(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    paint(tmp_path, pictures, steps=3)
    before = (tmp_path / "stylized.png").read_bytes()
    rows = logged(tmp_path)
    capsys.readouterr()
    paint(tmp_path, pictures, "--ckpt_path=last", steps=3)
    assert "the run is finished already, at step 3; to go on" in capsys.readouterr().out
    assert (tmp_path / "stylized.png").read_bytes() == before
    assert logged(tmp_path) == rows


def test_a_finished_run_is_extended(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    paint(tmp_path, pictures, steps=5)
    session = paint(tmp_path, pictures, "--ckpt_path=last", "--trainer.max_epochs=2", steps=5)
    assert session.trainer.global_step == 10
    assert [int(row["step"]) for row in logged(tmp_path)] == list(range(10))
    losses = [float(row["loss"]) for row in logged(tmp_path)]
    assert all(later <= earlier for earlier, later in pairwise(losses))


def test_a_bounded_run_is_extended_exactly(
    tmp_path: Path, pictures: tuple[Path, Path], uninterrupted: References
) -> None:
    # No guard puts another picture in place: the extension is the run of two epochs.
    options = (*COMMON, "--trainer.max_epochs=1", "--checkpoint.optimizer=full")
    paint(tmp_path, pictures, *options, steps=5)
    paint(tmp_path, pictures, *COMMON, "--ckpt_path=last", steps=5)
    reference = uninterrupted["bounded"]
    assert (tmp_path / "images" / "step-00010.png").read_bytes() == (
        reference / "images" / "step-00010.png"
    ).read_bytes()
    assert logged(tmp_path) == logged(reference)


def test_checkpoint_on_time_and_at_the_end(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    seen: list[int] = []

    class Watch(Callback):
        def on_save_checkpoint(self, trainer: Any, *args: Any) -> None:
            seen.append(trainer.global_step)

    paint(tmp_path, pictures, "--checkpoint.every_n_steps=2", steps=5, callbacks=[Watch()])
    assert seen == [2, 4, 5]
    assert files(tmp_path / "checkpoints") == ["last.ckpt"]


def test_the_log_is_on_the_disk_before_the_checkpoint_is(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    """A run that is killed between the two would lack a row for ever."""
    rows: list[tuple[int, int]] = []

    class Look(Callback):
        def on_save_checkpoint(self, trainer: Any, *args: Any) -> None:
            rows.append((trainer.global_step, len(logged(tmp_path / "often"))))

    paint(tmp_path / "often", pictures, "--checkpoint.every_n_steps=2", callbacks=[Look()])
    assert rows == [(2, 2), (4, 4), (6, 6)]
    paint(tmp_path / "never", pictures, "--trainer.enable_checkpointing=false")
    files = [(tmp_path / name / "metrics.csv").read_bytes() for name in ("often", "never")]
    assert files[0] == files[1]


def test_every_n_steps_below_one() -> None:
    with pytest.raises(InputError, match=r"checkpoint\.every_n_steps: 0 is not at least 1"):
        RunCheckpoint(0)


@pytest.mark.parametrize(
    ("optimizer", "before", "after"), [("full", 1, 1), ("light", 1, 0), ("none", 0, 0)]
)
def test_how_long_the_optimisers_state_is_kept(
    tmp_path: Path, pictures: tuple[Path, Path], optimizer: str, before: int, after: int
) -> None:
    kept: list[int] = []
    path = tmp_path / "checkpoints" / "last.ckpt"

    class Look(Callback):
        def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
            if trainer.global_step == 3:
                kept.append(len(torch.load(path, weights_only=True)["optimizer_states"]))

    options = (f"--checkpoint.optimizer={optimizer}", "--checkpoint.every_n_steps=3")
    paint(tmp_path, pictures, *options, steps=5, callbacks=[Look()])
    kept.append(len(torch.load(path, weights_only=True)["optimizer_states"]))
    assert kept == [before, after]
    # It goes on from there, whatever was kept; without it by another optimiser too.
    more = ("--trainer.max_epochs=2", "--ckpt_path=last", *(() if after else ADAM))
    session = paint(tmp_path, pictures, *options, *more, steps=5)
    assert session.trainer.global_step == 10


def test_none_of_the_ways_to_keep_it() -> None:
    with pytest.raises(InputError, match=r"^checkpoint\.optimizer"):
        RunCheckpoint(optimizer="some")  # type: ignore[arg-type]
