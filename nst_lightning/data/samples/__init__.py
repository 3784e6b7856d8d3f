"""Pictures that come with the package: photographs to paint, and styles drawn by our own code.

``SAMPLES[name](long_side)`` returns an RGB picture. Drawn styles are ``long_side`` pixels large;
photographs come at their own size, whatever is asked.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module

from PIL import Image


def _photograph(name: str) -> Callable[[int], Image.Image]:
    def sample(long_side: int) -> Image.Image:
        from nst_lightning.data.samples.photographs import photograph

        return photograph(name)

    return sample


@lru_cache(maxsize=8)
def _drawn(name: str, long_side: int) -> Image.Image:
    # Imported when asked for: drawing needs numpy and Pillow, naming a sample does not.
    paint = getattr(import_module(f"{__name__}.{name}"), f"paint_{name}")
    picture: Image.Image = paint(long_side)
    return picture


def _drawing(name: str) -> Callable[[int], Image.Image]:
    def sample(long_side: int) -> Image.Image:
        # A copy: the caller may draw on it.
        return _drawn(name, long_side).copy()

    return sample


#: Sample name -> function of the long side in pixels.
SAMPLES: dict[str, Callable[[int], Image.Image]] = {
    **{name: _photograph(name) for name in ("cat", "astronaut", "coffee")},
    **{name: _drawing(name) for name in ("klimt", "starry", "waves")},
}
