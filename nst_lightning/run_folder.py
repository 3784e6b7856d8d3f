"""What a run folder says about its run: its picture, settings, losses and checkpoint."""

import csv
import math
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from nst_lightning.errors import InputError

Curves = dict[str, list[tuple[int, float]]]
"""Term -> (step, weighted loss); the sum is called ``loss``."""

CONFIG, CURVES, CHECKPOINT = "config.yaml", "metrics.csv", "checkpoints/last.ckpt"
PICTURE = "stylized"
"""The name of a run's picture, without its ending."""


class RunFolder:
    """A run's folder; each file is read when it is first asked for, and once.

    What a run writes after that is seen by a new object only. The folder may be bare or missing.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def picture(self) -> Path | None:
        """The picture's file; None if there is none. A stopped run has one, too."""
        return next((p for p in sorted(self.path.glob(f"{PICTURE}.*")) if p.is_file()), None)

    @cached_property
    def checkpoint(self) -> Path | None:
        """The checkpoint of the last step taken; None if there is none."""
        path = self.path / CHECKPOINT
        return path if path.is_file() else None

    @cached_property
    def config_text(self) -> str:
        """``config.yaml`` as it stands; empty if there is none."""
        path = self.path / CONFIG
        try:
            return path.read_text(encoding="utf-8") if path.is_file() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not the configuration of a run: {error}") from error

    @cached_property
    def config(self) -> dict[str, Any]:
        """The run's whole configuration, nested; empty if there is none.

        Raises:
            InputError: If ``config.yaml`` is there but is no configuration of a run.
        """
        if not self.config_text:
            return {}
        why = ""
        try:
            config = yaml.safe_load(self.config_text)
        except yaml.YAMLError as error:
            config, why = None, f": {error}"
        if not isinstance(config, dict) or not isinstance(config.get("data"), dict):
            raise InputError(f"{self.path / CONFIG} is not the configuration of a run{why}")
        return config

    @cached_property
    def curves(self) -> Curves:
        """The losses of ``metrics.csv`` by term, finite values only; empty if there is none."""
        path = self.path / CURVES
        curves: Curves = {}
        if not path.is_file():
            return curves
        with path.open(newline="", encoding="utf-8", errors="replace") as handle:
            for row in csv.DictReader(handle):
                for name, text in row.items():
                    if name != "loss" and not str(name).endswith("_loss"):
                        continue
                    try:
                        step, value = int(row["step"]), float(text)
                    except (KeyError, TypeError, ValueError):
                        continue
                    if math.isfinite(value):
                        curves.setdefault(name.removesuffix("_loss"), []).append((step, value))
        return dict(sorted(curves.items(), key=lambda item: item[0] != "loss"))
