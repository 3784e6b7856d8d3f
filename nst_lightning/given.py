"""What is given for a run: words of a command line, or settings over configs, layer by layer."""

import json
import numbers
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nst_lightning.checks import type_of
from nst_lightning.data.sources import SAMPLE_PREFIX, is_artwork, is_url, open_source
from nst_lightning.data.which_pictures import SUFFIXES
from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.files import check_name, expanded
from nst_lightning.options import (
    CONFIG_FOLDERS,
    DEFAULTS,
    EXTRA_TERMS,
    Settings,
    find_config,
    flatten,
    lookup,
    read_yaml,
)
from nst_lightning.say import program, say
from nst_lightning.short_names import LOOK, OUT, SHORT_NAMES, spelled_out

FOLDER = "trainer.default_root_dir"
WRITTEN = {
    ".png": "png",
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
}
"""Ending of ``--out`` -> ``images.format``; what has none of a picture is a folder."""

_CLIPS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".ts")
_ENDING = re.compile(r"\.[a-z]{2,4}")  # of a file, not of a folder such as v1.2
_MAY_STAND_ALONE = ("--overwrite", "--preview")
_ALONE = ("-h", "--help", "--print_config")


def is_picture(word: str) -> bool:
    """Return whether a word that is no option names a picture or a folder, there or not."""
    named = word.startswith(SAMPLE_PREFIX) or is_artwork(word) or is_url(word)
    return named or "." in word or os.sep in word or expanded(word).exists()


def spell_out(words: Sequence[str]) -> list[str]:
    """Return a command line with every setting by its own name, as jsonargparse takes it.

    Configs come first, then the look: an option counts more than a file, wherever it stands.

    Args:
        words: Such as ``photo.jpg painting.jpg --size 512 -o out.png``.

    Raises:
        InputError: If something is given twice, lacks a value, or is no picture or not there.
    """
    pictures, options = _split(words)
    configs = [find_config(value or "") for name, value in options if name == "config"]
    short: dict[str, str] = {}
    for name, value in options:
        if name not in (*SHORT_NAMES, LOOK, OUT):
            continue
        if name in short or value is None:
            raise InputError(f"--{name} {'is given twice' if name in short else 'needs a value'}")
        short[name] = value
    if LOOK in short:
        configs.append(find_look(short.pop(LOOK)))
    layers: list[Mapping[str, Any]] = [flatten(read_yaml(path)) for path in configs]
    own = {n: v for n, v in options if n not in (*SHORT_NAMES, LOOK, OUT, "config")}
    _take_pictures(pictures, short, own, layers)
    where = _out(short.pop(OUT), own) if OUT in short else {}
    long = spelled_out(short, own, "--") | where
    rest = [
        ("" if name.startswith("-") else "--") + name + ("" if value is None else f"={value}")
        for name, value in options
        if name in own
    ]
    _find_pictures(own | long)
    long |= own_folder([*layers, own | long])
    given = [f"--config={path}" for path in configs]
    spelled = [f"--{name}={value}" for name, value in long.items()]
    # After an option that asks for help jsonargparse takes no other one.
    return sorted([*given, *rest, *spelled], key=lambda word: ".help" in word.partition("=")[0])


def _split(words: Sequence[str]) -> tuple[list[str], list[tuple[str, str | None]]]:
    """Return the words that are no options, and each option's name with its value, if it has one.

    Every option takes one value; ``-c`` and ``-o`` get their long names.
    """
    pictures: list[str] = []
    options: list[tuple[str, str | None]] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return [*pictures, *waiting], options
        if not word:
            raise InputError("unknown option ''")
        if not word.startswith("-"):
            pictures.append(word)
            continue
        name, sign, given = word.partition("=")
        value = given if sign else None
        follows = waiting and not waiting[0].startswith("--") and name not in _ALONE
        if follows and name.endswith(".help"):  # of a class, by its name
            follows = not is_picture(waiting[0]) or "." in waiting[0]
        if follows and name in _MAY_STAND_ALONE:
            follows = waiting[0].startswith("{") or not is_picture(waiting[0])
        if value is None and follows:
            value = waiting.pop(0)
        name = {"-c": "--config", "-o": f"--{OUT}"}.get(name, name)
        options.append((name.removeprefix("--"), value))
    return pictures, options


def looks() -> list[str]:
    """Return the names that ``--look`` knows."""
    return sorted({p.stem for f in CONFIG_FOLDERS for p in (f / "looks").glob("*.yaml")})


def find_look(name: str, option: str = f"--{LOOK}") -> str:
    """Return the path of a look's config; raises ``InputError`` with those there are."""
    if name not in looks():
        hint = did_you_mean(name, looks())
        raise InputError(f"{option}: there is no look {name}{hint} ({', '.join(looks())})")
    return find_config(f"looks/{name}.yaml")


