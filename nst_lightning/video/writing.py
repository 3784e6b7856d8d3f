"""Write a clip: a video file, an animation, or a folder of frames; whole or not at all."""

import contextlib
import glob
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import overload

from PIL import Image

from nst_lightning.data import encoding
from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.files import (
    atomic_write,
    check_folder,
    expanded,
    write_csv,
    write_error,
    write_whole,
)
from nst_lightning.progress import ProgressBar
from nst_lightning.say import say
from nst_lightning.video.clip import ClipInfo, Picture, Timed, in_rgb
from nst_lightning.video.container import library
from nst_lightning.video.encoder import VIDEO, encode
from nst_lightning.video.pictures import FILE, SECONDS, TIMES

_Animate = Callable[[Sequence[Image.Image], Sequence[int], int], bytes]
# How it is encoded, and its unit of time in milliseconds.
ANIMATIONS: dict[str, tuple[_Animate, int]] = {
    ".gif": (encoding.animate_gif, 10),
    ".webp": (encoding.animate_webp, 1),
    ".png": (encoding.animate_png, 1),
    ".apng": (encoding.animate_png, 1),
}
# Browsers show a picture of 10 ms or less for 100 ms.
_LEAST = 11
_OURS = re.compile(r"\d{5,}\.png|" + re.escape(TIMES))


def check_out(
    out: str | os.PathLike[str], *, overwrite: bool = False, made_of: Sequence[str] = ()
) -> Path:
    """Return the path that `write_clip` would write; call it before a long run.

    Args:
        out: Of the film.
        overwrite: Whether what is there may be replaced.
        made_of: Sources that never are.

    Raises:
        InputError: If its suffix is unknown, it exists already, PyAV is missing, or its folder
            cannot be written to.
    """
    path = expanded(out)
    for source in map(expanded, made_of):
        if source.exists() and path.exists() and path.samefile(source):
            raise InputError(f"--out: {path} is what the film is painted of; name another file")
    suffix = path.suffix.lower()
    if suffix in VIDEO:
        library()
    elif suffix and suffix not in ANIMATIONS:
        known = (*VIDEO, *ANIMATIONS)
        raise InputError(
            f"cannot write {path}: unknown suffix {suffix!r}{did_you_mean(suffix, known)} (there "
            f"are {', '.join(known)}; without a suffix it is a folder of frames)"
        )
    with contextlib.suppress(OSError):  # one that may not be looked into is found out by the write
        if suffix and path.is_dir():
            raise InputError(f"cannot write {path}: a folder of that name is in the way")
        if not suffix and path.is_dir():
            others = [inside.name for inside in path.iterdir() if not _OURS.fullmatch(inside.name)]
            if others:
                raise InputError(f"{path} holds {others[0]}; give a folder that is empty or new")
            if not overwrite and any(path.iterdir()):
                raise InputError(
                    f"{path} holds frames already; give another folder, or --overwrite true"
                )
        elif path.exists() and not suffix:
            raise InputError(f"cannot write {path}: a file of that name is in the way")
        elif path.exists() and not overwrite:
            raise InputError(f"{path} exists already; give another name, or --overwrite true")
    check_folder(path.parent)
    return path


