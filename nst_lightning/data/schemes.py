"""Sources that name pictures which only a wing can find, such as ``artworks:ARTIST?n=5``."""

import importlib
import os
from typing import Any

from nst_lightning.errors import InputError

ARTWORKS_PREFIX = "artworks:"

# Named, not imported: this folder knows no wing. The module has ``find_files(source, root)``.
_ARTWORKS_MODULE = "nst_lightning.artworks.collection"


def is_artwork(source: object) -> bool:
    """Return whether a source names paintings of the data set."""
    return isinstance(source, str) and source.startswith(ARTWORKS_PREFIX)


def resolve(source: Any, artworks: str | os.PathLike[str] | None = None) -> list[Any]:
    """Return the files that an ``artworks:...`` names; any other source, alone in a list.

    Raises:
        InputError: If a query is not valid or finds too little.
    """
    if not is_artwork(source):
        return [source]
    found: list[Any] = importlib.import_module(_ARTWORKS_MODULE).find_files(source, artworks)
    return found


def resolve_one(source: Any, artworks: str | os.PathLike[str] | None = None) -> Any:
    """Return the one file that an ``artworks:...`` names; any other source as it is."""
    found = resolve(source, artworks)
    if len(found) != 1:
        raise InputError(f"{source} names {len(found)} paintings, but one is wanted; use n=1")
    return found[0]
