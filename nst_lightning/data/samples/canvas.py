"""A canvas that remembers, beside the pigment, where gold lies and how thick the paint is.

Everything is drawn flat at ``SIZE`` pixels; light and metal come with the finish.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from nst_lightning.data.samples.geometry import Points, circle, ribbon

#: Side of the square on which every sample is drawn, in pixels.
SIZE = 2048

Field = NDArray[np.floating[Any]]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Paint:
    """What the brush carries.

    Attributes:
        colour: sRGB pigment; unused where ``gold`` is full.
        gold: 0 (pigment) to 255 (metal).
        tone: Brightness of the metal, 0 (bronze shadow) to 255 (glint).
        height: Thickness of the layer, 0 to 255.
    """

    colour: Colour = (0, 0, 0)
    gold: int = 0
    tone: int = 128
    height: int = 128

    def varied(self, rng: np.random.Generator, amount: float = 14.0) -> "Paint":
        """Return the paint as the next brushful has it: a bit lighter, darker, warmer or cooler."""
        shift = rng.normal(0, amount, 4)
        common = shift[3]
        colour = tuple(
            int(np.clip(c + 0.5 * s + common, 0, 255))
            for c, s in zip(self.colour, shift[:3], strict=True)
        )
        tone = int(np.clip(self.tone + 1.3 * common, 0, 255))
        return replace(self, colour=colour, tone=tone)  # type: ignore[arg-type]

    def lighter(self, by: int) -> "Paint":
        """Return the paint with white in it, laid on a little thicker."""
        colour = tuple(min(255, c + by) for c in self.colour)
        tone, height = min(255, self.tone + by), min(255, self.height + 30)
        return replace(self, colour=colour, tone=tone, height=height)  # type: ignore[arg-type]


def gold(tone: float, height: int = 150) -> Paint:
    """Gold of a tone between 0 (bronze shadow) and 1 (glint)."""
    return Paint((0, 0, 0), 255, int(255 * tone), height)


def pigment(red: int, green: int, blue: int, height: int = 140) -> Paint:
    """Opaque colour."""
    return Paint((red, green, blue), 0, 128, height)


class Canvas:
    """A square picture in the making.

    Args:
        ground: The paint that covers it at first.
        seed: Of the generator that every helper draws from.
    """

    def __init__(self, ground: Paint, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._pigment = Image.new("RGB", (SIZE, SIZE), ground.colour)
        # Red: gold; green: its tone; blue: thickness. One image, so that a shape costs two calls.
        self._surface = Image.new("RGB", (SIZE, SIZE), (ground.gold, ground.tone, ground.height))
        self._pens = (ImageDraw.Draw(self._pigment), ImageDraw.Draw(self._surface))

    def polygon(self, points: Points, paint: Paint) -> None:
        """Fill a closed outline."""
        flat = points.ravel().tolist()
        self._pens[0].polygon(flat, fill=paint.colour)
        self._pens[1].polygon(flat, fill=(paint.gold, paint.tone, paint.height))

    def disc(self, centre: ArrayLike, radius: float, paint: Paint, wobble: float = 0.05) -> None:
        """Fill a circle as a hand draws it."""
        corners = 14 if radius < 16 else 30
        middle = np.asarray(centre, dtype=np.float64)
        outline = circle((0, 0), radius, corners)
        phase, stretch = self.rng.uniform(0, 2 * np.pi), self.rng.uniform(0, wobble)
        theta = np.linspace(0, 2 * np.pi, corners, endpoint=False)
        outline *= (1 + stretch * np.cos(2 * theta + phase))[:, None]
        self.polygon(middle + outline, paint)

    def stroke(self, points: Points, width: ArrayLike, paint: Paint) -> None:
        """Draw along a curve with a width that may change on the way.

        Drawn piece by piece: one outline of a curve that winds round itself would fill wrongly.
        """
        outline = ribbon(points, width)
        n = len(points)
        left, right = outline[:n], outline[n:][::-1]
        widths = np.broadcast_to(np.asarray(width, dtype=np.float64), (n,))
        step = 3
        for i in range(0, n - 1, step):
            j = min(i + step + 1, n)
            self.polygon(np.vstack([left[i:j], right[i:j][::-1]]), paint)
        for end in (0, n - 1):
            self.polygon(circle(points[end], widths[end] / 2, 14), paint)

    def inside(self, outline: Points) -> "Mask":
        """Mask of the inside of an outline."""
        mask = Image.new("L", (SIZE, SIZE), 0)
        ImageDraw.Draw(mask).polygon(outline.ravel().tolist(), fill=255)
        return Mask(mask)

    def lay(self, other: "Canvas", mask: "Mask") -> None:
        """Lay what another canvas shows inside the mask over this one."""
        self._pigment.paste(other._pigment, mask=mask.image)
        self._surface.paste(other._surface, mask=mask.image)

    def fields(self) -> tuple[Field, Field, Field, Field]:
        """Return pigment (H, W, 3), gold, tone and height (H, W), all in 0..1."""
        colour = np.asarray(self._pigment, dtype=np.float32) / 255
        surface = np.asarray(self._surface, dtype=np.float32) / 255
        return colour, surface[..., 0], surface[..., 1], surface[..., 2]


@dataclass(frozen=True)
class Mask:
    """Where a canvas is laid over another."""

    image: Image.Image
