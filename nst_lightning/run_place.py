"""Where a run writes: a folder named after its pictures, and never over another pair's picture."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from PIL import Image

from nst_lightning.data.images import Picture
from nst_lightning.data.sources import is_url, source_digest
from nst_lightning.data.which_pictures import SEPARATOR, folder_name, safe_name
from nst_lightning.errors import InputError
from nst_lightning.files import local_path
from nst_lightning.options import digest
from nst_lightning.run_folder import MADE_OF, RunFolder

PICTURES = "{pictures}"
"""Stands in ``trainer.default_root_dir`` for the names of the run's pictures."""

_DECIDE = ("max_epochs", "max_steps", "precision", "callbacks", "limit_train_batches")
"""Of the trainer's settings, those that make another picture."""


def made_of(
    config: Mapping[str, Any], content: Picture, styles: Sequence[Picture]
) -> dict[str, Any]:
    """Return what a run is made of, as ``made_of.json`` keeps it.

    Args:
        config: All settings, nested.
        content: Its picture, or where that is.
        styles: The same.

    Returns:
        Digests of the pictures, by which a file that was moved is the same and another one of that
        name is not, and one of all settings that decide what is painted of them.
    """
    data = {k: v for k, v in config["data"].items() if k not in ("content", "style")}
    trainer = {key: config["trainer"].get(key) for key in _DECIDE}
    return {
        "content": [_identity(content)],
        "style": [_identity(style) for style in styles],
        "settings": digest([config["seed_everything"], config["model"], data, trainer]),
    }


def _identity(picture: Picture) -> str:
    if isinstance(picture, Image.Image):
        try:
            pixels = [str(picture.size).encode(), picture.mode.encode(), picture.tobytes()]
        except (OSError, ValueError):  # closed or damaged: refused where it is read
            return ""
        return hashlib.sha256(b"".join(pixels)).hexdigest()
    source = str(picture)
    if is_url(source) and not source.startswith("file:"):  # not fetched twice
        return source
    try:
        return source_digest(source)
    except InputError:  # which the run says better, where it reads the picture
        return source


def name_of(content: str, styles: Sequence[str]) -> str:
    """Return the name of a run's folder: ``cat--klimt``; of several styles ``cat--klimt-waves``."""
    # Null is refused where the run is built.
    style = safe_name("-".join(folder_name(str(style)) for style in styles))
    return f"{folder_name(str(content))}{SEPARATOR}{style}"


def find_place(
    named: str, name: str, made: Mapping[str, Any], *, goes_on: bool = False, anew: bool = False
) -> Path:
    """Return the folder of a run.

    Named after its pictures it is that of the same run, made before, or else the first that holds
    none: ``cat--klimt``, ``cat--klimt-2``.

    Args:
        named: ``trainer.default_root_dir``.
        name: Stands there for ``{pictures}``.
        made: What the run is made of.
        goes_on: Whether the run looks for its checkpoint in the folder: then that of the same
            pictures that was used last will do.
        anew: Whether it does not matter what is in the folder.
    """
    first = Path(named.replace(PICTURES, name))
    if PICTURES not in named or (anew and not goes_on):
        return first
    used: list[Path] = []
    for folder in numbered(first):
        if not RunFolder(folder).holds_a_run:
            break
        if _same(folder, made, "content", "style", "settings"):
            return folder
        used += [folder] if _same(folder, made, "content", "style") else []
    return max(used, key=_used_last) if used and goes_on else folder


def numbered(first: Path) -> Iterator[Path]:
    """Yield a folder and those of its name with a number: ``cat--klimt``, ``cat--klimt-2``."""
    return chain([first], (first.with_name(f"{first.name}-{n}") for n in count(2)))


def refuse_others(
    place: Path,
    made: Mapping[str, Any],
    out: str | None,
    *,
    goes_on: bool,
    overwrite: bool = False,
) -> None:
    """Refuse to write over what is not this run's.

    Args:
        place: The run's folder.
        made: What it is made of.
        out: ``images.out``.
        goes_on: Whether the run goes on from a checkpoint.
        overwrite: Whether that may go; but never what the run is painted of.

    Raises:
        InputError: If the folder holds a run of other pictures, or the file another picture.
    """
    path = None if out is None else local_path(out)
    if path and path.is_file() and _identity(str(path)) in (*made["content"], *made["style"]):
        raise InputError(f"--out: {out} is what the run is painted of; name another file")
    if overwrite:
        return
    there = RunFolder(place)
    # A run of an older version does not say what it is made of.
    known = there.made_of or not goes_on
    if there.holds_a_run and known and not _same(place, made, "content", "style"):
        raise InputError(
            f"{place} holds a run of other pictures; choose another folder, or --overwrite true"
        )
    if path is None or not path.is_file():
        return
    if there.picture is None or there.picture.read_bytes() != path.read_bytes():
        raise InputError(f"{out} is there already; name another file, or --overwrite true")


def _same(folder: Path, made: Mapping[str, Any], *keys: str) -> bool:
    then = RunFolder(folder).made_of
    return all(then.get(key) == made[key] for key in keys)


def _used_last(folder: Path) -> float:
    return (folder / MADE_OF).stat().st_mtime
