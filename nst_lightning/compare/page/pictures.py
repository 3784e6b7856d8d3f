"""Pictures beside the page: copies to look at, and the high-frequency deltas of the report."""

from collections.abc import Collection, Mapping
from pathlib import Path

from torch import Tensor

from nst_lightning.data.images import load_image
from nst_lightning.data.output import save_image
from nst_lightning.data.resizing import resize_to
from nst_lightning.metrics.functional import delta_pictures

LONGEST = 1280
"""Long side of the copies in pixels; what is measured are the PNG files of the runs."""

_QUALITY = 92


def write_pictures(
    folder: Path, files: Mapping[str, Path], with_deltas: Collection[str]
) -> dict[str, tuple[int, int]]:
    """Write JPEG copies of a pair's pictures, and the deltas of some.

    Args:
        folder: Where to: ``KEY.jpg``, ``KEY-horizontal.jpg``, ``KEY-vertical.jpg``.
        files: Picture files by key.
        with_deltas: Keys of those whose deltas are wanted.

    Returns:
        (width, height) of each copy, by key.

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
            for direction, deltas in zip(
                ("horizontal", "vertical"), delta_pictures(pixels), strict=True
            ):
                path = folder / f"{key}-{direction}.jpg"
                save_image(_made_smaller(deltas), path, quality=_QUALITY)
    return sizes


def _made_smaller(pixels: Tensor) -> Tensor:
    height, width = pixels.shape[-2:]
    scale = LONGEST / max(height, width)
    if scale >= 1:
        return pixels
    return resize_to(pixels, (max(1, round(height * scale)), max(1, round(width * scale))))
