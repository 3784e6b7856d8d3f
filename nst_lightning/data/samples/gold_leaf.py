"""Leaf gold: the squares as they were laid, and how metal answers light."""

import numpy as np
from numpy.typing import NDArray

from nst_lightning.data.samples.canvas import SIZE, Canvas, Field, gold
from nst_lightning.data.samples.texture import bristles, fractal_noise, relief_light, smooth_noise

# From bronze shadow to glint. Metal goes through ochre on its way to ivory; mere brightening of one
# yellow looks like plastic.
_TONES = np.array([0.0, 0.18, 0.34, 0.5, 0.66, 0.82, 1.0])
_COLOURS = np.array(
    [
        (22, 12, 8),
        (70, 40, 16),
        (122, 76, 24),
        (172, 118, 34),
        (212, 162, 58),
        (238, 202, 108),
        (254, 240, 196),
    ]
)
_BOLE = np.array((104, 44, 26), dtype=np.float32) / 255


def lay_leaves(canvas: Canvas, leaf: float, tone: float = 0.5) -> None:
    """Cover the canvas with squares of leaf, a little askew, each with its own sheen and seams."""
    rng = canvas.rng
    for row in range(-1, int(SIZE / leaf) + 2):
        slip = rng.uniform(-0.3, 0.3) * leaf
        for column in range(-1, int(SIZE / leaf) + 2):
            corner = np.array([column * leaf + slip, row * leaf])
            square = corner + leaf * np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=np.float64)
            square += rng.normal(0, leaf * 0.02, (4, 2))
            own = float(tone + rng.normal(0, 0.055))
            # The overlap of two leaves is twice as thick: a fine bright line, then a shadow.
            canvas.polygon(square + leaf * 0.035, gold(own - 0.22, 90))
            canvas.polygon(square + leaf * 0.015, gold(own + 0.16, 150))
            canvas.polygon(square, gold(own, 120 + int(rng.integers(-6, 7))))


def gild(canvas: Canvas, glow: Field, relief: float = 1.0) -> NDArray[np.uint8]:
    """Turn a finished drawing into light: metal where gold lies, paint elsewhere.

    Args:
        canvas: The drawing.
        glow: Added to the tone of the metal (H, W); where the picture shines and where it is dim.
        relief: How strongly the thickness of the paint catches the light.

    Returns:
        sRGB picture (H, W, 3).
    """
    rng = canvas.rng
    colour, metal, tone, height = canvas.fields()
    patch = smooth_noise(rng, 190) > 0
    grain = np.where(patch, bristles(rng, 32, 5, 70), bristles(rng, -48, 5, 70))
    mottle = fractal_noise(rng, 130, 5, 0.72)
    light = relief_light(height + 0.02 * grain) * relief

    shine = tone + glow + 0.045 * mottle + 0.03 * grain + 0.9 * light
    # Contrast about the middle: metal is mostly dark or mostly bright.
    shine = np.clip(0.5 + 1.12 * (shine - 0.5), 0, 1)
    table = np.stack(
        [np.interp(np.linspace(0, 1, 512), _TONES, _COLOURS[:, c]) for c in range(3)], axis=1
    )
    gilt = (table.astype(np.float32) / 255)[(shine * 511).astype(np.int16)]
    warmth = 0.05 * smooth_noise(rng, 240)
    gilt[..., 1] *= 1 - 0.5 * warmth
    gilt[..., 2] *= 1 - 2.2 * warmth
    # Where the leaf is rubbed through, the red clay under it shows.
    worn = np.clip((fractal_noise(rng, 90, 4, 0.8) - 2.0) * 0.8, 0, 0.75)[..., None]
    gilt += worn * (_BOLE * (0.7 + 0.6 * shine[..., None]) - gilt)

    paint = colour * (1 + 0.07 * grain + 0.09 * mottle)[..., None]
    paint += (0.8 * light)[..., None]

    mixed = paint + metal[..., None] * (gilt - paint)
    return (np.clip(mixed, 0, 1) * 255 + 0.5).astype(np.uint8)
