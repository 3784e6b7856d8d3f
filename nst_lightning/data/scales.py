"""The sizes that a picture is painted at, from coarse to fine."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from nst_lightning.checks import whole_number
from nst_lightning.data.sides import check_size
from nst_lightning.errors import InputError


@dataclass
class Scale:
    """A size to paint at before the final one.

    Attributes:
        size: In pixels, read by ``size_rule``.
        steps: Optimiser steps at this size.
    """

    size: int
    steps: int


COARSEST = 64
"""Size in pixels at which octaves begin: where forms are decided, whatever size they end at."""


def octaves(size: int, steps: int) -> list[Scale]:
    """Return sizes from 64 pixels on, each about twice the one before, up to below ``size``."""
    count = round(math.log2(size / COARSEST)) if size > COARSEST else 0
    return [Scale(round(COARSEST * (size / COARSEST) ** (k / count)), steps) for k in range(count)]


def checked_scales(given: Sequence[Scale | dict[str, int]], size: int) -> list[Scale]:
    """Return the scales before a final size, from coarse to fine.

    Raises:
        InputError: If they do not grow up to the final size, or a number is out of range.
    """
    scales = [scale if isinstance(scale, Scale) else Scale(**scale) for scale in given]
    for place, scale in enumerate(scales, start=1):
        whole_number(f"data.scales: the steps of scale {place}", scale.steps, 1)
        check_size(scale.size, f"data.scales: the size of scale {place}")
    sizes = [*(scale.size for scale in scales), size]
    if any(after <= before for before, after in itertools.pairwise(sizes)):
        raise InputError(
            f"data.scales: the sizes {sizes} (data.size last) must grow from one to the next"
        )
    return scales
