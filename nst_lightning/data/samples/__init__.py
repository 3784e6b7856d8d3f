"""Pictures that come with the package: photographs to paint, and styles drawn by our own code.

``SAMPLES[name](long_side)`` returns an RGB picture. Drawn styles are ``long_side`` pixels large;
photographs come at their own size, whatever is asked.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module

from PIL import Image


def _photograph(name: str) -> Callable[[int], Image.Image]:
    def sample(long_side: int) -> Image.Image:
        from nst_lightning.data.samples.photographs import photograph

        return photograph(name)

    return sample


@cache
def _drawn(name: str) -> Image.Image:
    # Imported when asked for: drawing takes seconds, naming a sample nothing.
    paint = getattr(import_module(f"{__name__}.{name}"), f"paint_{name}")
    picture: Image.Image = paint()
    return picture


def _drawing(name: str) -> Callable[[int], Image.Image]:
    def sample(long_side: int) -> Image.Image:
        if long_side < 1:
            raise ValueError(f"long_side must be at least 1, not {long_side}")
        # Drawn on one canvas and scaled, so that the ornaments grow with the picture.
        return _drawn(name).resize((long_side, long_side), Image.Resampling.LANCZOS)

    return sample


#: Sample name -> function of the long side in pixels.
SAMPLES: dict[str, Callable[[int], Image.Image]] = {
    **{name: _photograph(name) for name in ("cat", "astronaut", "coffee")},
    **{name: _drawing(name) for name in ("klimt", "starry", "waves")},
}
