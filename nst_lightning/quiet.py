"""Lightning without its banners, which are of no use to a painter."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only

_RANK_ZERO: Any = rank_zero_only

_HARMLESS = (
    # Lightning 2.6 uses calls that jsonargparse 5 removes; the pin in pyproject.toml answers that.
    r"(?s).*JSONARGPARSE_DEPRECATION_WARNINGS.*",
    r"(?s).*was deprecated in v4.* will be removed in v5.*",
    r".*does not have many workers.*",
    r".*Checkpoint directory .* exists and is not empty.*",
    r".*number of training batches .* is smaller than the logging interval.*",
    r".*you defined a `validation_step` but have no `val_dataloader`.*",
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated.*",
    r".*The `srun` command is available.*",
    r".*GPU available but not used.*",
    r".*Trying to infer the `batch_size`.*",
    r".*LightningCLI's args parameter.*",
    r".*It is recommended to use `self\.log\('.*sync_dist=True\)`.*",
)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's information lines and the warnings that do not apply to one picture.

    A picture is one process's: which of a cluster's processes this is does not matter inside.
    """
    rank, _RANK_ZERO.rank = _RANK_ZERO.rank, 0
    loggers = [logging.getLogger(n) for n in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        with warnings.catch_warnings():
            for pattern in _HARMLESS:
                warnings.filterwarnings("ignore", pattern)
            yield
    finally:
        _RANK_ZERO.rank = rank
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
