"""Checks of settings, each failing with one line that names the setting."""

import math

from nst_lightning.errors import InputError


def whole_number(name: str, value: object, least: int) -> int:
    """Return ``value`` if it is an integer of at least ``least``.

    Raises:
        InputError: Otherwise.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return value


def number(
    name: str,
    value: object,
    above: float = -math.inf,
    below: float = math.inf,
    least: float = -math.inf,
) -> float:
    """Return ``value`` as a float if it is finite, in ``(above, below)`` and at least ``least``.

    Raises:
        InputError: Otherwise.
    """
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or not (above < value < below and value >= least):  # type: ignore[operator]
        wanted = [f"above {above:g}"] * (above > -math.inf)
        wanted += [f"at least {least:g}"] * (least > -math.inf)
        wanted += [f"below {below:g}"] * (below < math.inf)
        range_ = f" {' and '.join(wanted)}" if wanted else ""
        raise InputError(f"{name} must be a number{range_}, not {value!r}")
    return float(value)  # type: ignore[arg-type]
