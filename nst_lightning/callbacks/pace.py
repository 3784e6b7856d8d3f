"""How long steps take, and what a run still takes."""

import math
from collections import deque
from collections.abc import Mapping, Sequence

from lightning.pytorch import Trainer

from nst_lightning.data.image_pair import pictures_of

_RECENT = 10  # steps whose mean time counts


def seconds_left(pace: Mapping[int, float], left: Sequence[int], pixels: Sequence[int]) -> float:
    """Estimate the time that a run still takes.

    Args:
        pace: Seconds a step by scale, of at least one; others are estimated by their pixels from
            the largest one known.
        left: Steps left at each scale.
        pixels: Of each scale.
    """
    known = max(pace)
    each = [pace.get(s, pace[known] * size / pixels[known]) for s, size in enumerate(pixels)]
    return sum(steps * seconds for steps, seconds in zip(left, each, strict=True))


class Pace:
    """The time of a run's steps.

    Attributes:
        seconds: A step takes, by scale: the mean of the last ones.
    """

    def __init__(self) -> None:
        self._taken: dict[int, deque[float]] = {}
        self.seconds: dict[int, float] = {}

    def add(self, scale: int, seconds: float) -> None:
        """Note what a step of a scale took."""
        taken = self._taken.setdefault(scale, deque(maxlen=_RECENT))
        taken.append(seconds)
        self.seconds[scale] = sum(taken) / len(taken)

    def left(self, trainer: Trainer, estimated: Mapping[int, float] | None = None) -> float | None:
        """Estimate the seconds that the run still takes, once a step's time is known.

        None if the run has no last step.

        Args:
            trainer: With its pictures.
            estimated: Seconds a step, by scale, where no step has ended yet.
        """
        pair, steps = pictures_of(trainer), trainer.estimated_stepping_batches
        if math.isinf(steps):
            return None
        left = pair.steps_left(trainer.global_step, int(steps))
        pixels = [math.prod(pair.sizes(scale)[0]) for scale in range(len(pair.scales) + 1)]
        return seconds_left({**self.seconds, **(estimated or {})}, left, pixels)
