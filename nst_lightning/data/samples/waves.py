"""``sample:waves``: a breaking sea, as a woodblock print in indigo, cream and white."""

import numpy as np
from PIL import Image

from nst_lightning.data.samples.canvas import SIZE, Canvas, Paint, pigment
from nst_lightning.data.samples.geometry import Points, normals, spline
from nst_lightning.data.samples.mantle import Band
from nst_lightning.data.samples.texture import (
    Pixels,
    bristles,
    fractal_noise,
    smooth_noise,
    waver,
)

INK = pigment(24, 34, 68)
PRUSSIAN = pigment(28, 56, 110)
BLUE = pigment(62, 104, 152)
PALE = pigment(146, 178, 192)
FOAM = pigment(244, 238, 218)
CREAM = pigment(228, 208, 164)
SUN = pigment(196, 74, 46)

# Back and face of the great wave, from its foot to the tip of its crest.
_BACK = [
    (-260, 1700),
    (-120, 1330),
    (120, 900),
    (420, 540),
    (800, 330),
    (1150, 350),
    (1400, 520),
    (1490, 760),
]
_FACE = [
    (1240, 1960),
    (930, 1780),
    (740, 1500),
    (690, 1180),
    (790, 880),
    (1010, 690),
    (1270, 650),
    (1490, 760),
]


def paint_waves() -> Image.Image:
    """Draw the picture: square, RGB, the same bytes every time."""
    canvas = Canvas(CREAM, seed=1831)
    _sky(canvas)
    _mountain(canvas)
    for level, (height, reach, phase) in enumerate(((1340, 330, 0.4), (1470, 420, 2.0))):
        _swell(canvas, height, reach, phase, 46 + 8 * level)
    _great_wave(canvas)
    for level, (height, reach, phase) in enumerate(((1660, 560, 4.4), (1840, 640, 1.4))):
        _swell(canvas, height, reach, phase, 74 + 20 * level)
    return Image.fromarray(waver(_printed(canvas), canvas.rng, reach=2.2, cell=45))


def _sky(canvas: Canvas) -> None:
    """Bands of dusk and a low sun; drifting cloud in long tongues."""
    rng = canvas.rng
    canvas.disc((1640, 420), 150, SUN, 0.01)
    for _ in range(15):
        x, y = rng.uniform(-200, SIZE), rng.uniform(120, 1150)
        length, thick = rng.uniform(380, 900), rng.uniform(14, 34)
        path = spline([(x, y), (x + length / 2, y + rng.normal(0, 14)), (x + length, y)], 14)
        swell = thick * np.sin(np.linspace(0.1, 3.05, len(path))) + 3
        tint = (pigment(214, 186, 140), pigment(238, 224, 188), pigment(188, 170, 146))
        canvas.stroke(path, swell, tint[int(rng.integers(3))])


def _mountain(canvas: Canvas) -> None:
    """Draw a far cone with snow running down its gullies."""
    rng = canvas.rng
    slope = spline([(1180, 1440), (1460, 1240), (1630, 1030), (1700, 960)], 10)
    other = spline([(1762, 962), (1840, 1040), (1980, 1210), (2240, 1410)], 10)
    cone = np.vstack([slope, other])
    canvas.polygon(cone, pigment(86, 112, 140))
    canvas.polygon(np.array([(1700, 964), (1760, 964), (1856, 1062), (1600, 1070)]), FOAM)
    for share in np.linspace(0.02, 0.98, 15):
        top = np.array([1600 + 256 * share, 1062])
        run = rng.uniform(30, 210) * (1.2 - abs(share - 0.5))
        foot = top + np.array([(share - 0.5) * 1.1 * run, run])
        gully = spline([top, (top + foot) / 2 + rng.normal(0, 4, 2), foot], 5)
        canvas.stroke(gully, np.linspace(24, 3, len(gully)), FOAM)
    canvas.stroke(slope, 6, INK)
    canvas.stroke(other, 6, INK)


def _striped(canvas: Canvas, band: Band, paints: tuple[Paint, ...]) -> None:
    """Fill a band with stripes that run along it, of uneven width, each with a line of ink."""
    rng = canvas.rng
    cuts = np.concatenate([[0], np.cumsum(rng.uniform(0.5, 1.5, len(paints)))])
    cuts /= cuts[-1]
    for low, high, paint in zip(cuts[:-1], cuts[1:], paints, strict=True):
        left = band.left + low * (band.right - band.left)
        right = band.left + high * (band.right - band.left)
        # Stripes end in points, as the carver's knife leaves them.
        canvas.polygon(np.vstack([left, right[::-1]]), paint.varied(rng, 4))
        fine = BLUE if paint in (INK, PRUSSIAN) else INK
        for share in (0.3, 0.62):
            hair = left + share * (right - left)
            canvas.stroke(hair, 3.2 * np.sin(np.linspace(0.2, 2.9, len(hair))), fine)
        canvas.stroke(left, 6 * np.sin(np.linspace(0.4, 2.7, len(left))), INK)


