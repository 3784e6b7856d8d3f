"""What is typed for a film, spelled out: clip and paintings by their places, short names of a run.

They are those of ``nst PHOTO PAINTING``: see `nst_lightning.given`.
"""

from collections.abc import Sequence
from pathlib import Path

from nst_lightning.data.sources import is_url
from nst_lightning.data.which_pictures import SUFFIXES
from nst_lightning.errors import InputError
from nst_lightning.files import expanded
from nst_lightning.given import find_look
from nst_lightning.options import SETTINGS_OPTION
from nst_lightning.say import program
from nst_lightning.short_names import LOOK, SHORT_NAMES, spelled_out

SHORT = (*(name for name in SHORT_NAMES if name not in ("content", "style", "size", "init")), LOOK)
"""Short names of a run that a film has, too."""

_MAY_STAND_ALONE = ("overwrite", "preview")


def spell_out(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return a command line with the clip first, and every setting of a run by its own name.

    Args:
        words: Such as ``clip.mp4 painting.jpg --strength 0.7 -o out.mp4``.

    Returns:
        The words for the parser, and the short names that were typed.

    Raises:
        InputError: If something is given twice, lacks a value, or no painting is named.
    """
    pictures: list[str] = []
    lists: dict[str, list[str]] = {"styles": [], "configs": []}
    short: dict[str, str] = {}
    rest: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("-"):
            pictures.append(word)
            continue
        option, sign, given = word.partition("=")
        name = option.removeprefix("--")
        values = [given] if sign else []
        while _takes_another(name, values, waiting):
            values.append(waiting.pop(0))
        if name in lists and values:
            lists[name] += values
        elif name in SHORT:
            if name in short or not values:
                raise InputError(f"--{name} {'is given twice' if values else 'needs a value'}")
            short[name] = values[0]
        else:
            rest += [word] if sign else [option, *values]
    if LOOK in short:
        lists["configs"].append(find_look(short.pop(LOOK)))
    typed = [w.removeprefix(SETTINGS_OPTION).partition("=")[0] for w in rest]
    long = spelled_out(short, typed, "--")
    lists["styles"] += pictures[1:]
    if not {"-h", "--help"} & {*rest}:
        _look_at(pictures, lists["styles"])
    settings = [f"{SETTINGS_OPTION}{setting}={value}" for setting, value in long.items()]
    several = [w for name, values in lists.items() if values for w in (f"--{name}", *values)]
    return [*pictures[:1], *rest, *settings, *several], [*short]


def _takes_another(name: str, values: Sequence[str], waiting: Sequence[str]) -> bool:
    """Return whether the next word is a value of an option that has these already."""
    if not waiting or name in ("-h", "help") or waiting[0].startswith("--"):
        return False
    if name == "configs":
        return not waiting[0].startswith("-")
    if name in _MAY_STAND_ALONE and waiting[0].lower() not in ("true", "false"):
        return False
    return not values


def _look_at(pictures: Sequence[str], styles: Sequence[str]) -> None:
    """Refuse a clip without a painting, and a film that is named as a painting."""
    how = program("video clip.mp4 painting.jpg")
    if not pictures:
        raise InputError(f"which clip? {how}")
    if not styles:
        raise InputError(f"{pictures[0]}: which painting? {how}, or --styles sample:klimt")
    # What comes last of several may be meant as the film.
    last = "" if is_url(styles[-1]) else styles[-1]
    if Path(last).suffix.lower() in {"", *SUFFIXES}:
        return
    if expanded(last).exists():
        raise InputError(f"{last} is no painting; the clip comes first: {how}")
    if len(styles) > 1:
        raise InputError(f"no such file: {last}; to write the film there: -o {last}")
