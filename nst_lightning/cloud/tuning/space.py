"""What is searched: ranges of settings, and the metric that decides."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from nst_lightning.errors import InputError, did_you_mean


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
    scale: str = "log"


@dataclass
class Tuning:
    """How weights are searched.

    Attributes:
        ranges: Setting of train.py -> where it is searched.
        objective: Name of a logged metric.
        goal: ``minimize`` or ``maximize``.
        max_jobs: Trials in all.
        strategy: ``Bayesian`` or ``Random``.
        seed: Of the search.
    """

    ranges: dict[str, Range] = field(default_factory=dict)
    objective: str = "tradeoff"
    goal: str = "minimize"
    max_jobs: int = 12
    strategy: str = "Bayesian"
    seed: int = 0


def check_tuning(tuning: Tuning, metrics: Sequence[str]) -> None:
    """Check a search against what the jobs log.

    Args:
        tuning: As asked for.
        metrics: Names of the logged metrics.

    Raises:
        InputError: Naming the key.
    """
    if not tuning.ranges:
        raise InputError("tuning.ranges: there is nothing to search; give model.style.weight, say")
    for key, item in tuning.ranges.items():
        if not (math.isfinite(item.min) and math.isfinite(item.max) and item.min < item.max):
            raise InputError(f"tuning.ranges.{key}: {item.min} to {item.max} is no range")
        if item.scale not in ("log", "linear"):
            raise InputError(f"tuning.ranges.{key}.scale: {item.scale} is not log or linear")
        if item.scale == "log" and item.min <= 0:
            raise InputError(f"tuning.ranges.{key}: a log scale needs a min above 0")
    if tuning.objective not in metrics:
        near = did_you_mean(tuning.objective, metrics)
        raise InputError(
            f"tuning.objective: no metric {tuning.objective} is logged{near} "
            f"(there are {', '.join(metrics)})"
        )
    if tuning.goal not in ("minimize", "maximize"):
        raise InputError(f"tuning.goal: {tuning.goal} is not minimize or maximize")
    if tuning.strategy not in ("Bayesian", "Random"):
        raise InputError(f"tuning.strategy: {tuning.strategy} is not Bayesian or Random")
    if tuning.max_jobs < 1:
        raise InputError(f"tuning.max_jobs: {tuning.max_jobs} is not at least 1")
