"""Which look a picture's settings are."""

import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

from nst_lightning.app.choices import CONTROLS, FROM_PICTURE, Choices, given_by, looks, of_look
from nst_lightning.data.image_pair import ImagePair
from nst_lightning.module import NeuralStyleTransfer

_OWNERS = {"model": NeuralStyleTransfer, "data": ImagePair}
_ABSENT = object()


def which_look(chosen: Choices, suggested: str = "") -> str:
    """Return the look whose settings, but for the controls, are those of a picture.

    Args:
        chosen: By `nst_lightning.app.choices.from_picture`.
        suggested: The look to be named first where several differ in their controls alone; else
            the one whose controls are the picture's, else the default.

    Returns:
        The look's name, or `FROM_PICTURE` if there is none.
    """
    found = [look for look in looks() if _is_of(look, chosen.base)]
    if suggested in found:
        return suggested
    named = {"look": "", "base": {}, "size": 0}
    own = vars(chosen) | named
    alike = [look for look in found if vars(of_look(look)) | named == own]
    return next(iter([*alike, *found]), FROM_PICTURE)


def _is_of(look: str, base: Mapping[str, Any]) -> bool:
    given, found = dict(_leaves(given_by(look))), dict(_leaves(base))
    try:
        return all(
            _plain(value) == _plain(given[key] if key in given else _default(key, found, given))
            for key, value in found.items()
            if key not in CONTROLS.values()
        )
    except (ImportError, AttributeError):  # another version's class
        return False


def _default(key: str, found: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """Return what is used where neither a look nor the defaults give a setting."""
    if key == "trainer.max_steps":
        return -1
    if any(other.startswith(f"{key}.") for other in given):
        return _ABSENT  # null in place of a part
    part, _, name = key.rpartition(".")
    of_class = found.get(f"{part.removesuffix('.init_args')}.class_path")
    owner = _OWNERS.get(part) if of_class is None else pkgutil.resolve_name(of_class)
    parameter = None if owner is None else inspect.signature(owner).parameters.get(name)
    return _ABSENT if parameter is None else parameter.default


def _plain(value: Any) -> Any:
    """Return a value such as JSON holds it, and a class in place of one of its names."""
    if isinstance(value, str) and value.startswith("nst_lightning."):
        return pkgutil.resolve_name(value)
    return [*value] if isinstance(value, tuple) else value


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value by its dotted name, down to those that hold no others."""
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
