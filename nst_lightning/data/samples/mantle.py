"""The golden mantle: it falls in bands of mosaic, each band with an ornament of its own."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from nst_lightning.data.samples.canvas import Canvas, Paint, gold
from nst_lightning.data.samples.geometry import Points
from nst_lightning.data.samples.ornaments import (
    BLACK,
    COBALT,
    CRIMSON,
    GREEN,
    IVORY,
    JEWELS,
    PURPLE,
    SILVER,
    TURQUOISE,
    UMBER,
    VERMILION,
    cell,
    coil,
    eye,
    pick,
    rosette,
    triangle_eye,
)
from nst_lightning.data.samples.packing import pack


class Band:
    """A strip of cloth between two curves, addressed by (across, along) in 0..1.

    Args:
        left: One edge, from the top to the hem.
        right: The other edge, with as many points.
    """

    def __init__(self, left: Points, right: Points) -> None:
        self.left, self.right = _matched(left, right)
        self.length = float(np.linalg.norm(np.diff(self.middle(), axis=0), axis=1).sum())

    def middle(self) -> Points:
        """Curve half-way across."""
        return (self.left + self.right) / 2

    def at(self, across: float, along: float) -> Points:
        """Point of the cloth."""
        i = min(max(along, 0.0), 1.0) * (len(self.left) - 1)
        low = min(int(i), len(self.left) - 2)
        share = i - low
        left = self.left[low] + share * (self.left[low + 1] - self.left[low])
        right = self.right[low] + share * (self.right[low + 1] - self.right[low])
        return left + across * (right - left)

    def width(self, along: float) -> float:
        """Distance of the edges."""
        return float(np.linalg.norm(self.at(1, along) - self.at(0, along)))

    def slope(self, along: float) -> float:
        """Direction of the fall, as an angle."""
        way = self.at(0.5, along + 0.01) - self.at(0.5, along - 0.01)
        return float(np.arctan2(way[1], way[0]))

    def outline(self) -> Points:
        """Both edges as one closed line."""
        return np.vstack([self.left, self.right[::-1]])


def _matched(left: Points, right: Points, count: int = 160) -> tuple[Points, Points]:
    """Resample both edges in step, evenly along the line midway, so that threads run across."""
    middle = (left + right) / 2
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(middle, axis=0), axis=1))])
    at = np.linspace(0, way[-1], count)
    edges = [
        np.stack([np.interp(at, way, e[:, 0]), np.interp(at, way, e[:, 1])], axis=1)
        for e in (left, right)
    ]
    return edges[0], edges[1]


def rows(canvas: Canvas, band: Band, height: float) -> list[tuple[float, float]]:
    """Cut a band along its fall into rows of about a height, in uneven steps."""
    cuts = [0.0]
    while cuts[-1] < 1:
        cuts.append(cuts[-1] + height * canvas.rng.uniform(0.65, 1.4) / band.length)
    return list(pairwise(cuts))


Tile = Callable[[Canvas, Points], None]


def mosaic(canvas: Canvas, band: Band, size: float, gap: float, tile: Tile) -> None:
    """Tile a band with four-cornered stones of uneven length."""
    for top, bottom in rows(canvas, band, size):
        count = max(
            1, round(band.width((top + bottom) / 2) / (size * canvas.rng.uniform(0.45, 0.9)))
        )
        cuts = np.concatenate([[0], np.cumsum(canvas.rng.uniform(0.6, 1.4, count))])
        cuts /= cuts[-1]
        for a, b in pairwise(cuts):
            corners = (band.at(a, top), band.at(b, top), band.at(b, bottom), band.at(a, bottom))
            tile(canvas, cell(*corners, canvas.rng, gap))


def upright_tile(canvas: Canvas, corners: Points) -> None:
    """Black, white, silver and gold, as on the man's robe: some split, some with a heart."""
    rng = canvas.rng
    paint = pick(
        canvas,
        (BLACK, IVORY, SILVER, gold(0.78, 190), gold(0.5), UMBER),
        (0.27, 0.17, 0.15, 0.2, 0.13, 0.08),
    )
    canvas.polygon(corners, paint)
    middle = corners.mean(axis=0)
    kind = rng.random()
    other = IVORY if sum(paint.colour) < 200 and not paint.gold else BLACK
    if kind < 0.2:
        canvas.polygon(middle + (corners - middle) * 0.5, other.varied(rng))
    elif kind < 0.32:
        half = np.stack(
            [corners[0], corners[1], (corners[1] + corners[2]) / 2, (corners[0] + corners[3]) / 2]
        )
        canvas.polygon(half, other.varied(rng))
    elif kind < 0.42:
        canvas.polygon(middle + (corners - middle) * 0.6, pick(canvas, JEWELS))


