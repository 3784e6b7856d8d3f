"""How long steps take, and what a run still takes."""

import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence

from lightning.pytorch import Trainer

from nst_lightning.data.image_pair import pictures_of

_RECENT = 10  # steps whose time counts
_STEADY = 3  # steps after a size's first one that say how long its steps take
_REACH = 16  # times the pixels of the largest size known: beyond, a guess would be far off


def at_size(known: Mapping[int, float], pixels: Sequence[int], scale: int) -> float:
    """Estimate the seconds of a step at a scale that has not been painted at yet.

    A step takes a time of its own and a time a pixel, which the two largest scales known tell
    apart; where only one is known, all is taken for its own.

    Args:
        known: Seconds by scale, of at least one.
        pixels: Of each scale.
        scale: The one asked for.
    """
    last = max(known, key=lambda s: pixels[s])
    smaller = [s for s in known if pixels[s] < pixels[last]]
    if not smaller:
        return known[last]
    before = max(smaller, key=lambda s: pixels[s])
    a_pixel = (known[last] - known[before]) / (pixels[last] - pixels[before])
    # Neither part is less than nothing, whatever else the machine was busy with.
    a_pixel = min(max(0.0, a_pixel), known[last] / pixels[last])
    return known[last] + a_pixel * (pixels[scale] - pixels[last])


class Pace:
    """The time of a run's steps.

    A scale's first step prepares it: its pictures are looked at, and kernels chosen. It says
    nothing of the others.

    Attributes:
        seconds: A step takes, by scale: the mean of the last ones, without the first if there are
            others.
    """

    def __init__(self) -> None:
        self._first: dict[int, float] = {}
        self._taken: dict[int, deque[float]] = {}
        self.seconds: dict[int, float] = {}

    def add(self, scale: int, seconds: float) -> None:
        """Note what a step of a scale took."""
        if scale not in self._first:
            self._first[scale] = self.seconds[scale] = seconds
            return
        taken = self._taken.setdefault(scale, deque(maxlen=_RECENT))
        taken.append(seconds)
        self.seconds[scale] = sum(taken) / len(taken)

    def is_steady(self, scale: int) -> bool:
        """Return whether enough steps of a scale have been taken to tell how long they take."""
        return len(self._taken.get(scale, ())) >= _STEADY

    def seconds_left(
        self,
        left: Sequence[int],
        pixels: Sequence[int],
        estimated: Mapping[int, float] | None = None,
    ) -> float | None:
        """Estimate the time that a run still takes.

        None until it is steady: a scale counts once three steps have followed its first one, and
        a guess at a scale yet to come needs two that count, and no more than 16 times the pixels
        of the larger one.

        Args:
            left: Steps left at each scale.
            pixels: Of each scale.
            estimated: Seconds a step, by scale, where no steps tell.
        """
        known = {s: self.seconds[s] for s in self._taken if self.is_steady(s)}
        known |= {s: seconds for s, seconds in (estimated or {}).items() if s not in known}
        # The middle one: a step that waited for another program says nothing of larger ones.
        usual = known | {s: statistics.median(self._taken[s]) for s in known if self.is_steady(s)}
        far = max((pixels[s] for s in known), default=0) * _REACH
        total = 0.0
        for scale, steps in enumerate(left):
            if not steps:
                continue
            if scale in known:
                total += steps * known[scale]
                continue
            if len(known) < 2 or pixels[scale] > far:
                return None
            if scale not in self._first:
                # The run's own first step found its pictures prepared.
                first = {s: t for s, t in self._first.items() if s != min(self._first)}
                total += at_size(first or self._first, pixels, scale)
                steps -= 1
            total += steps * at_size(usual, pixels, scale)
        return total

    def left(self, trainer: Trainer, estimated: Mapping[int, float] | None = None) -> float | None:
        """Estimate the seconds that the run still takes; None if it has no last step.

        Args:
            trainer: With its pictures.
            estimated: As in `seconds_left`, which also says when else it is None.
        """
        pair, steps = pictures_of(trainer), trainer.estimated_stepping_batches
        if math.isinf(steps):
            return None
        left = pair.steps_left(trainer.global_step, int(steps))
        pixels = [math.prod(pair.sizes(scale)[0]) for scale in range(len(pair.scales) + 1)]
        return self.seconds_left(left, pixels, estimated)
