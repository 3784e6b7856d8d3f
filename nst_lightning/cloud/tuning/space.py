"""What is searched: ranges of settings, and the metric that decides."""

import math
from dataclasses import dataclass, field
from typing import Literal

from jsonargparse.typing import PositiveInt

from nst_lightning.errors import InputError


@dataclass
class Range:
    """Where a weight is searched.

    Attributes:
        min: Least value.
        max: Greatest value.
        scale: ``log`` for weights that matter by their ratio, or ``linear``.
    """

    min: float
    max: float
    scale: Literal["log", "linear"] = "log"


@dataclass
class Tuning:
    """How weights are searched.

    Attributes:
        ranges: Setting of train.py -> where it is searched.
        objective: Name of a logged metric.
        goal: Whether it shall be small or large.
        max_jobs: Trials in all.
        strategy: How values are chosen.
        seed: Of the search.
    """

    ranges: dict[str, Range] = field(default_factory=dict)
    objective: str = "tradeoff"
    goal: Literal["minimize", "maximize"] = "minimize"
    max_jobs: PositiveInt = 12
    strategy: Literal["Bayesian", "Random"] = "Bayesian"
    seed: int = 0


def check_ranges(tuning: Tuning) -> None:
    """Check the ranges of a search.

    Raises:
        InputError: Naming the key.
    """
    if not tuning.ranges:
        raise InputError("tuning.ranges: there is nothing to search; give model.style.weight, say")
    for key, item in tuning.ranges.items():
        if not (math.isfinite(item.min) and math.isfinite(item.max) and item.min < item.max):
            raise InputError(f"tuning.ranges.{key}: {item.min} to {item.max} is no range")
        if item.scale == "log" and item.min <= 0:
            raise InputError(f"tuning.ranges.{key}: a log scale needs a min above 0")
