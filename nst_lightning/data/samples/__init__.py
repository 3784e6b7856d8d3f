"""Pictures that come with the package: photographs to paint, and pictures to paint like."""

from importlib.resources import files

_FILES = {
    # From scikit-image's package: its own functions would ask the network for a missing file.
    "cat": ("skimage", "data/chelsea.png"),
    "astronaut": ("skimage", "data/astronaut.png"),
    "coffee": ("skimage", "data/coffee.png"),
    # Drawn by this project's own code, see NOTICE.
    "klimt": (__name__, "klimt.webp"),
    "starry": (__name__, "starry.webp"),
    "waves": (__name__, "waves.webp"),
}

SAMPLES = tuple(_FILES)
"""The names after ``sample:``."""


def sample_bytes(name: str) -> bytes:
    """Return the file of a sample, as it is on the disk.

    Raises:
        KeyError: If there is no such sample.
    """
    package, file = _FILES[name]
    return files(package).joinpath(file).read_bytes()
