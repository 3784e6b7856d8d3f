"""Checks of settings, each failing with one line that names the setting."""

import math
from collections.abc import Sequence
from numbers import Real

from nst_lightning.errors import InputError, did_you_mean


def whole_number(name: str, value: object, least: int, most: int | None = None) -> int:
    """Return ``value`` if it is an integer from ``least`` to ``most``.

    Raises:
        InputError: Otherwise.
    """
    limit = math.inf if most is None else most
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= limit:
        wanted = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{name} must be a whole number {wanted}, not {value!r}")
    return value


def number(
    name: str,
    value: object,
    above: float = -math.inf,
    below: float = math.inf,
    least: float = -math.inf,
    most: float = math.inf,
) -> float:
    """Return ``value`` as a float if it is finite, in ``(above, below)`` and ``[least, most]``.

    Raises:
        InputError: Otherwise.
    """
    as_float = math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        as_float = float(value)
    if not (math.isfinite(as_float) and above < as_float < below and least <= as_float <= most):
        wanted = [f"above {above:g}"] * (above > -math.inf)
        wanted += [f"of at least {least:g}"] * (least > -math.inf)
        wanted += [f"below {below:g}"] * (below < math.inf)
        wanted += [f"of at most {most:g}"] * (most < math.inf)
        limits = f" {' and '.join(wanted)}" if wanted else ""
        raise InputError(f"{name} must be a finite number{limits}, not {value!r}")
    return as_float


def choice(name: str, value: object, known: Sequence[str]) -> str:
    """Return ``value`` if it is one of ``known``.

    Raises:
        InputError: Otherwise; the message names the nearest one.
    """
    if not isinstance(value, str) or value not in known:
        raise InputError(
            f"{name} must be one of {', '.join(known)}, not {value!r}"
            f"{did_you_mean(str(value), known)}"
        )
    return value


def names(name: str, value: Sequence[str]) -> list[str]:
    """Return a list of names, where one name alone is easily given in place of a list.

    Raises:
        InputError: If it is a text.
    """
    if isinstance(value, str):
        raise InputError(f"{name} must be a list of names, not {value!r}; write [{value}]")
    return list(value)


def shares(name: str, weights: Sequence[float] | None, count: int) -> list[float]:
    """Return weights of so many styles, scaled to sum 1; equal ones for None.

    Raises:
        InputError: If there are not as many, one is negative, or all are 0.
    """
    if weights is None:
        return [1 / count] * count
    if len(weights) != count:
        raise InputError(f"{name}: {len(weights)} weights for {count} styles; give one for each")
    total = sum(number(name, weight, least=0) for weight in weights)
    if total == 0:
        raise InputError(f"{name}: all are zero; give at least one above zero")
    if any(0 < weight / total < 1e-6 for weight in weights):
        raise InputError(f"{name}: the smallest of {weights} counts for nothing; use 0, or more")
    return [weight / total for weight in weights]
