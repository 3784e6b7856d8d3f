"""``artworks:Vincent_van_Gogh?min_side=512&n=5``: which paintings are wanted."""

import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from nst_lightning.data.sources import ARTWORKS_PREFIX
from nst_lightning.errors import InputError, did_you_mean

_NUMBERS = {"min_side": 1, "max_side": 1, "n": 1, "seed": 0}
_WORDS = ("genre", "nationality")


@dataclass(frozen=True)
class Query:
    """What an ``artworks:`` source asks for; what is empty does not matter."""

    text: str = ARTWORKS_PREFIX  # as it was given
    artist: str = ""  # a name in any spelling
    painting: str = ""  # number or file name of one painting
    min_side: float = 1  # the shorter side must have so many pixels
    max_side: float = math.inf  # the longer side may have so many pixels
    genre: str = ""  # one of the artist's
    nationality: str = ""  # one of the artist's
    n: int | None = 1  # how many paintings; None for every one that fits
    seed: int = 0  # which of those that fit


def parse_query(source: str) -> Query:
    """Read ``artworks:ARTIST/PAINTING`` or ``artworks:ARTIST?key=value&...``, or refuse it.

    ARTIST may be empty (all artists); the keys are ``min_side``, ``max_side``, ``n`` (a number or
    ``all``), ``seed``, ``genre`` and ``nationality``.
    """
    path, _, options = source.removeprefix(ARTWORKS_PREFIX).partition("?")
    artist, slash, painting = path.strip().partition("/")
    values: dict[str, str] = {}
    known = (*_NUMBERS, *_WORDS)
    for option in filter(None, options.split("&")):
        key, equals, value = option.partition("=")
        if key not in known or not equals or not value:
            raise InputError(
                f"{source}: {option!r} is not understood{did_you_mean(key, known)} "
                f"({', '.join(f'{name}=...' for name in known)})"
            )
        values[key] = unquote(value)
    if not artist and (slash or not options):
        raise InputError(
            f"{source}: name an artist, such as {ARTWORKS_PREFIX}Gustav_Klimt/3, or what you "
            f"look for, such as {ARTWORKS_PREFIX}?genre=Impressionism&n=3"
        )
    if slash and (not painting or values):
        raise InputError(
            f"{source}: after the slash comes one painting's number, such as "
            f"{ARTWORKS_PREFIX}{artist}/3"
        )
    wanted: dict[str, Any] = dict(values)
    for key, least in _NUMBERS.items():
        text = values.get(key)
        if key == "n" and text == "all":
            wanted[key] = None
        elif text is not None:
            if not text.isascii() or not text.isdigit() or int(text) < least:
                raise InputError(
                    f"{source}: {key}={text} is not a whole number of at least {least}"
                )
            wanted[key] = int(text)
    return Query(source, unquote(artist), unquote(painting), **wanted)
