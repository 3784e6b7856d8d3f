"""Files written whole or not at all."""

import contextlib
import csv
import errno
import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nst_lightning.errors import InputError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EACCES: "permission denied; choose a folder you may write to",
    errno.EPERM: "permission denied; choose a folder you may write to",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another folder",
    errno.ENOENT: "there can be no such folder; choose another",
    errno.EEXIST: "a file of that name is in the way; choose another folder",
}
_PART = re.compile(r"\..*\.[0-9a-f]{12}\.part(\..*)?")


def remove_parts(folder: str | os.PathLike[str]) -> None:
    """Delete what an :func:`atomic_write` into this folder left when its process was killed.

    For the folder of one run, where no other process writes.
    """
    with contextlib.suppress(OSError):
        for path in Path(folder).iterdir():
            if _PART.fullmatch(path.name):
                path.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file as :func:`atomic_write` does; a text in UTF-8, its line ends as they are."""
    with atomic_write(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def write_error(path: str | os.PathLike[str], error: OSError) -> InputError:
    """Turn a failed write into one line that says what to do."""
    why = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return InputError(f"cannot write {os.fspath(path)}: {why}")


def cache_folder(name: str) -> Path:
    """Return the folder of this name for what can be had again: in ``XDG_CACHE_HOME``."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return expanded(home) / "nst_lightning" / name


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return a path with the home folder in place of a ``~`` that it begins with, and only there.

    ``./~/a`` lies in a folder called ``~``: nobody expands it again.
    """
    text = os.fspath(path)
    found = Path(text).expanduser() if text.startswith("~") else Path(text)
    return found.absolute() if str(found).startswith("~") else found


def check_name(text: str) -> str:
    """Return a name that files and pages can hold; refuse bytes that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        shown = text.encode(errors="backslashreplace").decode()
        raise InputError(f"{shown} is no UTF-8, which files and pages are; rename it") from error
    return text


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return a path of this machine, its ``~`` expanded; refuse an address and an empty name."""
    text = os.fspath(path)
    try:
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:/", text):
            raise InputError(f"{text} is an address; name a folder or file of this machine")
        if not text.strip() or "\0" in text:
            raise InputError(f"{text!r} is no name of a folder or file")
        return expanded(check_name(text))
    except RuntimeError as error:
        raise InputError(f"{text}: {error}") from error


def check_folder(path: str | os.PathLike[str]) -> Path:
    """Return a folder that can be written to or made, or refuse it; make nothing yet."""
    folder = local_path(path)
    nearest = folder.absolute()
    try:
        while not os.path.lexists(nearest):
            nearest = nearest.parent
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise write_error(folder, error) from error
    return folder


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it only if the block succeeds.

    The data reaches the disk before the name does, so neither a killed process nor a full disk
    leaves half a file under the final name.

    Where ``path`` is a link, the file that it points to is replaced.

    Raises:
        InputError: If the file system refuses (full, read-only, no permission).
    """
    target = Path(path)
    if os.path.islink(target):  # noqa: PTH114 is_symlink() raises where a folder is closed
        target = Path(os.path.realpath(target))
    # The suffix stays: writers such as Pillow choose the format by it.
    temporary = target.with_name(f".{target.stem}.{uuid.uuid4().hex[:12]}.part{target.suffix}")
    try:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            temporary.replace(target)
        except OSError as error:
            # An error of the block's own (an unreadable source, say) is not ours to rename.
            if error.filename not in (None, str(temporary), str(target), str(target.parent)):
                raise
            raise write_error(target, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_csv(
    path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]], first: Sequence[str] = ()
) -> None:
    """Write a table whole; its columns are ``first``, then the keys of all rows as they appear."""
    columns = dict.fromkeys([*first, *(name for row in rows for name in row)])
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(columns))
        writer.writeheader()
        writer.writerows(rows)
