"""TensorBoard: a run's settings beside its curves, and no word of TensorFlow's."""

import contextlib
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

from nst_lightning.options import Settings, lookup
from nst_lightning.short_names import SHORT_NAMES

_CLASSES = ("model.content", "model.style", "model.tv", "model.optimizer")
_SHOWN = (
    *SHORT_NAMES.values(),
    "trainer.max_epochs",
    "data.colour",
    "data.scales",
    "data.strokes",
    "model.encoder.pooling",
)


@contextlib.contextmanager
def without_tensorflow() -> Iterator[None]:
    """Let what is imported of TensorBoard do without TensorFlow, where that is installed.

    It would be imported for the names of files alone: seconds, and a dozen lines of its log.
    """
    name = "tensorboard.compat.notf"  # TensorBoard asks for it
    had = name in sys.modules
    sys.modules.setdefault(name, types.ModuleType(name))
    try:
        yield
    finally:
        if not had:
            del sys.modules[name]


def make_logger(folder: str, config: Settings, step: int) -> Any:
    """Return Lightning's logger into ``tensorboard/`` of a run's folder.

    Args:
        folder: Of the run.
        config: All settings, nested.
        step: Where the run begins; what a killed one logged after it is not to stand there twice.

    Raises:
        ModuleNotFoundError: If TensorBoard is not installed.
    """
    with without_tensorflow():
        from lightning.pytorch.loggers import TensorBoardLogger

        logger = TensorBoardLogger(
            folder, name="", version="tensorboard", default_hp_metric=False, purge_step=step
        )
        import torch.utils.tensorboard  # noqa: F401 while there is no TensorFlow
    logger.log_hyperparams(hyperparameters(config))
    return logger


def hyperparameters(config: Settings) -> dict[str, Any]:
    """Return the settings by which runs are told apart: those of short names, and some classes.

    What is null is left out: among numbers a word would make words of them all.
    """
    found = {name: lookup(config, name) for name in _SHOWN}
    for name in _CLASSES:
        value = lookup(config, name)
        found[name] = str(value["class_path"]).rpartition(".")[2] if value else "none"
    plain = (str, int, float, bool)
    found = {name: value for name, value in found.items() if value is not None}
    return {name: v if isinstance(v, plain) else str(v) for name, v in found.items()}


def log_beginning(loggers: Any) -> None:
    """Have each of TensorBoard's loggers show the run among the others: it has begun."""
    for logger in _boards(loggers):
        _summarise(logger)


def log_result(loggers: Any, measures: Mapping[str, float], step: int) -> None:
    """Give each of TensorBoard's loggers the finished picture's measures, beside the settings."""
    for logger in _boards(loggers):
        named = {f"final/{name}": value for name, value in measures.items()}
        logger.log_metrics(named, step)
        _summarise(logger, named)


def _boards(loggers: Any) -> list[Any]:
    from lightning.pytorch.loggers import TensorBoardLogger

    return [logger for logger in loggers if isinstance(logger, TensorBoardLogger)]


def _summarise(logger: Any, measures: Mapping[str, float] | None = None) -> None:
    """Write the settings down as the beginning of a run, with measures its end too.

    Lightning's and torch's own declare an experiment as well, each run one of its own: TensorBoard
    takes the first that it finds, sees no terms or settings that only others have, and shows those
    in which all are alike. Where there is none it looks at all runs, and shows first what differs.
    """
    from torch.utils.tensorboard.summary import hparams

    _, start, end = hparams(dict(logger.hparams), dict(measures or {}))
    writer = logger.experiment.file_writer
    writer.add_summary(start)
    if measures is not None:
        writer.add_summary(end)
    writer.flush()
