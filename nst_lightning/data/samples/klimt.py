"""``sample:klimt``: a tree of life and a golden mantle, in the manner of Klimt's golden years."""

from itertools import pairwise

import numpy as np
from PIL import Image

from nst_lightning.data.samples.canvas import SIZE, Canvas, gold, pigment
from nst_lightning.data.samples.geometry import Points, spline
from nst_lightning.data.samples.gold_leaf import gild, lay_leaves
from nst_lightning.data.samples.mantle import (
    Band,
    checks,
    jewel_tile,
    mosaic,
    rounds,
    triangles,
    upright_tile,
)
from nst_lightning.data.samples.ornaments import (
    BLACK,
    GREEN,
    IVORY,
    JEWELS,
    ORANGE,
    UMBER,
    coil,
    flower,
    pick,
    rosette,
    triangle_eye,
)
from nst_lightning.data.samples.packing import Place, pack, spots_in
from nst_lightning.data.samples.texture import Field, smooth_noise, waver
from nst_lightning.data.samples.tree_of_life import (
    Scroll,
    bough,
    branch_out,
    draw_tree,
    draw_trunk,
)

# The mantle's outer and inner edge, from where it enters the picture to the hem.
_OUTER = [
    (2160, 330),
    (1830, 395),
    (1560, 590),
    (1410, 900),
    (1330, 1250),
    (1150, 1640),
    (1010, 2120),
]
_INNER = [
    (2300, 900),
    (2190, 930),
    (2090, 1010),
    (2010, 1150),
    (1950, 1400),
    (1870, 1720),
    (1810, 2120),
]
# Where the folds lie between the two.
_FOLDS = (0.0, 0.16, 0.46, 0.54, 0.66, 0.91, 1.0)


def paint_klimt() -> Image.Image:
    """Draw the picture: square, as the portrait of Adele Bloch-Bauer is, RGB, always the same."""
    canvas = Canvas(gold(0.5), seed=1907)
    lay_leaves(canvas, leaf=150, tone=0.5)
    outer, inner = spline(_OUTER), spline(_INNER)
    folds = [outer + share * (inner - outer) for share in _FOLDS]
    cloak = np.vstack([outer, [(SIZE + 200, SIZE + 100), (SIZE + 200, 300)]])
    boughs, tree, loose = _plan_tree(canvas, cloak)
    _strew(canvas, loose)
    draw_tree(canvas, tree)
    draw_trunk(canvas, boughs)
    _dress(canvas, folds, cloak)
    _meadow(canvas)
    picture = gild(canvas, _glow(canvas.rng))
    return Image.fromarray(waver(picture, canvas.rng, reach=1.6, cell=60))


