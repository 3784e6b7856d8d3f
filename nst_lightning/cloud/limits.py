"""AWS's limits for every value of a request, from boto3's own model of the service."""

import re
from collections.abc import Iterator
from typing import Any

from nst_lightning.cloud.catalogue import catalogue, unfit
from nst_lightning.errors import did_you_mean


def beyond_limits(value: Any, shape: Any, place: str = "") -> Iterator[str]:
    """Yield one line for everything of a request that AWS would refuse as too long, too much, ….

    botocore itself looks for what is missing, unknown or of the wrong type, and no further.

    Args:
        value: A request, or a part of it.
        shape: botocore's shape of it.
        place: Where in the request it is.
    """
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if name in value:
                yield from beyond_limits(value[name], member, f"{place}.{name}".strip("."))
        return
    if why := _mistake(value, shape, secret=place.startswith("Environment.")):
        yield f"{_setting(place)}: {why}"
    if shape.type_name == "list":
        for item in value:
            yield from beyond_limits(item, shape.member, place)
    if shape.type_name == "map":
        for key, item in value.items():
            yield from beyond_limits(key, shape.key, place)
            yield from beyond_limits(item, shape.value, f"{place}.{key}")


def _mistake(value: Any, shape: Any, secret: bool) -> str:
    """Say what is wrong with one value, if anything is, without showing one that may be secret."""
    limits, text = shape.metadata, isinstance(value, str)
    if text and shape.enum and value not in shape.enum:
        near = did_you_mean(value, [one for one in shape.enum if "." not in one or not unfit(one)])
        return f"AWS knows no {value}{near} (pip install -U boto3 if it is new)"
    number = isinstance(value, int | float)
    size = value if number else len(value)
    what = f"{size} is" if number else f"{size} {'characters ' * text}are"
    shown = f": {value[:30]}" if text and not secret else ""
    if size > limits.get("max", size):
        return f"{what} more than the {limits['max']} that AWS takes{shown}"
    if size < limits.get("min", size):
        return f"{what} less than the {limits['min']} that AWS wants{shown}"
    if text and not _fits(value, limits.get("pattern", "")):
        shown = "its value" if secret else repr(value)
        return f"AWS does not take {shown}; it must be like {limits['pattern']}"
    return ""


def _fits(value: str, pattern: str) -> bool:
    # AWS writes Java's classes: letters, digits and spaces of any alphabet.
    for java, python in ((r"\p{L}", r"\w"), (r"\p{N}", ""), (r"\p{Z}", " ")):
        pattern = pattern.replace(java, python)
    try:
        return not pattern or re.fullmatch(pattern, value, re.DOTALL) is not None
    except re.error:
        return True


def _setting(place: str) -> str:
    """Return the setting that a place in a request is made from."""
    for known, key in catalogue()["settings"].items():
        if place == known or place.startswith(f"{known}."):
            return f"{key}{place.removeprefix(known)}"
    return place
