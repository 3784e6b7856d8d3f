"""How large pictures are made for a size that was asked for."""

import math
from typing import Literal

from nst_lightning.data.images import SizeOf

SizeRule = Literal["long", "short", "height", "area"]
Growth = Literal["any", "own", "small"]

SMALL = 1000
"""Size in pixels up to which a style grows with the picture, and strokes with it."""


def long_side(size: float, rule: SizeRule) -> SizeOf:
    """Return the rule by which a picture gets its long side.

    Args:
        size: In pixels.
        rule: What it measures: see `nst_lightning.data.image_pair.ImagePair`.
    """

    def of(width: int, height: int) -> int:
        longest, shortest = max(width, height), min(width, height)
        ratio = {
            "long": 1.0,
            "short": longest / shortest,
            "height": longest / height,
            "area": math.sqrt(longest / shortest),
        }[rule]
        return max(1, round(size * ratio))

    return of


def of_style(size: float, scale: float, rule: SizeRule, growth: Growth) -> SizeOf:
    """Return the rule by which a style gets its long side.

    Args:
        size: Of the picture, in pixels.
        scale: Size of a style relative to the picture's.
        rule: What the size measures.
        growth: How far it grows with a picture beyond `SMALL`: as ``any`` does, up to its ``own``
            pixels (enlarged further it would be blurred, and the picture with it), or not at all,
            as for a ``small`` one.
    """
    small, grown = (long_side(n * scale, rule) for n in (min(size, SMALL), size))

    def of(width: int, height: int) -> int:
        if growth == "any":
            return grown(width, height)
        most = max(width, height) if growth == "own" else 0
        return min(grown(width, height), max(small(width, height), most))

    return of
