"""``sample:klimt``: a tree of life over a golden mantle, drawn in the manner of Klimt's golden years."""

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
    CRIMSON,
    GREEN,
    IVORY,
    JEWELS,
    TURQUOISE,
    UMBER,
    VERMILION,
    coil,
    flower,
    pick,
    rosette,
    triangle_eye,
)
from nst_lightning.data.samples.texture import Field, scaled, smooth_noise, waver
from nst_lightning.data.samples.tree_of_life import Scroll, bough, branch_out, draw_tree, pack

# Edges of the mantle's bands, from the shoulder to the hem; each band lies between two neighbours.
_FOLDS = (
    [(1290, 700), (1150, 960), (1010, 1330), (880, 1700), (820, 2100)],
    [(1330, 690), (1215, 980), (1100, 1340), (990, 1720), (950, 2100)],
    [(1400, 660), (1360, 1000), (1300, 1380), (1230, 1740), (1210, 2100)],
    [(1445, 650), (1440, 1010), (1405, 1400), (1350, 1760), (1335, 2100)],
    [(1490, 650), (1500, 1010), (1480, 1400), (1440, 1760), (1430, 2100)],
    [(1600, 680), (1740, 1010), (1800, 1400), (1830, 1760), (1850, 2100)],
    [(1650, 700), (1830, 1010), (1930, 1400), (1990, 1760), (2010, 2100)],
)


def paint_klimt(long_side: int) -> Image.Image:
    """Draw the picture.

    Args:
        long_side: Its side in pixels; it is square, as the portrait of Adele Bloch-Bauer is.

    Returns:
        The RGB picture; the same bytes every time.
    """
    canvas = Canvas(gold(0.5), seed=1907)
    lay_leaves(canvas, leaf=150, tone=0.46)
    folds = [spline(fold) for fold in _FOLDS]
    cloak = np.vstack([folds[0], folds[-1][::-1]])
    tree, loose = _plan_tree(canvas, cloak)
    _strew(canvas, loose)
    draw_tree(canvas, tree)
    _dress(canvas, folds, cloak)
    _meadow(canvas)
    picture = gild(canvas, _glow(canvas.rng))
    return scaled(waver(picture, canvas.rng, reach=1.6, cell=60), long_side)


def _glow(rng: np.random.Generator) -> Field:
    """The ground shines about the crown and darkens to bronze in the corners."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    halo = np.exp(-((x - 0.5) ** 2 + (y - 0.36) ** 2) / 0.11)
    return (0.2 * halo - 0.11 + 0.035 * smooth_noise(rng, 420)).astype(np.float32)


def _plan_tree(canvas: Canvas, cloak: Points) -> tuple[list[Scroll], list[Scroll]]:
    boughs = [
        bough(
            [(560, 2100), (545, 1700), (560, 1330), (650, 980), (860, 640), (1010, 420)],
            185,
            -1,
            120,
        ),
        bough([(560, 2100), (535, 1700), (510, 1300), (430, 1010), (260, 760)], 165, 1, 110),
        bough([(560, 1600), (540, 1300), (560, 1010), (620, 800), (520, 420)], 150, -1, 70),
        bough([(545, 1800), (590, 1450), (700, 1230), (830, 1130)], 105, 1, 60),
    ]
    free = ~np.asarray(canvas.inside(cloak).image, dtype=bool)
    free[int(SIZE * 0.80) :] = False
    stems = [
        Scroll(point, width * 0.5 + 8)
        for b in boughs
        for point, width in list(zip(b.path, b.width, strict=True))[: -len(b.roll()) : 4]
    ]
    fringe = [Scroll(p, 30) for p in cloak[::6]]
    taken = boughs + stems + fringe
    loose = pack(canvas.rng, free, taken, [165, 135, 110, 90, 72, 58], tries=260)
    tree, orphans = branch_out(boughs, loose, limit=230)
    fill = pack(canvas.rng, free, taken + loose, [44, 32, 24, 17, 12], tries=500)
    return tree, orphans + fill


def _strew(canvas: Canvas, places: list[Scroll]) -> None:
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
    canvas.stroke(np.vstack([cloak, cloak[:1]]), 26, UMBER)
    canvas.polygon(cloak, gold(0.4, 130))
    bands = [Band(a, b) for a, b in zip(folds[:-1], folds[1:], strict=True)]
    grounds = (UMBER, pigment(60, 22, 30), BLACK, gold(0.3, 110), UMBER, gold(0.36))
    for band, ground in zip(bands, grounds, strict=True):
        canvas.polygon(band.outline(), ground)
    triangles(canvas, bands[0])
    rounds(canvas, bands[1], (62, 48, 36, 26, 18, 11))
    checks(canvas, bands[2], 4, BLACK, IVORY)
    triangles(canvas, bands[3])
    mosaic(canvas, bands[4], 74, 4, upright_tile)
    mosaic(canvas, bands[5], 44, 3, jewel_tile)
    for fold in folds:
        canvas.stroke(fold, 13, UMBER)
        canvas.stroke(fold, 7, gold(0.88, 220))
    head = np.array([1465, 560])
    ring = (
        gold(0.8, 200),
        CRIMSON,
        gold(0.7, 200),
        BLACK,
        gold(0.85, 210),
        TURQUOISE,
        IVORY,
        VERMILION,
    )
    rosette(canvas, head, 190, ring)


def _meadow(canvas: Canvas) -> None:
    rng = canvas.rng
    x = np.linspace(-20, SIZE + 20, 60)
    rim = 1740 + 60 * np.sin(x / 210) + 25 * np.sin(x / 67 + 1)
    bank = np.vstack([np.stack([x, rim], axis=1), [(SIZE + 20, SIZE + 20), (-20, SIZE + 20)]])
    hill = canvas.inside(bank)
    free = np.asarray(hill.image, dtype=bool)
    canvas.polygon(bank, pigment(30, 44, 26, 110))
    rows, columns = np.nonzero(free)
    for index in rng.integers(0, len(rows), 1500):
        at = np.array([columns[index], rows[index]], dtype=np.float64)
        lean = rng.normal(0, 12)
        blade = spline([at, at + (lean * 0.4, -25), at + (lean, -52)], 4)
        paint = pick(canvas, (GREEN, pigment(92, 116, 44), gold(0.55), pigment(40, 66, 40)))
        canvas.stroke(blade, np.linspace(9, 3, len(blade)), paint)
    for place in pack(rng, free, [], [44, 34, 26, 19, 13], tries=700):
        flower(canvas, place.centre, place.radius)