def _glow(rng: np.random.Generator) -> Field:
    """The ground shines about the crown and darkens to bronze in the corners."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    halo = np.exp(-((x - 0.5) ** 2 + (y - 0.36) ** 2) / 0.11)
    return (0.2 * halo - 0.11 + 0.035 * smooth_noise(rng, 420)).astype(np.float32)


def _plan_tree(canvas: Canvas, cloak: Points) -> tuple[list[Scroll], list[Scroll], list[Place]]:
    """Return the boughs, the whole tree, and the places left for ornaments."""
    boughs = [
        bough(
            [(560, 2100), (545, 1700), (560, 1330), (650, 980), (860, 640), (1010, 420)],
            185,
            -1,
            120,
        ),
        bough([(560, 2100), (535, 1700), (510, 1300), (430, 1010), (260, 760)], 165, 1, 110),
        bough([(560, 1600), (540, 1300), (560, 1010), (620, 800), (520, 420)], 150, -1, 70),
        bough([(545, 1800), (590, 1450), (700, 1230), (850, 1130)], 115, 1, 60),
    ]
    free = ~np.asarray(canvas.inside(cloak).image, dtype=bool)
    free[int(SIZE * 0.82) :] = False
    spots = spots_in(free)
    taken = [Place(b.centre, b.radius) for b in boughs] + [Place(p, 30) for p in cloak[::6]]
    for b in boughs:
        stem = list(zip(b.path, b.width, strict=True))[: -len(b.roll()) : 4]
        taken += [Place(point, width / 2 + 8) for point, width in stem]
    sizes = (165, 135, 110, 90, 72, 58, 46, 38)
    loose = pack(canvas.rng, spots, sizes, 260, gap=16, taken=taken)
    tree, orphans = branch_out(boughs, loose, limit=260)
    fill = pack(canvas.rng, spots, (40, 30, 23, 17, 12, 9), 700, gap=12, taken=taken + loose)
    return boughs, tree, orphans + fill


def _strew(canvas: Canvas, places: list[Place]) -> None:
    """Ornaments in the gaps between the branches."""
    rng = canvas.rng
    for place in places:
        kind, centre, radius = rng.random(), place.centre, place.radius
        if radius < 20:
            canvas.disc(centre, radius * 0.9, gold(0.2, 110))
            canvas.disc(
                centre, radius * 0.7, pick(canvas, (gold(0.85, 210), gold(0.7, 200), *JEWELS[:4]))
            )
        elif kind < 0.36:
            triangle_eye(canvas, centre, radius * 0.95, rng.uniform(0, 6.3))
        elif kind < 0.62:
            hue = pick(canvas, JEWELS)
            rosette(canvas, centre, radius * 0.9, (gold(0.75, 190), hue, IVORY, BLACK))
        elif kind < 0.8:
            coil(canvas, centre, radius * 0.9, gold(0.8, 200))
        else:
            flower(canvas, centre, radius * 0.95)


def _dress(canvas: Canvas, folds: list[Points], cloak: Points) -> None:
    """Draw the mantle: eyes, rounds, checks, uprights, and a lining of small stones."""
    canvas.stroke(folds[0], 40, UMBER)
    canvas.polygon(cloak, gold(0.4, 130))
    bands = [Band(a, b) for a, b in pairwise(folds)]
    lining = Band(folds[-1], folds[-1] + (340, 30))
    grounds = (UMBER, pigment(60, 22, 30), BLACK, gold(0.3, 110), UMBER, gold(0.36))
    for band, ground in zip(bands, grounds, strict=True):
        canvas.polygon(band.outline(), ground)
    triangles(canvas, bands[0])
    rounds(canvas, bands[1], (84, 66, 50, 38, 27, 18, 11))
    checks(canvas, bands[2], 3, BLACK, IVORY)
    triangles(canvas, bands[3])
    mosaic(canvas, bands[4], 78, 4, upright_tile)
    mosaic(canvas, bands[5], 54, 3, jewel_tile)
    mosaic(canvas, lining, 70, 4, upright_tile)
    for fold in folds:
        canvas.stroke(fold, 15, UMBER)
        canvas.stroke(fold, 8, gold(0.88, 220))


def _meadow(canvas: Canvas) -> None:
    """Draw the flowering bank at the foot of the tree."""
    rng = canvas.rng
    x = np.linspace(-20, SIZE + 20, 60)
    rim = 1745 + 50 * np.sin(x / 210) + 22 * np.sin(x / 67 + 1) + 140 * (x / SIZE) ** 2
    bank = np.vstack([np.stack([x, rim], axis=1), [(SIZE + 20, SIZE + 20), (-20, SIZE + 20)]])
    canvas.polygon(bank, pigment(30, 40, 24, 110))
    spots = spots_in(np.asarray(canvas.inside(bank).image, dtype=bool))
    greens = (GREEN, pigment(92, 116, 44), gold(0.55), gold(0.75), pigment(40, 66, 40), BLACK)
    for at in spots[np.sort(rng.integers(0, len(spots), 1300))]:
        tip = np.array([rng.normal(0, 16), -rng.uniform(36, 76)])
        blade = spline([at, at + tip * (0.3, 0.5), at + tip], 4)
        width = rng.uniform(9, 19) * np.sin(np.linspace(0.5, np.pi, len(blade)))
        canvas.stroke(blade, width + 1.5, pick(canvas, greens))
    for place in pack(rng, spots, (40, 32, 25, 18, 13), 420, gap=4):
        if place.radius < 16:
            canvas.disc(place.centre, place.radius, UMBER)
            petal = pick(canvas, (*JEWELS, *4 * (gold(0.8, 200), ORANGE)))
            canvas.disc(place.centre, place.radius * 0.75, petal)
        else:
            flower(canvas, place.centre, place.radius)
