"""Leaf gold: the squares as they were laid, and how metal answers light."""

import numpy as np
from numpy.typing import NDArray

from nst_lightning.data.samples.canvas import SIZE, Canvas, Field, gold
from nst_lightning.data.samples.geometry import Points
from nst_lightning.data.samples.texture import (
    blur,
    brushwork,
    fractal_noise,
    relief_light,
    smooth_noise,
)

# From bronze shadow to glint. Metal goes through ochre on its way to ivory; mere brightening of one
# yellow looks like plastic.
_TONES = np.array([0.0, 0.18, 0.34, 0.5, 0.66, 0.82, 1.0])
_COLOURS = np.array(
    [
        (22, 12, 8),
        (70, 40, 16),
        (126, 80, 24),
        (184, 131, 36),
        (220, 172, 62),
        (238, 202, 108),
        (254, 240, 196),
    ]
)
_BOLE = np.array((104, 44, 26), dtype=np.float32) / 255


def lay_leaves(canvas: Canvas, leaf: float, tone: float = 0.5) -> None:
    """Cover the canvas with squares of leaf, a little askew, each with its own sheen and seams.

    Some are punched with a fine pattern, as in the ground of Klimt's portraits.
    """
    rng = canvas.rng
    count = int(SIZE / leaf) + 2
    for row in range(-1, count):
        slip = rng.uniform(-0.3, 0.3) * leaf
        for column in range(-1, count):
            corner = np.array([column * leaf + slip, row * leaf])
            square = corner + leaf * np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=np.float64)
            square += rng.normal(0, leaf * 0.02, (4, 2))
            own = float(tone + rng.normal(0, 0.06))
            # The overlap of two leaves is twice as thick: a fine bright line, then a shadow.
            canvas.polygon(square + leaf * 0.04, gold(own - 0.24, 80))
            canvas.polygon(square + leaf * 0.017, gold(own + 0.2, 150))
            canvas.polygon(square, gold(own, 115 + int(rng.integers(-6, 7))))
            if rng.random() < 0.55:
                _punch(canvas, corner, leaf, own, rng.choice(("rings", "scales", "squares")))


def _punch(canvas: Canvas, corner: Points, leaf: float, tone: float, pattern: str) -> None:
    """Stamp a leaf with rows of small marks, brighter and darker than itself."""
    rng = canvas.rng
    steps = int(leaf / 27)
    for row in range(steps):
        for column in range(steps):
            if rng.random() < 0.12:
                continue
            shift = 0.5 * (row % 2) if pattern == "scales" else 0.0
            at = corner + leaf * (np.array([column + shift, row]) + 0.5) / steps
            at = at + rng.normal(0, 1.2, 2)
            light, dark = gold(tone + 0.17, 165), gold(tone - 0.17, 85)
            if pattern == "rings":
                canvas.disc(at, 9, dark)
                canvas.disc(at, 6.5, light)
                canvas.disc(at, 2.5, dark)
            elif pattern == "scales":
                canvas.disc(at, 13, dark)
                canvas.disc(at - (0, 3), 11, gold(tone + rng.normal(0.04, 0.05), 130))
            else:
                size = rng.uniform(4, 10)
                box = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * size
                canvas.polygon(at + box + 2.5, dark)
                canvas.polygon(at + box, light)


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
    grain = brushwork(rng)
    mottle = fractal_noise(rng, 130, 5, 0.72)
    light = relief_light(blur(height, 2.5) + 0.012 * grain) * (2.2 * relief)
    # Raised ornament is burnished evenly; the ground takes the glow whole.
    raised = np.clip((height - 0.5) * 4, 0, 1)

    shine = tone + glow * (1 - 0.85 * raised) + 0.045 * mottle + 0.025 * grain + light
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
    rubbed = np.clip((fractal_noise(rng, 60, 4, 0.9) - 1.9) * 0.5, 0, 0.5) * (1 - raised)
    gilt += rubbed[..., None] * (_BOLE * (0.6 + 0.8 * shine[..., None]) - gilt)

    paint = colour * (1 + 0.05 * grain + 0.08 * mottle)[..., None]
    paint += (0.7 * light)[..., None]

    mixed = paint + metal[..., None] * (gilt - paint)
    return (np.clip(mixed, 0, 1) * 255 + 0.5).astype(np.uint8)