def write_clip(
    out: str | os.PathLike[str],
    frames: Iterable[Timed],
    info: ClipInfo,
    *,
    sound_from: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write pictures as a clip; each is shown until the next, the last until the clip ends.

    Where fewer come than the clip has, it ends where the first that is missing would begin.

    Args:
        out: What it is written to, by its suffix: ``.mp4``, ``.m4v``, ``.mov`` and ``.mkv`` hold
            H.264, ``.webm`` VP9, in BT.709; ``.gif``, ``.webp``, ``.png`` and ``.apng`` are
            animations; without a suffix it is a folder of PNG files and `TIMES`.
        frames: When each is shown, and its picture or file; all of one size.
        info: The clip's own, as it was opened: its length, its sound's place, what it is called.
        sound_from: The clip's source, whose sound is cut to it and kept.
        overwrite: Whether a file, or a folder of frames, of that name is replaced.

    Returns:
        The path written, ``~`` expanded.

    Raises:
        InputError: If `check_out` refuses it, or it cannot be written.
        ValueError: If there is no picture, they differ in size, or the times do not rise.
    """
    path = check_out(out, overwrite=overwrite)
    suffix = path.suffix.lower()
    _remove_killed(path)
    bar = ProgressBar(info.count, f"writing {path.name}", unit="pictures", lasting=False)
    with bar:
        timed = _checked(frames, bar)
        if suffix in VIDEO:
            with atomic_write(path) as part:
                notes = encode(part, timed, info, sound_from)
        else:
            notes = ["holds no sound, which is left out"] if sound_from and info.has_sound else []
            if suffix:
                notes += _animation(path, list(timed), info)
            else:
                _folder(path, timed, info)
    for note in notes:
        say(f"note: {path.name} {note}", error=True)
    return path


def _remove_killed(path: Path) -> None:
    """Delete what was written of this clip when its process was killed, as large as it may be."""
    for part in path.parent.glob(f".{glob.escape(path.stem)}.*.part{glob.escape(path.suffix)}"):
        if re.fullmatch(r"\.[0-9a-f]{12}\.part", part.name[len(path.stem) + 1 :][:18]):
            shutil.rmtree(part, ignore_errors=True)
            with contextlib.suppress(OSError):
                part.unlink()


def _checked(frames: Iterable[Timed], bar: ProgressBar) -> Iterator[Timed]:
    """Pass pictures on, one by one, and see to it that they are a clip."""
    size: tuple[int, int] | None = None
    before: Fraction | None = None
    for time, given in frames:
        if before is not None and time <= before:
            raise ValueError(f"the times must rise, but {time} comes after {before}")
        found = _size(given)
        if size is not None and found != size:
            raise ValueError(f"the pictures must be of one size, not {size} and {found}")
        size, before = found, time
        # A file stays a file: a thousand open pictures would not fit into memory.
        yield time, given
        bar.advance()
    if size is None:
        raise ValueError("a clip needs at least one picture")


def _size(picture: Picture) -> tuple[int, int]:
    if isinstance(picture, Image.Image):
        return picture.size
    with Image.open(picture) as header:
        return header.size


class _Lazy(Sequence[Image.Image]):
    """Pictures of which each is read when it is asked for."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    @overload
    def __getitem__(self, place: int) -> Image.Image: ...
    @overload
    def __getitem__(self, place: slice) -> "_Lazy": ...
    def __getitem__(self, place: int | slice) -> "Image.Image | _Lazy":
        if isinstance(place, slice):
            return _Lazy(self._pictures[place])
        return in_rgb(self._pictures[place])


def _animation(path: Path, timed: Sequence[Timed], info: ClipInfo) -> list[str]:
    """Write a GIF, WebP or APNG; its times are rounded so that no error adds up."""
    animate, unit = ANIMATIONS[path.suffix.lower()]
    end = round(info.end_after(len(timed)) * 1000 / unit) * unit
    begins, pictures, left_out = [0], [timed[0][1]], 0
    for time, picture in islice(timed, 1, None):
        begin = round(time * 1000 / unit) * unit
        if begin - begins[-1] >= _LEAST and end - begin >= _LEAST:
            begins.append(begin)
            pictures.append(picture)
        elif time < timed[-1][0]:  # the clip's end may cut the last short: not worth a word
            left_out += 1
    lasts = [later - begin for begin, later in zip(begins, [*begins[1:], end], strict=True)]
    write_whole(path, animate(_Lazy(pictures), lasts, info.plays))
    what = f"leaves out {left_out} of {len(timed)} pictures: none can be shown so briefly"
    return [what] if left_out else []


def _folder(path: Path, timed: Iterable[Timed], info: ClipInfo) -> None:
    """Write numbered PNG files and when they are shown, into a folder that appears when done."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        part.mkdir(parents=True)
        rows: list[dict[str, object]] = []
        for index, (time, picture) in enumerate(timed):
            name = f"{index:05}.png"
            if isinstance(picture, Path) and picture.suffix.lower() == ".png":
                shutil.copyfile(picture, part / name)
            else:
                in_rgb(picture).save(part / name)
            rows.append({FILE: name, SECONDS: time})
        rows.append({FILE: "", SECONDS: info.end_after(len(rows))})
        write_csv(part / TIMES, rows)
        if path.is_dir():
            for inside in path.iterdir():  # frames of ours alone: `check_out` has seen to that
                inside.unlink()
            path.rmdir()
        part.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
