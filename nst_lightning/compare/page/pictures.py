"""Pictures beside the page: copies to look at, and the high-frequency deltas of the report."""

from collections.abc import Collection, Mapping
from pathlib import Path

from torch import Tensor

from nst_lightning.data.images import load_image
from nst_lightning.data.output import save_image
from nst_lightning.data.resizing import resize_to
from nst_lightning.data.sides import fit_long_side
from nst_lightning.metrics.functional import delta_pictures

LONGEST = 1280
"""Long side of the copies in pixels; what is measured are the PNG files of the runs."""

_QUALITY = 92


def write_pictures(
    folder: Path, files: Mapping[str, Path], with_deltas: Collection[str]
) -> dict[str, tuple[int, int]]:
    """Write JPEG copies ``KEY.jpg`` of pictures; return the (width, height) of each.

    With the deltas of some: ``KEY-horizontal.jpg`` and ``KEY-vertical.jpg``.

    Raises:
        InputError: If a file cannot be read or written.
    """
    sizes = {}
    for key, path in files.items():
        pixels = load_image(path, role=key).pixels
        small = _made_smaller(pixels)
        save_image(small, folder / f"{key}.jpg", quality=_QUALITY)
        sizes[key] = (small.shape[-1], small.shape[-2])
        if key in with_deltas:
            # Of the picture as it is: made smaller, it would lose what they show.
            horizontal, vertical = map(_made_smaller, delta_pictures(pixels))
            save_image(horizontal, folder / f"{key}-horizontal.jpg", quality=_QUALITY)
            save_image(vertical, folder / f"{key}-vertical.jpg", quality=_QUALITY)
    return sizes


def _made_smaller(pixels: Tensor) -> Tensor:
    height, width = pixels.shape[-2:]
    if max(height, width) <= LONGEST:
        return pixels
    return resize_to(pixels, fit_long_side(width, height, LONGEST))
