"""A clip on SageMaker: the part that each job paints, and the film that is made of them here."""

import csv
import importlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_lightning.cloud.config import FilmConfig, Launch
from nst_lightning.cloud.uploads import Upload
from nst_lightning.data.sources import is_url
from nst_lightning.data.which_pictures import pictures_in
from nst_lightning.errors import InputError
from nst_lightning.files import expanded
from nst_lightning.say import say

if TYPE_CHECKING:
    from nst_lightning.cloud.fleet import Fleet

FRAMES = "frames"
"""Folder of a part's painted frames."""
MEASURE = "warping_error"
"""What a part's job says of how steady it is."""
_WHICH, _HOW = ("start", "end", "every"), ("passes", "steadiness", "alone")


def question(launch: Launch) -> dict[str, Any]:
    """Return what the check of a launch's settings is told of its clip; nothing without one.

    Raises:
        InputError: If the clip is not on this machine.
    """
    film = launch.film
    if film is None:
        return {}
    if is_url(film.clip):
        raise InputError(f"clip: {film.clip} is not on this machine; copy it here first")
    # By these an answer that is kept is known to be of this clip.
    looks = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in _files(film)]
    out = expanded(film.painted or launch.folder / "painted.mp4")
    told = {"painted": str(out), "replace": _may_replace(launch, film), "scenes": _most(launch)}
    return {"film": {**asdict(film), **told, "looks": [*looks, out.exists()]}}


def _files(film: FilmConfig) -> list[Path]:
    path = expanded(film.clip)
    return [path] if path.is_file() else [*map(Path, pictures_in(film.clip) or [])]


def _most(launch: Launch) -> int:
    """Return how many parts a clip may have."""
    asked = launch.film.scenes if launch.film else None
    return launch.limits.parallel if asked == "auto" else int(asked or 1)


def _may_replace(launch: Launch, film: FilmConfig) -> bool:
    """Whether the painted clip may be there: in the launch's folder, or written by it before."""
    try:
        before = json.loads((launch.folder / "launch.json").read_bytes())["launch"]["film"]
        return film.painted is None or bool(before["painted"] == film.painted)
    except (OSError, ValueError, TypeError, KeyError):
        return film.painted is None


def parts_of(
    launch: Launch, parts: Sequence[Mapping[str, Any]], name: str
) -> Iterator[tuple[str, Upload, dict[str, Any]]]:
    """Yield of each part its key, its frames as they are sent, and what its job is told of them.

    Args:
        launch: As asked for.
        parts: As the check found them.
        name: Of the clip and the style.
    """
    film = launch.film
    assert film is not None
    if film.scenes not in (None, "auto", len(parts)):
        few = f"{len(parts)} scene{'s' * (len(parts) > 1)}: so many parts, not {film.scenes}"
        say(f"note: {Path(film.clip).name} has {few}", error=True)
    how = {key: getattr(film, key) for key in _HOW}
    for number, told in enumerate(parts, 1):
        key = f"{name}-{number:02d}of{len(parts):02d}" if len(parts) > 1 else name
        first, end = told["part"]
        if not told["files"]:  # one file, which every job is given: nothing else decodes the same
            (path,) = _files(film)
            which = {key: getattr(film, key) for key in _WHICH}
            yield key, _sent([path], [path.name]), {**how, **which, "part": [first, end]}
            continue
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows(told["times"])
        frames = _sent(told["files"], [row[0] for row in told["times"][1:-1]])
        times = ("times.csv", table.getvalue().encode())
        yield key, Upload((*frames.files, times)), {**how, "part": [0, end - first]}


def _sent(paths: Sequence[str | Path], names: Sequence[str]) -> Upload:
    try:
        files = [(name, Path(path).read_bytes()) for name, path in zip(names, paths, strict=True)]
    except OSError as error:
        raise InputError(f"clip: {error.filename} cannot be read: {error.strerror}") from error
    return Upload(tuple(files))


def frames_in(part: Mapping[str, Any]) -> int:
    """Return how many frames of the clip a part has, by what its job was told."""
    first, end = part["part"]
    return int(end - first)


def join(fleet: "Fleet") -> bool:
    """Make the film of its parts, once all are here; otherwise name those that are missing.

    A film that cannot be made costs no frame: one line says what it lacks.

    Args:
        fleet: A launch of a clip.

    Returns:
        Whether it is made.
    """
    launch, film = fleet.manifest.launch, fleet.manifest.launch.film
    assert film is not None
    parts, here, at = sorted(fleet.manifest.pictures.items()), set(fleet.done()), 0
    for key, part in parts:
        frames = frames_in(part.plan.film)
        if key not in here:
            print(f"missing: {key}, frames {at + 1} to {at + frames} ({part.state})")
        at += frames
    if len(here) < len(parts):
        return False
    try:
        importlib.import_module("nst_lightning.video.production").Production(
            clip=film.clip,
            styles=launch.styles,
            out=film.painted or str(launch.folder / "painted.mp4"),
            folder=launch.folder,
            **{key: getattr(film, key) for key in (*_WHICH, *_HOW)},
        ).join([fleet.runs / key for key, _ in parts])
    except InputError as error:
        print(f"no film yet, its frames are here: {error}; watch the launch where the clip is")
        return False
    return True
