"""Photographs that scikit-image carries inside its package, so none is ever downloaded."""

from pathlib import Path

from PIL import Image

#: Sample name -> file name in ``skimage/data``.
PHOTOGRAPHS = {"cat": "chelsea.png", "astronaut": "astronaut.png", "coffee": "coffee.png"}


def photograph(name: str) -> Image.Image:
    """Open one of scikit-image's photographs at its own size.

    The file is read from the installed package itself: ``skimage.data.chelsea()`` and its like
    would ask the network for a missing file.

    Args:
        name: ``"cat"``, ``"astronaut"`` or ``"coffee"``.

    Returns:
        The RGB picture.
    """
    import skimage

    path = Path(skimage.__file__).parent / "data" / PHOTOGRAPHS[name]
    with Image.open(path) as picture:
        return picture.convert("RGB")