def _great_wave(canvas: Canvas) -> None:
    back, face = spline(_BACK, 20), spline(_FACE, 20)
    under = np.vstack([face, back[::-1], [(-300, SIZE + 60), (1300, SIZE + 60)]])
    canvas.polygon(under, PRUSSIAN)
    sea = (
        BLUE,
        PRUSSIAN,
        FOAM,
        PRUSSIAN,
        PALE,
        INK,
        BLUE,
        FOAM,
        PRUSSIAN,
        PALE,
        BLUE,
        PRUSSIAN,
        FOAM,
        PALE,
    )
    _striped(canvas, Band(back, face), sea)
    canvas.stroke(face, 12, INK)
    canvas.stroke(back, 12, INK)
    rng = canvas.rng
    claws: list[tuple[Points, Points]] = []
    crest = back[len(back) * 3 // 7 :]
    lip = face[len(face) * 4 // 7 :]
    for i in range(0, len(lip), 3):
        _claw(rng, claws, lip[i], 1.45 + rng.normal(0, 0.25), rng.uniform(105, 165), 1, 2)
    for i in range(0, len(crest), 4):
        side = normals(crest)[i]
        out = float(np.arctan2(-side[1], -side[0]))
        _claw(rng, claws, crest[i], out + 0.7, rng.uniform(70, 110), 1, 1)
    _draw_claws(canvas, claws)
    _foam(canvas, crest)
    for _ in range(190):
        at = crest[int(rng.integers(len(crest)))] + np.abs(rng.normal(0, 150, 2)) * (1.1, 0.9)
        at = at - (20, 120)
        canvas.disc(at, rng.uniform(6, 12), INK)
        canvas.disc(at, rng.uniform(4, 9), FOAM)


def _foam(canvas: Canvas, crest: Points) -> None:
    """Heap scallops of foam under the crest, each heap over the one before."""
    rng = canvas.rng
    reach = np.sin(np.linspace(0.15, 2.4, len(crest)))
    for row in (2, 1, 0):
        for i in range(0, len(crest), 2):
            size = (30 - 4 * row) * (0.45 + 0.7 * reach[i]) * rng.uniform(0.85, 1.15)
            at = crest[i] + (6, (14 + 34 * row) * reach[i]) + rng.normal(0, 4, 2)
            canvas.disc(at, size + 4, INK, 0.15)
            canvas.disc(at - 1, size, FOAM, 0.15)
            canvas.disc(at + np.array([2, size * 0.45]), size * 0.42, PALE, 0.3)
            canvas.disc(at + np.array([0, size * 0.3]), size * 0.44, FOAM, 0.2)


def _claw(
    rng: np.random.Generator,
    claws: list[tuple[Points, Points]],
    base: Points,
    angle: float,
    size: float,
    turn: int,
    depth: int,
) -> None:
    """Grow a finger of foam that bends at its tip, with smaller fingers on its back."""
    bend = angle + turn * np.linspace(0, 1.9, 9) ** 1.4 * 0.55
    step = size / 8
    path = base + np.cumsum(np.stack([np.cos(bend), np.sin(bend)], axis=1) * step, axis=0)
    claws.append((path, size * 0.3 * np.linspace(1, 0.12, 9) ** 0.8))
    if depth > 0:
        for at in (2, 4, 6):
            off = -turn * rng.uniform(0.5, 1.0)
            _claw(rng, claws, path[at], float(bend[at]) + off, size * 0.48, turn, depth - 1)


def _draw_claws(canvas: Canvas, claws: list[tuple[Points, Points]]) -> None:
    for path, width in claws:
        canvas.stroke(path, width + 9, INK)
    for path, width in claws:
        canvas.stroke(path, width, FOAM)
    for path, width in claws:
        if width[0] > 22:
            canvas.stroke(path[:7] + 3, width[:7] * 0.22, PALE)


def _swell(canvas: Canvas, height: float, reach: float, phase: float, foam: float) -> None:
    """Draw a row of waves across the picture, peaked, striped, and crowned with small claws."""
    rng = canvas.rng
    x = np.linspace(-150, SIZE + 150, 170)
    run = x / reach * 2 * np.pi + phase
    amplitude = reach * 0.17
    crest = height - amplitude * (1 - 1.7 * np.abs(np.sin(run / 2)) ** 0.8)
    crest = crest + 12 * np.sin(x / 47 + phase)
    top = np.stack([x + amplitude * 0.5 * np.cos(run), crest], axis=1)
    low = np.stack([x, np.full_like(x, height + amplitude * 1.1 + 150)], axis=1)
    canvas.polygon(np.vstack([top, [(SIZE + 200, SIZE + 50), (-200, SIZE + 50)]]), PRUSSIAN)
    paints = [PALE, PRUSSIAN, BLUE, FOAM, PRUSSIAN, PALE, BLUE, PRUSSIAN, INK]
    _striped(canvas, Band(top, low), tuple(paints))
    claws: list[tuple[Points, Points]] = []
    for i in range(2, len(x) - 2):
        if np.cos(run[i]) > 0.55 and i % 2:
            _claw(rng, claws, top[i], -0.9 + rng.normal(0, 0.3), foam * rng.uniform(0.7, 1.2), 1, 1)
    canvas.stroke(top, 22, INK)
    canvas.stroke(top, 12, FOAM)
    _draw_claws(canvas, claws)


def _printed(canvas: Canvas) -> Pixels:
    """Print the blocks on paper: woodgrain in the flat colours, ink that is not quite even."""
    rng = canvas.rng
    colour, _, _, _ = canvas.fields()
    # The grain of the block: long, level, swaying about knots.
    grain = waver(bristles(rng, 2, 7, 520), rng, reach=14, cell=380)
    y = np.linspace(0, 1, SIZE, dtype=np.float32)[:, None]
    dusk = np.clip(1 - y / 0.3, 0, 1)[..., None] ** 1.5
    print_ = colour * (1 - dusk * (0.62, 0.5, 0.28))
    ink = 1 - colour.mean(axis=2)
    strength = 0.012 + 0.085 * ink
    print_ *= (1 + strength * grain + 0.05 * fractal_noise(rng, 160, 4))[..., None]
    fibre = 0.012 * smooth_noise(rng, 7, 4) + 0.01 * smooth_noise(rng, 5)
    print_ = print_ * 0.95 + np.array((0.035, 0.028, 0.012)) + fibre[..., None]
    return (np.clip(print_, 0, 1) * 255 + 0.5).astype(np.uint8)
