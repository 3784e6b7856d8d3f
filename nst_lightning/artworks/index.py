"""The sizes of thousands of pictures: read from their headers, in parallel, and kept in a cache."""

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from nst_lightning.artworks.names import printable
from nst_lightning.data.decoding import pillow_as_shipped
from nst_lightning.data.which_pictures import SUFFIXES
from nst_lightning.errors import InputError
from nst_lightning.files import cache_folder, write_whole
from nst_lightning.progress import ProgressBar

_CACHE_FORMAT = 1
_QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_ORIENTATION = 274
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82", "GIF": b";"}
_THREADS = 8
_CHUNK = 64  # files that a thread takes at a time


@dataclass(frozen=True)
class Entry:
    """One picture file; sizes in pixels, as displayed, and 0 if it is corrupt."""

    path: str  # relative to the folder that was indexed
    width: int
    height: int
    error: str = ""  # why it is no picture


def index_folder(base: Path, *, decode: bool = False) -> list[Entry]:
    """Find every picture under a folder and its size.

    A file is looked at again only if its length or its time changed since the cache was written.
    The cache is a file of the user's cache folder (``XDG_CACHE_HOME``, else ``~/.cache``), since a
    data set may lie where nobody may write.

    With ``decode`` every picture is decoded whole, which finds damage in the middle of a file, too;
    slow. Corrupt files have an entry, too; the entries are in the order of the paths.

    Raises:
        InputError: If the folder cannot be read.
    """
    files = sorted(_files(str(base)))
    store = _cache_file(base)
    known = {} if decode else _read_cache(store)
    entries: dict[str, Entry] = {}
    for path, *stamp in files:
        row = known.get(path)
        if row is not None and row[:2] == stamp:
            entries[path] = Entry(path, *row[2:])
    unknown = [path for path, *_ in files if path not in entries]
    if unknown:
        entries |= {entry.path: entry for entry in _look_at_all(base, unknown, decode)}
        rows = {path: [*stamp, *astuple(entries[path])[1:]] for path, *stamp in files}
        # Without a place for the cache the next time is as slow as this one: no reason to fail.
        with contextlib.suppress(InputError, UnicodeError):
            write_whole(store, json.dumps({"format": _CACHE_FORMAT, "entries": rows}))
    return [entries[path] for path, *_ in files]


def _files(folder: str, below: str = "") -> Iterator[tuple[str, int, int]]:
    """Yield path, length and time of every picture file, hidden ones left out."""
    try:
        items = [item for item in os.scandir(folder) if not item.name.startswith(".")]
        for item in items:
            path = f"{below}{item.name}"
            if item.is_dir():
                yield from _files(item.path, f"{path}{os.sep}")
            elif Path(item.name).suffix.lower() in SUFFIXES and item.is_file():
                yield path, item.stat().st_size, item.stat().st_mtime_ns
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{printable(folder)} cannot be read: {reason}") from error


def _look_at_all(base: Path, paths: Sequence[str], decode: bool) -> Iterator[Entry]:
    """Read the headers, several files at a time, with a bar on a terminal."""
    chunks = [paths[i : i + _CHUNK] for i in range(0, len(paths), _CHUNK)]
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(_THREADS) as pool,
        ProgressBar(len(paths), "reading sizes", unit="files", lasting=False) as bar,
    ):
        warnings.simplefilter("ignore")  # a large picture is no decompression bomb here
        for entries in pool.map(lambda chunk: [_look(base, p, decode) for p in chunk], chunks):
            bar.advance(len(entries))
            yield from entries


@pillow_as_shipped()
def _look(base: Path, path: str, decode: bool) -> Entry:
    # A header alone does not show that the rest of the file is missing: a file whose end is not a
    # picture's end is decoded in any case.
    try:
        with (base / path).open("rb") as handle:
            handle.seek(0, os.SEEK_END)
            if not handle.tell():
                return Entry(path, 0, 0, "the file is empty")
            handle.seek(max(0, handle.tell() - 16))
            tail = handle.read()
            handle.seek(0)
            with Image.open(handle) as picture:
                width, height = picture.size
                if picture.format == "JPEG" and "exif" in picture.info:
                    turned = picture.getexif().get(_ORIENTATION) in _QUARTER_TURNS
                    width, height = (height, width) if turned else (width, height)
                end = _ENDS.get(picture.format or "", b"")
                if decode or not tail.rstrip(b"\0 \r\n").endswith(end):
                    picture.load()
    except Image.DecompressionBombError:
        return Entry(path, 0, 0, "its header claims too many pixels")
    except UnidentifiedImageError:
        return Entry(path, 0, 0, "it is not a picture, or damaged at the beginning")
    except OSError as error:
        return Entry(path, 0, 0, error.strerror or str(error))
    except Exception as error:  # Pillow's readers raise nearly anything on damaged files
        return Entry(path, 0, 0, f"it is damaged ({type(error).__name__})")
    return Entry(path, width, height)


def _cache_file(base: Path) -> Path:
    name = hashlib.sha256(os.fsencode(base.resolve())).hexdigest()[:16]
    return cache_folder("artworks") / f"{name}.json"


def _read_cache(path: Path) -> dict[str, list[Any]]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return dict(stored["entries"]) if stored["format"] == _CACHE_FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