def _take_pictures(
    pictures: Sequence[str],
    short: dict[str, str],
    own: Mapping[str, Any],
    layers: Sequence[Mapping[str, Any]],
) -> None:
    """Give the pictures their short names: first the content, then the styles."""
    if not pictures:
        return
    for picture in pictures:
        if not is_url(picture) and expanded(picture).is_dir():
            raise InputError(
                f"{picture} is a folder, and a run paints one picture; for all in it: "
                f"{program('compare')} --contents PHOTOS --styles PAINTINGS"
            )
        if Path(picture).suffix.lower() in _CLIPS:
            raise InputError(
                f"{picture} is a clip: {program('video clip.mp4 painting.jpg')} paints one"
            )
    free = [name for name in ("content", "style") if not {name, f"data.{name}"} & {*short, *own}]
    if not free:
        raise InputError(f"{pictures[-1]}: the pictures are named already, by options; name once")
    if len(pictures) > 1 and "content" not in free:
        raise InputError(
            f"{pictures[0]}: the photograph is named already, by --content; name it once"
        )
    if "content" in free:
        short["content"], *styles = pictures
    else:
        styles = [*pictures]
    if styles and "style" not in free:
        raise InputError(f"{styles[0]}: the style is named already, by an option; name it once")
    if len(styles) > 1:
        last = Path(styles[-1])
        if last.suffix.lower() in WRITTEN and not is_url(styles[-1]) and not last.exists():
            raise InputError(f"no such file: {last}; to write the picture there: -o {last}")
        say(f"note: blended into one style: {', '.join(styles)}", error=True)
    if styles:
        short["style"] = styles[0] if len(styles) == 1 else json.dumps(styles, ensure_ascii=False)
    elif "style" in free and not any("data.style" in layer for layer in layers):
        raise InputError(
            f"{short['content']}: which painting? {program('photo.jpg painting.jpg')}, or --style "
            "sample:klimt"
        )


def _find_pictures(settings: Mapping[str, Any]) -> None:
    """Refuse a file that is not there before torch is loaded, which takes seconds."""
    for role in ("content", "style"):
        source = str(settings.get(f"data.{role}") or "")
        plain = "." in source and not is_url(source) and not source.startswith(("[", SAMPLE_PREFIX))
        if plain and not is_artwork(source) and not expanded(source).exists():
            try:
                open_source(source)
            except InputError as error:
                raise InputError(f"{role} picture: {error}") from error


def _out(out: str, own: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that ``--out`` stands for: a folder's, or a picture's."""
    ending = "" if out.endswith(os.sep) or Path(out).is_dir() else Path(out).suffix.lower()
    if ending not in {*WRITTEN, *SUFFIXES} and not _ENDING.fullmatch(ending):
        if FOLDER in own:
            raise InputError(f"--{OUT} and --{FOLDER} are the same setting; give one of the two")
        return {FOLDER: out}
    if ending not in WRITTEN:
        raise InputError(
            f"--{OUT}: {out}: a picture is written as {', '.join(WRITTEN)}, and a folder of such a "
            f"name ends with {os.sep}"
        )
    written = {"images.out": out, "images.format": WRITTEN[ending]}
    for name, value in written.items():
        if own.get(name, value) != value:
            raise InputError(f"--{OUT} {out} and --{name} {own[name]} contradict; give one of them")
    return {name: value for name, value in written.items() if name not in own}


def own_folder(layers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the setting of a folder for pictures other than those of a config that names both.

    Args:
        layers: Settings by dotted names, the lowest first.

    Returns:
        The folder named after its pictures; empty where the folder is named for them, or is none
        of certain pictures.
    """
    naming = [index for index, layer in enumerate(layers) if FOLDER in layer]
    below, above = (layers[naming[-1]], layers[naming[-1] + 1 :]) if naming else ({}, [])
    others = any(
        name in below and name in layer and str(layer[name]) != str(below[name])
        for name in ("data.content", "data.style")
        for layer in above
    )
    return {FOLDER: str(lookup(read_yaml(DEFAULTS), FOLDER))} if others else {}


def layers_of(
    settings: Settings, configs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = ()
) -> list[Settings]:
    """Return what is laid over one another, the lowest first; as ``session.open_run`` takes it.

    Raises:
        InputError: If a config is nowhere, or a value is none that YAML knows.
    """
    names = [configs] if isinstance(configs, str | os.PathLike) else configs
    layers: list[Settings] = [read_yaml(find_config(name)) for name in names]
    together: dict[str, Any] = {}
    for name, value in flatten(settings).items():
        # Each layer takes 50 ms to parse: only what is part of another setting waits for it.
        if any(_is_part(name, other) or _is_part(other, name) for other in together):
            layers.append(together)
            together = {}
        together[name] = _plain(name, value)
    if together:
        layers.append(together)
    return [*layers, own_folder([flatten(layer) for layer in layers])]


def _is_part(name: str, other: str) -> bool:
    """Return whether a setting belongs into another one's value, or beside it in one mapping."""
    return name.startswith(f"{EXTRA_TERMS if other.startswith(EXTRA_TERMS) else other}.")


def _plain(name: str, value: Any) -> Any:
    """Return a setting as YAML knows it: paths, NumPy's and torch's numbers become plain."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, str):
        return check_name(str(value))
    if isinstance(value, Mapping):
        return {key: _plain(f"{name}.{key}", item) for key, item in value.items()}
    if callable(getattr(value, "tolist", None)) and getattr(value, "ndim", 1) < 2:
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(name, item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, numbers.Real):
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    expected = "a text, a number, true or false, None, a list or a mapping"
    raise InputError(f"{name}: expected {expected}, not {type_of(value)}")


def with_other_terms(layer: Settings, config: Any) -> dict[str, Any]:
    """Turn ``model.extra.NAME...`` into the whole dictionary, as an option of that name would."""
    whole: dict[str, Any] = {}
    for name, value in layer.items():
        if not name.startswith(f"{EXTRA_TERMS}."):
            whole[name] = value
            continue
        terms = dict(config.model.extra or {})
        term, _, argument = name.removeprefix(f"{EXTRA_TERMS}.").partition(".")
        if argument:
            before = terms.get(term) or {}
            init_args = {**dict(before.get("init_args") or {}), argument: value}
            value = {**dict(before), "init_args": init_args}
        whole[EXTRA_TERMS] = terms | {term: value}
    return whole
