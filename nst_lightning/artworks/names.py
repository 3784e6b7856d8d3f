"""Artists' names as folders spell them: underscores, accents, and letters lost by unpackers."""

import re
import unicodedata

_WRONG_DECODINGS = ("cp437", "cp1252", "latin-1")
NUMBER = re.compile(r"[_\s-]+(\d+)$")
"""The number at the end of a file name such as ``Gustav_Klimt_3``."""


def repair(name: str) -> str:
    """Undo the wrong decodings that a name went through, and compose its accents (NFC).

    The Kaggle data set has a folder ``Albrecht_DuΓòá├¬rer`` beside ``Albrecht_Dürer``: UTF-8 that
    was twice read as cp437, the code page of old zip files. Undecodable bytes are surrogates, as
    the file system gives them.
    """
    if any("\udc80" <= letter <= "\udcff" for letter in name):
        name = name.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    for _ in range(3):
        better = next((b for e in _WRONG_DECODINGS if (b := _undone(name, e)) is not None), None)
        if better is None:
            break
        name = better
    return unicodedata.normalize("NFC", name)


def _undone(name: str, encoding: str) -> str | None:
    try:
        undone = name.encode(encoding).decode("utf-8")
    except UnicodeError:
        return None
    return undone if undone != name else None


def key_of(name: str) -> str:
    """Return an artist's name as one word, such as ``Vincent_van_Gogh``."""
    return "_".join(repair(name).replace("_", " ").split())


def fold(name: str) -> str:
    """Return what two spellings of one name have in common: no case, accents or separators."""
    bare = unicodedata.normalize("NFKD", repair(name).casefold())
    return "".join(letter for letter in bare if letter.isalnum())


def number_of(stem: str) -> int | None:
    """Return the number at the end of a file name, if there is one."""
    match = NUMBER.search(stem)
    return int(match.group(1)) if match else None


def printable(text: str) -> str:
    """Return a text that any terminal and file can take: undecodable bytes as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
