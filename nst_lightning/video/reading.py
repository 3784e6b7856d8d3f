"""Open a clip, whatever it is: a video file, an animation, a folder of frames."""

import os
import re
from fractions import Fraction
from pathlib import Path

from nst_lightning.data.sources import is_url, open_source, public_name
from nst_lightning.errors import InputError
from nst_lightning.files import expanded
from nst_lightning.video.clip import Clip, Source, Time
from nst_lightning.video.container import VideoFile
from nst_lightning.video.pictures import Animation, Pictures

FOLDER_RATE = 25
"""Pictures a second of a folder that does not say."""
_ANIMATIONS = (b"GIF8", b"\x89PNG", b"RIFF", b"avis")
_STILL = (b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"8BPS")
_STILL_BRANDS = (b"heic", b"heix", b"mif1", b"avif")


def open_clip(
    source: str | os.PathLike[str],
    start: Time | None = None,
    end: Time | None = None,
    every: int = 1,
    *,
    fps: float | None = None,
) -> Clip:
    """Open a clip; its pictures are decoded one by one, when they are asked for.

    Args:
        source: A video file, a GIF, WebP, APNG or AVIF animation, a folder of frames or a glob, in
            the order of the numbers in their names; a path, or an address of a file.
        start: Where it begins, in seconds or as ``"1:23.5"``: pictures that begin earlier are left
            out.
        end: Where it ends: pictures that begin then or later are left out, and the last is shown
            until then.
        every: Each how-manieth picture is kept, and shown in the place of those left out.
        fps: Pictures a second of a folder without ``times.csv`` (`FOLDER_RATE` is the default).

    Raises:
        InputError: If there is no clip, nothing of it lies between start and end, or PyAV is
            missing.
    """
    return Clip(_source(os.fspath(source), fps), start, end, every)


def _source(text: str, fps: float | None) -> Source:
    if fps is not None and not 0 < fps <= 1000:
        raise InputError(f"fps must be above 0 and at most 1000, not {fps}")
    path = expanded(text)
    if is_url(text):
        data, name = open_source(text)
        file: Path | bytes = data
        label, head = Path(public_name(name)).name, data[:32]
    elif path.is_dir() or (not path.exists() and re.search(r"[*?\[]", text)):
        return Pictures(text, Fraction(str(fps or FOLDER_RATE)))
    else:
        file, label, head = path, path.name, _head(path, text)
    if fps is not None:
        raise InputError(f"fps is for folders of frames; {label} has times of its own")
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    webp = head.startswith(b"RIFF") and head[8:12] == b"WEBP"
    if head.startswith(_ANIMATIONS[:2]) or webp or brand == b"avis":
        return Animation(file, label)
    if head.startswith(_STILL) or brand in _STILL_BRANDS:
        raise InputError(f"{label} is one picture, not a clip; paint it with nst fit")
    return VideoFile(file, label)


def _head(path: Path, text: str) -> bytes:
    try:
        if not path.is_file():
            hint = "; write a pattern as frame_*.png" if re.search(r"%\d*d", text) else ""
            raise InputError(f"no such file or folder: {text}{hint}")
        with path.open("rb") as handle:
            return handle.read(32)
    except OSError as error:
        raise InputError(f"{text} cannot be read: {error.strerror or error}") from error
