"""Oil paint laid on thick: every stroke a tapered dab whose bristles catch the light."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nst_lightning.data.samples.canvas import Canvas, Paint
from nst_lightning.data.samples.geometry import Points, normals, ribbon
from nst_lightning.data.samples.texture import (
    Field,
    blur,
    brushwork,
    fractal_noise,
    relief_light,
)


@dataclass(frozen=True)
class Brush:
    """A brush and how it is led.

    Attributes:
        width: Of a stroke, in pixels of the canvas.
        length: Of a stroke.
        variation: How much one brushful differs from the next, in steps of 0..255.
    """

    width: float
    length: float
    variation: float = 12.0


def dab(canvas: Canvas, path: Points, width: float, paint: Paint) -> None:
    """Draw one stroke: a body that swells and tapers, a lit ridge, a dark furrow."""
    swell = width * np.sin(np.linspace(0.45, 2.85, len(path)))
    height = int(canvas.rng.integers(95, 150))
    canvas.polygon(ribbon(path, swell), Paint(paint.colour, 0, 128, height))
    side = normals(path) * (width * canvas.rng.uniform(0.12, 0.3))
    light, dark = paint.lighter(18), paint.lighter(-16)
    canvas.polygon(ribbon(path - side, swell * 0.24), Paint(light.colour, 0, 128, height + 70))
    canvas.polygon(ribbon(path + side, swell * 0.18), Paint(dark.colour, 0, 128, height - 45))


def follow(starts: Points, angles: Field, length: float, steps: int = 7) -> Points:
    """Lead strokes along a field of directions.

    Args:
        starts: Points (N, 2).
        angles: Direction at every point of the canvas (H, W), in radians.
        length: Of each stroke.
        steps: Points a stroke.

    Returns:
        Paths (N, steps, 2), with the starts in their middle.
    """
    half = length / (steps - 1)
    forth, back = [starts], []
    for sign, trail in ((1, forth), (-1, back)):
        at = starts
        for _ in range(steps // 2):
            angle = angles[_index(at[:, 1], angles), _index(at[:, 0], angles)]
            at = at + sign * half * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            trail.append(at)
    return np.stack([*back[::-1], *forth], axis=1)


def _index(values: Points, field: Field) -> NDArray[np.int_]:
    return np.clip(values, 0, field.shape[0] - 1).astype(np.int_)


def paint_field(
    canvas: Canvas,
    colours: Field,
    angles: Field,
    brush: Brush,
    count: int,
    where: Field | None = None,
) -> None:
    """Cover the canvas with strokes that take their colour and direction from fields.

    Args:
        canvas: What is painted on.
        colours: sRGB in 0..255, (H, W, 3).
        angles: Directions in radians, (H, W).
        brush: What is painted with.
        count: Number of strokes.
        where: Mask (H, W) of the places where a stroke may begin; everywhere by default.
    """
    rng = canvas.rng
    starts = rng.uniform(0, len(angles), (count, 2))
    if where is not None:
        starts = starts[where[_index(starts[:, 1], angles), _index(starts[:, 0], angles)] > 0]
    tints = colours[_index(starts[:, 1], angles), _index(starts[:, 0], angles)]
    for path, tint in zip(follow(starts, angles, brush.length), tints, strict=True):
        paint = Paint((int(tint[0]), int(tint[1]), int(tint[2]))).varied(rng, brush.variation)
        dab(canvas, path, brush.width * rng.uniform(0.7, 1.25), paint)


def lit(canvas: Canvas, relief: float = 1.0, grain: float = 0.04) -> NDArray[np.uint8]:
    """Light a finished painting from the upper left.

    Args:
        canvas: The painting; its gold is not looked at.
        relief: How strongly the thickness of the paint catches the light.
        grain: How much the bristles show within a colour.

    Returns:
        sRGB picture (H, W, 3).
    """
    colour, _, _, height = canvas.fields()
    marks = brushwork(canvas.rng, 4, 60)
    light = relief_light(blur(height, 2.0) + 0.01 * marks) * relief
    shade = 1 + grain * (marks + fractal_noise(canvas.rng, 120, 4))
    picture = colour * shade[..., None] + light[..., None]
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
