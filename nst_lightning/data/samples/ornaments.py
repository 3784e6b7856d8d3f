"""Klimt's alphabet: spirals, eyes, rosettes, flowers and checks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from nst_lightning.data.samples.canvas import Canvas, Paint, gold, pigment
from nst_lightning.data.samples.geometry import Points, spiral, spline

UMBER = pigment(44, 24, 14, 100)
BLACK = pigment(18, 13, 12, 120)
IVORY = pigment(238, 226, 196, 165)
SILVER = pigment(168, 166, 156, 150)
TURQUOISE = pigment(52, 138, 138)
COBALT = pigment(38, 62, 128)
VERMILION = pigment(196, 62, 32, 165)
CRIMSON = pigment(138, 28, 40)
GREEN = pigment(34, 88, 56)
LEAF = pigment(98, 128, 54)
PURPLE = pigment(96, 48, 106)
ROSE = pigment(206, 118, 112, 160)
ORANGE = pigment(222, 132, 40, 160)
JEWELS = (TURQUOISE, COBALT, VERMILION, CRIMSON, GREEN, PURPLE, ROSE, ORANGE, LEAF)


def pick(
    canvas: Canvas, paints: tuple[Paint, ...], weights: Sequence[float] | None = None
) -> Paint:
    """Take one of the paints by chance, as a fresh brushful."""
    return paints[int(canvas.rng.choice(len(paints), p=weights))].varied(canvas.rng)


def rosette(canvas: Canvas, centre: ArrayLike, radius: float, rings: tuple[Paint, ...]) -> None:
    """Draw concentric rings, slightly off centre, the widest first; some rings are of beads."""
    rng = canvas.rng
    middle = np.asarray(centre, dtype=np.float64)
    canvas.disc(middle, radius * 1.06 + 3, UMBER)
    shares = np.linspace(1, 0.2, len(rings))
    for share, ring in zip(shares, rings, strict=True):
        at = middle + rng.normal(0, radius * 0.025, 2)
        canvas.disc(at, radius * share, ring.varied(rng), 0.08)
        if share > 0.45 and radius > 34 and rng.random() < 0.6:
            beads(canvas, at, radius * (share - 0.09), max(3.5, radius * 0.055), gold(0.85, 210))


def beads(canvas: Canvas, centre: ArrayLike, radius: float, size: float, paint: Paint) -> None:
    """Draw a ring of dots."""
    count = max(5, int(2 * np.pi * radius / (size * 3.1)))
    start = canvas.rng.uniform(0, 2 * np.pi)
    for angle in start + np.linspace(0, 2 * np.pi, count, endpoint=False):
        at = np.asarray(centre) + radius * np.array([np.cos(angle), np.sin(angle)])
        canvas.disc(at, size * canvas.rng.uniform(0.8, 1.2), paint.varied(canvas.rng))


def eye(canvas: Canvas, centre: ArrayLike, length: float, angle: float = 0.0) -> None:
    """Draw an Egyptian eye: an almond of ivory or gold, an iris, a dark pupil, a glint."""
    rng = canvas.rng
    t = np.linspace(0, np.pi, 14)
    lid = np.stack([-np.cos(t), 0.46 * np.sin(t) ** 1.15], axis=1)
    almond = np.vstack([lid, lid[::-1] * (1, -0.85)])
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    middle = np.asarray(centre, dtype=np.float64)
    half = length / 2
    canvas.polygon(middle + (almond * half * 1.2) @ turn, UMBER)
    white = IVORY if rng.random() < 0.6 else gold(0.86, 190)
    canvas.polygon(middle + (almond * half) @ turn, white.varied(rng, 8))
    iris = pick(canvas, (TURQUOISE, COBALT, gold(0.45), UMBER, GREEN))
    canvas.disc(middle, half * 0.4, iris)
    canvas.disc(middle, half * 0.22, BLACK)
    canvas.disc(middle - half * 0.12, half * 0.08 + 1, IVORY)


def triangle_eye(canvas: Canvas, centre: ArrayLike, size: float, angle: float) -> None:
    """Draw an eye in a triangle, the triangle edged in gold."""
    middle = np.asarray(centre, dtype=np.float64)
    theta = angle + np.array([0, 2, 4]) * np.pi / 3
    corners = np.stack([np.cos(theta), np.sin(theta)], axis=1)
    corners += canvas.rng.normal(0, 0.05, (3, 2))
    canvas.polygon(middle + corners * size * 1.16, UMBER)
    canvas.polygon(middle + corners * size * 1.06, gold(0.74, 190))
    inner = pick(
        canvas, (UMBER, gold(0.42), TURQUOISE, CRIMSON, IVORY), (0.3, 0.3, 0.15, 0.1, 0.15)
    )
    canvas.polygon(middle + corners * size * 0.82, inner)
    eye(canvas, middle, size * 0.86, angle + np.pi / 2)


def flower(canvas: Canvas, centre: ArrayLike, radius: float) -> None:
    """Draw a meadow flower: loaded dabs about a bright middle, darker at the root of each petal."""
    rng = canvas.rng
    middle = np.asarray(centre, dtype=np.float64)
    hues = (gold(0.82, 190), ORANGE, VERMILION, IVORY, ROSE, PURPLE, COBALT, TURQUOISE)
    petal = pick(canvas, hues, (0.28, 0.19, 0.15, 0.06, 0.11, 0.09, 0.06, 0.06))
    heart = pick(canvas, (gold(0.85, 210), ORANGE, BLACK, VERMILION))
    count = int(rng.integers(5, 10))
    plump = 1.9 / count + 0.05
    canvas.disc(middle, radius * 1.02, UMBER, 0.15)
    start = rng.uniform(0, 2 * np.pi)
    for angle in start + np.linspace(0, 2 * np.pi, count, endpoint=False):
        out = np.array([np.cos(angle), np.sin(angle)])
        length = radius * rng.uniform(0.85, 1.1)
        dab = spline(
            [middle + 0.25 * length * out, middle + 0.6 * length * out, middle + length * out], 3
        )
        width = length * plump * np.sin(np.linspace(0.7, 2.6, len(dab)))
        canvas.stroke(dab, width * 1.15, petal.varied(rng, 22))
        canvas.stroke(dab[2:5] - 1.5, width[2:5] * 0.35, petal.lighter(40))
    canvas.disc(middle, radius * 0.27, UMBER)
    canvas.disc(middle, radius * 0.21, heart)


def coil(
    canvas: Canvas,
    centre: ArrayLike,
    radius: float,
    paint: Paint,
    turns: float = 2.4,
    edge: bool = True,
) -> None:
    """Draw a lone spiral, thick at the rim and fine at the eye."""
    rng = canvas.rng
    path = spiral(centre, radius, rng.uniform(0, 6.3), turns, int(rng.choice((-1, 1))))
    swell = np.linspace(1, 0.45, len(path)) * radius / turns * 0.5
    if edge:
        canvas.stroke(path, swell + 5, UMBER)
    canvas.stroke(path, swell, paint)


def cell(
    a: Points, b: Points, c: Points, d: Points, rng: np.random.Generator, gap: float
) -> Points:
    """Shrink a four-cornered cell by a gap and make its corners uneven, as a mosaic's are."""
    corners = np.stack([a, b, c, d])
    middle = corners.mean(axis=0)
    reach = np.linalg.norm(corners - middle, axis=1, keepdims=True)
    shrunk = middle + (corners - middle) * np.maximum(0.3, 1 - gap / reach)
    return shrunk + rng.normal(0, gap * 0.35, (4, 2))
