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
    """Return the settings by which runs are told apart: those of short names, and some classes."""
    found = {name: lookup(config, name) for name in _SHOWN}
    for name in _CLASSES:
        value = lookup(config, name)
        found[name] = str(value["class_path"]).rpartition(".")[2] if value else "none"
    plain = (str, int, float, bool)
    return {name: v if isinstance(v, plain) else str(v) for name, v in found.items()}


def log_result(loggers: Any, measures: Mapping[str, float], step: int) -> None:
    """Give each of TensorBoard's loggers the finished picture's measures, beside the settings."""
    for logger in loggers:
        if hasattr(logger, "hparams") and hasattr(logger, "log_hyperparams"):
            named = {f"final/{name}": value for name, value in measures.items()}
            logger.log_hyperparams(dict(logger.hparams), named, step)
