"""Oil paint laid on thick: every stroke a tapered dab whose bristles catch the light."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nst_lightning.data.samples.canvas import SIZE, Canvas, Paint
from nst_lightning.data.samples.geometry import Points
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
    """Draw one stroke (steps, 2) of a paint."""
    dabs(canvas, path[None], np.array([width]), np.array([paint.colour], dtype=np.float64))


def dabs(canvas: Canvas, paths: Points, widths: Points, tints: Points) -> None:
    """Draw strokes: each a body that swells and tapers, a lit ridge and a dark furrow.

    Args:
        canvas: What is painted on.
        paths: (N, steps, 2).
        widths: (N,), in pixels of the canvas.
        tints: sRGB in 0..255, (N, 3).
    """
    rng = canvas.rng
    count, steps, _ = paths.shape
    tangents = np.gradient(paths, axis=1)
    tangents /= np.linalg.norm(tangents, axis=2, keepdims=True) + 1e-9
    side = np.stack([-tangents[..., 1], tangents[..., 0]], axis=-1) * widths[:, None, None]
    swell = 0.5 * np.sin(np.linspace(0.45, 2.85, steps))[None, :, None]
    offset = rng.uniform(0.12, 0.3, (count, 1, 1))
    parts = [
        np.concatenate([middle + side * swell * share, (middle - side * swell * share)[:, ::-1]], 1)
        for middle, share in (
            (paths, 1.0),
            (paths - side * offset, 0.24),
            (paths + side * offset, 0.18),
        )
    ]
    shades: list[list[list[int]]] = [
        np.clip(tints + shift, 0, 255).astype(int).tolist() for shift in (0, 18, -16)
    ]
    heights = rng.integers(95, 150, (count,)).tolist()
    for i in range(count):
        for outline, shade, raised in zip(parts, shades, (0, 70, -45), strict=True):
            red, green, blue = shade[i]
            canvas.polygon(outline[i], Paint((red, green, blue), height=heights[i] + raised))


def follow(starts: Points, angles: Field, length: float, steps: int = 7) -> Points:
    """Lead strokes along a field of directions.

    Args:
        starts: Points (N, 2).
        angles: Direction in radians on a square grid over the canvas.
        length: Of each stroke.
        steps: Points a stroke.

    Returns:
        Paths (N, steps, 2), with the starts in their middle.
    """
    half = length / (steps - 1)
    forth: list[Points] = [starts]
    back: list[Points] = []
    for sign, trail in ((1, forth), (-1, back)):
        at = starts
        for _ in range(steps // 2):
            angle = _at(angles, at)
            at = at + sign * half * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            trail.append(at)
    return np.stack([*back[::-1], *forth], axis=1)


def _at(field: Field, points: Points) -> Field:
    """Look a field up at points of the canvas; its grid may be coarser than the canvas."""
    index = np.clip(points * (len(field) / SIZE), 0, len(field) - 1).astype(np.int_)
    return field[index[:, 1], index[:, 0]]


def paint_field(
    canvas: Canvas,
    colours: Field,
    angles: Field,
    brush: Brush,
    count: int,
) -> None:
    """Cover the canvas with strokes that take their colour and direction from fields.

    Args:
        canvas: What is painted on.
        colours: sRGB in 0..255 on a square grid over the canvas, (H, W, 3).
        angles: Directions in radians on such a grid, (H, W).
        brush: What is painted with.
        count: Number of strokes.
    """
    rng = canvas.rng
    starts = rng.uniform(0, SIZE, (count, 2))
    tints = _at(colours, starts)
    tints = tints + rng.normal(0, brush.variation, (len(tints), 1))
    tints = tints + rng.normal(0, brush.variation / 2, tints.shape)
    widths = brush.width * rng.uniform(0.7, 1.25, len(starts))
    dabs(canvas, follow(starts, angles, brush.length), widths, tints)


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
