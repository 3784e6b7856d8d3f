"""Where the paintings are, and fetching them from Kaggle by the optional package kagglehub."""

import os
from pathlib import Path

from nst_lightning.errors import InputError
from nst_lightning.files import expanded

VARIABLE = "NST_ARTWORKS"
"""Environment variable that names the data set's folder."""

HANDLE = "ikarus777/best-artworks-of-all-time"


def _downloaded() -> Path | None:
    # Where kagglehub put the data set, if it did; nothing is fetched.
    cache = Path(os.environ.get("KAGGLEHUB_CACHE", "~/.cache/kagglehub")).expanduser()
    versions = cache.joinpath("datasets", *HANDLE.split("/"), "versions")
    found = [path for path in versions.glob("*/") if path.name.isdigit()]
    return max(found, key=lambda path: int(path.name), default=None)


def find_root(given: str | os.PathLike[str] | None = None) -> Path:
    """Return the data set's folder: the one given, ``NST_ARTWORKS``, or what kagglehub downloaded.

    Raises:
        InputError: If none of them is there.
    """
    for source in (given, os.environ.get(VARIABLE)):
        if source:
            folder = expanded(source)
            if not folder.is_dir():
                raise InputError(
                    f"artworks: there is no folder {folder}; give the data set's folder as "
                    f"data.artworks or in the environment variable {VARIABLE}"
                )
            return folder
    found = _downloaded()
    if found is None:
        raise InputError(
            f"artworks: where is the data set? Set {VARIABLE} or data.artworks to its folder, or "
            "fetch it with: python train.py artworks --download true"
        )
    return found


def download() -> Path:
    """Fetch the data set (about 2 GB, once) by kagglehub, if that is there; return its folder."""
    by_hand = (
        f"or unpack https://www.kaggle.com/datasets/{HANDLE} yourself and give its folder as --root"
    )
    try:
        import kagglehub
    except ImportError as error:
        raise InputError(
            f"--download: install the package kagglehub first (pip install kagglehub), {by_hand}"
        ) from error
    try:
        return Path(kagglehub.dataset_download(HANDLE))
    # requests', kagglehub's and zipfile's exceptions share no base class.
    except Exception as error:
        reason = str(error).split("\n")[0][:160] or type(error).__name__
        raise InputError(
            f"--download: Kaggle cannot be reached or refuses: {reason}; {by_hand}"
        ) from error
