"""Small runs of the command line, for the tests of what happens during a run."""

import csv
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

from nst_lightning.options import to_words
from nst_lightning.session import Session, open_words

ADAM = ("--model.optimizer=torch.optim.Adam", "--model.optimizer.lr=0.02")
FAST_ADAM = ("--model.optimizer=torch.optim.Adam", "--model.optimizer.lr=0.3")
TORCH_LBFGS = ("--model.optimizer=torch.optim.LBFGS", "--model.optimizer.max_iter=1")


# An objective of their own, so that the tests stand when the framework's defaults change.
OBJECTIVE = {
    "model.content": "nst_lightning.losses.ContentLoss",
    "model.content.weight": 1.0,
    "model.content.reduction": "mean",
    "model.content.layers": ["conv1_1"],
    "model.content.layer_weights": None,
    "model.style": "nst_lightning.losses.GramLoss",
    "model.style.weight": 1e5,
    "model.style.layers": ["conv1_1", "relu2_1"],
    "model.style.layer_weights": None,
    "model.style.divisor": "chw",
    "model.tv": "nst_lightning.losses.TotalVariationLoss",
    "model.tv.weight": 0.0,
    "model.tv.reduction": "sum",
    "model.encoder.padding": "zeros",
    "model.encoder.precision": "float32",  # the same on every processor
    "model.optimizer": "nst_lightning.optim.BoundedLBFGS",
    "model.clamp": "none",
    "model.average": None,
    "data.init": "content",
    "data.scales": None,
    "data.detail": "content",
    "data.colour": "style",
}


def small_run(folder: Path, pictures: tuple[Path, Path], steps: int = 6) -> dict[str, Any]:
    """Return the settings of a run of a second: 32 px, two layers, a few steps."""
    return {
        "data.content": str(pictures[0]),
        "data.style": str(pictures[1]),
        "data.size": 32,
        "data.steps_per_epoch": steps,
        **OBJECTIVE,
        "trainer.max_epochs": 1,
        "trainer.accelerator": "cpu",
        "trainer.default_root_dir": str(folder),
    }


def arguments(folder: Path, pictures: tuple[Path, Path], *args: str, steps: int = 6) -> list[str]:
    """Return the same as a command line, with further options."""
    return ["fit", *to_words(small_run(folder, pictures, steps)), *args]


def paint(
    folder: Path,
    pictures: tuple[Path, Path],
    *args: str,
    steps: int = 6,
    callbacks: Sequence[Callback] = (),
    prepare: Callable[[Session], Any] | None = None,
) -> Session:
    """Run the command line in this process.

    Args:
        callbacks: Placed before the framework's own, where ``trainer.callbacks`` places them too.
        prepare: Called with the session when all is built and before the trainer runs.
    """
    session = open_words(arguments(folder, pictures, *args, steps=steps)[1:])
    if prepare is not None:
        prepare(session)
    session.run(*callbacks)
    return session


def fit(words: Sequence[str]) -> Session:
    """Run ``fit`` with these options in this process."""
    session = open_words(words)
    session.run()
    return session


def logged(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a run's metrics.csv."""
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def files(folder: Path) -> list[str]:
    """Return every file under a folder, hidden ones too."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


class Killed(BaseException):
    """Stands for the end of the process: nothing that mends ordinary errors may catch it."""


class KillAt(Callback):
    """Raises at the end of a step, before any other callback has seen that step."""

    def __init__(self, step: int, error: BaseException | None = None) -> None:
        self.step = step
        self.error = Killed() if error is None else error

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        if trainer.global_step == self.step:
            raise self.error


class SignalAt(Callback):
    """Sends signals to this process while a step is under way."""

    def __init__(self, step: int, times: int = 1, number: int = int(signal.SIGINT)) -> None:
        self.step, self.times, self.number = step, times, number

    def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
        if trainer.global_step == self.step - 1:
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)
