"""Smooth noise, the marks of a brush, light on a relief, and the waver of a hand."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from nst_lightning.data.samples.canvas import SIZE, Field

Pixels = NDArray[Any]


def smooth_noise(rng: np.random.Generator, cell: float, stretch: float = 1.0) -> Field:
    """Bicubic noise of mean 0 and deviation about 1.

    Args:
        rng: Source of the random numbers.
        cell: Size of a blob in pixels of the canvas.
        stretch: How many times longer it is along x than along y.
    """
    shape = (max(3, round(SIZE / cell) + 2), max(3, round(SIZE / (cell * stretch)) + 2))
    small = Image.fromarray(rng.normal(0, 1.25, shape).astype(np.float32))
    return np.asarray(small.resize((SIZE, SIZE), Image.Resampling.BICUBIC), dtype=np.float32)


def fractal_noise(rng: np.random.Generator, cell: float, octaves: int, fade: float = 0.6) -> Field:
    """Sum of smooth noises, each half as large and ``fade`` as strong as the one before."""
    total = np.zeros((SIZE, SIZE), dtype=np.float32)
    for octave in range(octaves):
        total += np.float32(fade**octave) * smooth_noise(rng, cell / 2**octave)
    return total


def bristles(rng: np.random.Generator, angle: float, width: float = 4, length: float = 60) -> Field:
    """Parallel marks of a brush, of mean 0 and deviation about 1.

    Args:
        rng: Source of the random numbers.
        angle: Of the marks, in degrees.
        width: Of one mark, in pixels of the canvas.
        length: Of one mark.
    """
    # A square that still covers the canvas when turned.
    side = int(SIZE * 1.42)
    small = rng.normal(0, 1.25, (round(side / width), round(side / length))).astype(np.float32)
    marks = Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)
    turned = marks.rotate(angle, Image.Resampling.NEAREST)
    corner = (side - SIZE) // 2
    box = (corner, corner, corner + SIZE, corner + SIZE)
    return np.asarray(turned.crop(box), dtype=np.float32)


def blur(field: Field, radius: float) -> Field:
    """Gaussian blur of values in 0..1."""
    image = Image.fromarray((np.clip(field, 0, 1) * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32) / 255


def relief_light(height: Field) -> Field:
    """Light from the upper left on a relief: positive on slopes that face it, negative behind."""
    light = np.zeros_like(height)
    light[1:-1, 1:-1] = (height[2:, 1:-1] - height[:-2, 1:-1]) + 0.7 * (
        height[1:-1, 2:] - height[1:-1, :-2]
    )
    return light


def waver(picture: Pixels, rng: np.random.Generator, reach: float, cell: float) -> Pixels:
    """Shift every point by a smooth random way of about ``reach`` pixels.

    Args:
        picture: (H, W) or (H, W, 3), of any type.
        rng: Source of the random numbers.
        reach: How far.
        cell: Distance over which the way changes.
    """
    grid = np.arange(SIZE, dtype=np.float32)
    last = SIZE - 1
    # Mirrored at the rim, so that no border shows.
    x = np.abs(grid[None, :] + np.float32(reach) * smooth_noise(rng, cell)).astype(np.int32)
    y = np.abs(grid[:, None] + np.float32(reach) * smooth_noise(rng, cell)).astype(np.int32)
    np.minimum(x, 2 * last - x, out=x)
    np.minimum(y, 2 * last - y, out=y)
    return picture[y, x]


def brushwork(rng: np.random.Generator, width: float = 5, length: float = 80) -> Field:
    """Marks of a brush that turn this way and that over the canvas."""
    return waver(bristles(rng, 35, width, length), rng, reach=90, cell=430)
