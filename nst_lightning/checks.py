"""Checks of settings, each failing with one line that names the setting."""

import functools
import inspect
import math
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypeVar

from nst_lightning.errors import InputError, did_you_mean

_Function = TypeVar("_Function", bound=Callable[..., Any])
_PLAIN: dict[Any, tuple[Any, str]] = {  # -> what passes for it, and its name in plain words
    str: (str, "a text"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    bool: (bool, "true or false"),
    Sequence: ((Sequence, list), "a list"),
    Mapping: (Mapping, "a mapping"),
    Callable: (Callable, "a function"),
    os.PathLike: (os.PathLike, "a path"),
    type(None): (type(None), "None"),
}


def typed(**words: str) -> Callable[[_Function], _Function]:
    """Let a public function refuse arguments of other types than its annotations say.

    NumPy's and torch's numbers are numbers. What is annotated as Any, or as a part of something
    else than a list, is not looked at.

    Args:
        words: Argument -> what to call that which is expected, where the types do not say it well.
    """

    def wrap(function: _Function) -> _Function:
        hints: dict[str, Any] = {}  # found at the first call: not all names are there before
        signature = inspect.signature(function)

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            hints.update(hints or typing.get_type_hints(function))
            given = signature.bind(*args, **kwargs)
            for name, value in given.arguments.items():
                if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
                    value = given.arguments[name] = value.item()
                hint = hints.get(name, Any)
                several = signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
                values = value if several else [value]
                if wrong := [part for one in values for part in _misfits(one, hint)]:
                    expected = words.get(name) or " or ".join(dict.fromkeys(_named(hint)))
                    raise InputError(f"{name}: expected {expected}, not {type_of(wrong[0])}")
            return function(*given.args, **given.kwargs)

        return typing.cast(_Function, checked)

    return wrap


def type_of(value: Any) -> str:
    """Return what a value of a wrong type is, such as ``numpy.ndarray``."""
    kind = value if isinstance(value, type) else type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    shown = f" {value!r:.40}" if isinstance(value, str | int | float) else ""
    return f"{'the class ' * (kind is value)}{module}{kind.__name__}{shown}"


def _parts(hint: Any) -> tuple[Any, ...]:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return tuple(p for part in typing.get_args(hint) for p in _parts(part)) if union else (hint,)


def _misfits(value: Any, hint: Any) -> list[Any]:
    """Return nothing if a value is of a type, else the value, or what is wrong in a list."""
    inside = [value]
    for part in _parts(hint):
        kind = typing.get_origin(part) or part
        if part is Any or kind is typing.Literal:  # a value, which the function looks at
            return []
        if not isinstance(value, _PLAIN.get(kind, (kind,))[0]):
            continue
        if isinstance(value, bool) and bool not in _parts(hint):
            continue
        if kind is not Sequence:
            return []
        if isinstance(value, str | bytes):
            continue
        inside = [wrong for item in value for wrong in _misfits(item, typing.get_args(part)[0])]
        if not inside:
            return []
    return inside


def _named(hint: Any) -> list[str]:
    names = []
    for part in _parts(hint):
        kind = typing.get_origin(part) or part
        names.append(_PLAIN[kind][1] if kind in _PLAIN else str(kind.__name__))
        if kind is Sequence and typing.get_args(part) != (Any,):
            names[-1] += f", each {' or '.join(_named(typing.get_args(part)[0]))}"
    return names


def whole_number(name: str, value: object, least: int, most: int | None = None) -> int:
    """Return ``value`` if it is an integer from ``least`` to ``most``.

    Raises:
        InputError: Otherwise.
    """
    limit = math.inf if most is None else most
    whole = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None
    if whole is None or not least <= whole <= limit:
        wanted = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{name} must be a whole number {wanted}, not {value!r}")
    return whole


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
