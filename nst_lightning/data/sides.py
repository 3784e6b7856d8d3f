"""What a picture must have to be painted: sides long enough, and something to see; no torch."""

import math
import operator
from collections.abc import Iterable
from typing import SupportsIndex

from nst_lightning.errors import InputError

MINIMUM_SIDE = 16
"""Pixels: below this the deepest layers of VGG-19 have nothing left to look at."""
MAXIMUM_SIDE = 16384
"""Pixels: the largest long side that may be asked for."""


def check_size(size: object, key: str = "size") -> int:
    """Refuse a long side that is no whole number from `MINIMUM_SIDE` to `MAXIMUM_SIDE` pixels."""
    if isinstance(size, bool) or not isinstance(size, SupportsIndex):
        raise InputError(f"{key} must be a whole number of pixels, not {size!r}")
    value = operator.index(size)
    if not MINIMUM_SIDE <= value <= MAXIMUM_SIDE:
        raise InputError(
            f"{key} is {value}, but must be from {MINIMUM_SIDE} to {MAXIMUM_SIDE} pixels"
        )
    return value


def fit_long_side(width: int, height: int, size: int) -> tuple[int, int]:
    """Return ``(height, width)`` with the long side ``size`` and the other rounded, at least 1."""
    long, short = max(width, height), min(width, height)
    # Integers throughout: halves are rounded up whatever the sizes.
    other = max(1, (2 * short * size + long) // (2 * long))
    return (other, size) if width >= height else (size, other)


def check_sides(name: str, width: int, height: int, size: int | None = None) -> None:
    """Refuse a picture with a side under `MINIMUM_SIDE` pixels, before or after resizing.

    ``size`` is the long side that it is to get; None if it stays as it is, or is not known yet.
    """
    least = f"every side must have at least {MINIMUM_SIDE}"
    if min(width, height) < MINIMUM_SIDE:
        raise InputError(f"{name} is {width} x {height} pixels; {least}: use another picture")
    if size is None:
        return
    new_height, new_width = fit_long_side(width, height, size)
    if min(new_width, new_height) < MINIMUM_SIDE:
        needed = math.ceil(MINIMUM_SIDE * max(width, height) / min(width, height))
        advice = f"use size {needed} or more, or crop it" if needed <= MAXIMUM_SIDE else "crop it"
        raise InputError(
            f"{name} is {width} x {height} pixels and becomes {new_width} x {new_height} "
            f"at size {size}; {least}: {advice}"
        )


def wholly_transparent(name: str, notes: Iterable[str] = ()) -> InputError:
    """Return the refusal of a picture of which no pixel is visible, with what was noted of it."""
    why = "; ".join(["there is nothing to see in it", *notes])
    return InputError(f"{name} is wholly transparent: {why}")
