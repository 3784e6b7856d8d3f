"""Fetching the paintings from Kaggle, through the optional package kagglehub."""

from pathlib import Path

from nst_lightning.errors import InputError

HANDLE = "ikarus777/best-artworks-of-all-time"


def downloaded() -> Path | None:
    """Return the folder where kagglehub put the data set, if it did; nothing is fetched."""
    import os

    cache = Path(os.environ.get("KAGGLEHUB_CACHE", "~/.cache/kagglehub")).expanduser()
    versions = cache.joinpath("datasets", *HANDLE.split("/"), "versions")
    if not versions.is_dir():
        return None
    found = [path for path in versions.iterdir() if path.is_dir() and path.name.isdigit()]
    return max(found, key=lambda path: int(path.name), default=None)


def download() -> Path:
    """Fetch the data set (about 2 GB, once) and return its folder.

    Raises:
        InputError: If kagglehub is not installed or Kaggle cannot be reached or refuses.
    """
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
        said = str(error).split("\n")[0][:160] or type(error).__name__
        raise InputError(
            f"--download: Kaggle cannot be reached or refuses: {said}; {by_hand}"
        ) from error
