"""One pair painted by the engine of ``fit``, gone on with, or taken from an earlier run."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

from nst_lightning.callbacks import GracefulStop, RunCheckpoint, RunSummary, StyleProgressBar
from nst_lightning.cli import StyleCLI, fit
from nst_lightning.compare.manifest import PICTURE, Manifest, decisive, digest
from nst_lightning.data.which_pictures import Pair
from nst_lightning.errors import InputError
from nst_lightning.quiet import quiet_lightning

OnStep = Callable[[int], None]


class _PreparedCLI(StyleCLI):
    """Parses and builds as ``fit`` does, and leaves the running to the caller."""

    def fit(self, **kwargs: Any) -> None:
        self.fit_arguments = kwargs


@dataclass(frozen=True)
class Plan:
    """What every pair has in common.

    Attributes:
        options: Options of ``fit``, config files first.
        size: Long side of the pictures, in pixels (or what ``data.size_rule`` makes of it).
        settings: The settings that decide what picture comes out.
        steps: Steps of one run.
    """

    options: Sequence[str]
    size: int
    settings: dict[str, Any]
    steps: int


class _Report(Callback):
    """Tells the overall progress about each step."""

    def __init__(self, on_step: OnStep) -> None:
        self._on_step = on_step

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._on_step(trainer.global_step)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
        self._on_step(trainer.global_step)


def make_plan(options: Sequence[str], size: int, pair: Pair, folder: Path) -> Plan:
    """Build a run once, without running it, so that a wrong setting is told before any work.

    Raises:
        InputError: If a setting of ``fit`` is wrong.
    """
    try:
        cli = _prepare(options, size, pair, folder)
        if cli.datamodule.content_mask is not None:
            cli.datamodule.setup("fit")  # it is every pair's
    except InputError as error:
        raise InputError(str(error).replace("--", "--fit.")) from error
    trainer: Any = cli.trainer
    if trainer.max_epochs == 0 or trainer.max_steps == 0:
        raise InputError("--fit.trainer.max_epochs: the run has no step; give at least 1 epoch")
    steps = cli.datamodule.steps_per_epoch * (trainer.max_epochs or 1)
    if trainer.max_steps >= 0:
        steps = min(steps, trainer.max_steps) if trainer.max_epochs else trainer.max_steps
    return Plan(tuple(options), size, decisive(cli.config_dump), steps)


def run_digest(plan: Plan, digests: tuple[str, str]) -> str:
    """Return what tells one run from another: its settings and its two pictures."""
    return digest([plan.settings, *digests])


def is_finished(folder: Path, wanted: str) -> bool:
    """Whether a folder holds the picture of the run that is wanted, or one made elsewhere."""
    made = Manifest.read(folder)
    if not (folder / PICTURE).is_file():
        return False
    return made.run == wanted and made.finished if made.run else True


def is_foreign(folder: Path) -> bool:
    """Whether a folder's picture was made elsewhere, by ``fit`` or in a cloud."""
    return (folder / PICTURE).is_file() and not Manifest.read(folder).run


def paint(plan: Plan, pair: Pair, folder: Path, wanted: str, on_step: OnStep) -> None:
    """Paint a pair into its folder; goes on from the checkpoint of the same, unfinished run.

    Raises:
        InputError: If a picture or a setting is wrong.
        KeyboardInterrupt: If the run was stopped; picture and checkpoint are kept.
    """
    made = Manifest.read(folder)
    checkpoint = folder / "checkpoints" / "last.ckpt"
    more = []
    if made.run == wanted and checkpoint.is_file():
        more = ["--ckpt_path=last"]
    else:
        cli = _prepare(plan.options, plan.size, pair, folder)
        cli.datamodule.setup("fit")  # a picture that cannot be read leaves no folder behind
        for name in (PICTURE, "checkpoints/last.ckpt", "metrics.csv"):
            (folder / name).unlink(missing_ok=True)
        made = replace(made, run=wanted, finished=False, seconds=0.0)
        folder.mkdir(parents=True, exist_ok=True)
        made.write(folder)
    if more:
        cli = _prepare([*plan.options, *more], plan.size, pair, folder)
    started = time.monotonic()
    trainer: Any = cli.trainer
    unwanted = (RunSummary, StyleProgressBar)
    kept = [c for c in trainer.callbacks if not isinstance(c, unwanted)]
    trainer.callbacks = [*kept, _Report(on_step)]
    try:
        with quiet_lightning():
            fit(trainer, **cli.fit_arguments)
        stopped = any(isinstance(c, GracefulStop) and c.received for c in kept)
        made.finished = RunCheckpoint.finished(trainer) or not stopped
    finally:
        made.seconds += time.monotonic() - started
        made.write(folder)
    if not made.finished:
        raise KeyboardInterrupt


def _prepare(options: Sequence[str], size: int, pair: Pair, folder: Path) -> _PreparedCLI:
    given = {
        "data.content": pair.content.source,
        "data.style": pair.style.source,
        "data.size": size,
        "trainer.default_root_dir": folder,
        "images.format": "png",
    }
    with quiet_lightning():
        cli = _PreparedCLI(["fit", *options, *(f"--{key}={value}" for key, value in given.items())])
    # A name such as [1].jpg is a list to YAML.
    cli.datamodule.content_source = pair.content.source
    cli.datamodule.set_styles([pair.style.source])
    return cli
