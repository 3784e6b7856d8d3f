"""Nulls where a value is needed: jsonargparse lets them through, whatever the type says."""

import inspect
import pkgutil
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Union

from nst_lightning.errors import InputError


def refuse_nulls(config: Mapping[str, Any], classes: Mapping[str, type]) -> None:
    """Refuse a null for an argument whose type does not allow one.

    Args:
        config: Settings by group, as nested mappings; a nested class is a ``class_path`` with its
            ``init_args``.
        classes: Group -> the class that its settings go to.

    Raises:
        InputError: Naming the first such key.
    """
    for group, kind in classes.items():
        if group in config and config[group] is None:
            raise InputError(f"{group}: null is no value here; write keys under it or leave it out")
        for key, wanted in _forbidden(config.get(group), kind, group):
            raise InputError(
                f"{key}: null is no value here; give {_words_for(wanted)}, or leave the key out "
                "for the default"
            )


def _forbidden(settings: Any, kind: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(settings, Mapping):
        return
    hints = _hints(kind)
    for name, value in settings.items():
        key = f"{prefix}.{name}"
        if value is None:
            if not _allows_none(hints.get(name, Any)):
                yield key, hints[name]
        elif isinstance(value, Mapping):
            yield from _inside(value, key)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, Mapping):
                    yield from _inside(item, f"{key}[{index}]")


def _inside(value: Mapping[str, Any], key: str) -> Iterator[tuple[str, Any]]:
    """Look into a nested class, or into a dictionary of them."""
    if "class_path" in value:
        yield from _forbidden(value.get("init_args"), _find_class(str(value["class_path"])), key)
        return
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _inside(item, f"{key}.{name}")


def _find_class(path: str) -> Any:
    try:
        return pkgutil.resolve_name(path)
    except (ImportError, AttributeError, ValueError):
        return None  # reported better where it is built


def _hints(kind: Any) -> dict[str, Any]:
    """Return the types of a constructor's arguments."""
    if not inspect.isclass(kind):
        return {}
    found: dict[str, Any] = {}
    # What a class hands on as **kwargs is an argument of the class above.
    for parent in reversed(kind.__mro__):
        try:
            hints = typing.get_type_hints(vars(parent)["__init__"])
            parameters = inspect.signature(vars(parent)["__init__"]).parameters
        except (KeyError, NameError, TypeError, ValueError):
            continue
        # An argument whose default is null may be null, whatever a class above says of it.
        found |= {
            name: Any if parameter.default is None else hints[name]
            for name, parameter in parameters.items()
            if name in hints or parameter.default is None
        }
    return found


def _allows_none(hint: Any) -> bool:
    if hint in (Any, object, type(None)) or isinstance(hint, str | typing.TypeVar):
        return True
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return any(map(_allows_none, parts))
    return origin is typing.Literal and None in parts


def _words_for(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return names.get(hint, "a value")