def jewel_tile(canvas: Canvas, corners: Points) -> None:
    """Small stones of every colour."""
    canvas.polygon(corners, pick(canvas, (*JEWELS, *3 * (gold(0.8, 200), gold(0.6)), IVORY)))


def checks(canvas: Canvas, band: Band, across: int, dark: Paint, light: Paint) -> None:
    """Chequer a band."""
    along = max(2, round(band.length / (band.width(0.5) / across)))
    for j in range(along):
        for i in range(across):
            a, b, top, bottom = i / across, (i + 1) / across, j / along, (j + 1) / along
            corners = (band.at(a, top), band.at(b, top), band.at(b, bottom), band.at(a, bottom))
            paint = dark if (i + j) % 2 else light
            canvas.polygon(cell(*corners, canvas.rng, 1.2), paint.varied(canvas.rng))


def triangles(canvas: Canvas, band: Band) -> None:
    """Run eyes in triangles down a band, point to base, with beads in the corners."""
    step = band.width(0.5) * 0.98
    count = max(1, int(band.length / step))
    for i in range(count):
        along = (i + 0.5) / count
        angle = band.slope(along) + (np.pi if i % 2 else 0)
        centre = band.at(0.5, along)
        triangle_eye(canvas, centre, band.width(along) * 0.5, angle)
        for across in (0.12, 0.88):
            spot = band.at(across, along + 0.5 / count)
            canvas.disc(spot, band.width(along) * 0.085, pick(canvas, JEWELS))


def rounds(canvas: Canvas, band: Band, sizes: tuple[float, ...]) -> None:
    """Crowd a band with rosettes, eyes and coils, as on the woman's robe."""
    rng = canvas.rng
    across, along = rng.uniform(0, 1, 3000), rng.uniform(0, 1, 3000)
    spots = np.array([band.at(a, b) for a, b in zip(across, along, strict=True)])
    # Some may slip a little under the hem.
    room = np.minimum(across, 1 - across) * band.width(0.5) / 0.75
    for place in pack(rng, spots, sizes, tries=500, gap=4, room=room):
        _round(canvas, place.centre, place.radius)


def _round(canvas: Canvas, centre: Points, radius: float) -> None:
    """Draw one of the robe's round ornaments."""
    rng = canvas.rng
    kind = rng.random()
    if radius < 16:
        canvas.disc(centre, radius * 1.2, UMBER)
        canvas.disc(centre, radius * 0.95, pick(canvas, (*JEWELS, *2 * (gold(0.85, 210),), IVORY)))
    elif kind < 0.24 and radius < 45:
        eye(canvas, centre, radius * 2.1, rng.uniform(-0.5, 0.5))
    elif kind < (0.42 if radius < 45 else 0.14):
        coil(canvas, centre, radius, gold(0.76, 205), 2.0)
    else:
        accent = pick(canvas, (IVORY, gold(0.85, 210), BLACK, VERMILION, TURQUOISE))
        depth = pick(canvas, (BLACK, PURPLE, COBALT, CRIMSON, GREEN))
        rings = (pick(canvas, JEWELS), gold(0.72, 190), depth, accent)
        rosette(canvas, centre, radius, rings if radius > 24 else rings[::2])
