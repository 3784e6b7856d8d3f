"""``sample:starry``: wind, stars and water by night, in thick strokes of blue and yellow."""

import numpy as np
from PIL import Image

from nst_lightning.data.samples.canvas import SIZE, Canvas, Field, Paint, pigment
from nst_lightning.data.samples.geometry import spline
from nst_lightning.data.samples.oil import Brush, dab, lit, paint_field
from nst_lightning.data.samples.texture import fractal_noise, smooth_noise, waver

# x, y, radius of the glow, strength of the swirl (its sign: the way it turns).
_WHIRLS = (
    (980, 640, 330, -1.0),
    (1420, 800, 230, 1.0),
    (330, 900, 210, 0.8),
    (620, 250, 160, -0.7),
)
_STARS = (
    (250, 240, 120),
    (560, 480, 90),
    (840, 190, 100),
    (1180, 300, 80),
    (1480, 420, 105),
    (180, 620, 80),
    (1900, 700, 85),
    (720, 900, 70),
    (1290, 1010, 62),
)
_MOON = (1740, 270, 190)
_SHORE = 1330
_GRID = 4

_NIGHT = np.array([(14, 22, 62), (24, 48, 112), (44, 86, 158), (96, 144, 192), (176, 202, 206)])
_LIGHT = np.array([(255, 246, 190), (250, 214, 92), (238, 172, 44), (150, 160, 120)])


def paint_starry() -> Image.Image:
    """Draw the picture: square, RGB, the same bytes every time."""
    canvas = Canvas(pigment(16, 26, 70, 100), seed=1889)
    # A stroke is wide; its direction and colour need no finer grid than this.
    y, x = np.mgrid[0:SIZE:_GRID, 0:SIZE:_GRID].astype(np.float32)
    angles = _wind(canvas.rng, x, y)
    colours = _colours(canvas.rng, x, y, angles)
    for brush, count in (
        (Brush(58, 230, 9), 1500),
        (Brush(30, 150, 13), 3600),
        (Brush(17, 88, 17), 5200),
    ):
        paint_field(canvas, colours, angles, brush, count)
    _stars(canvas)
    _cypress(canvas)
    return Image.fromarray(waver(lit(canvas, 1.5), canvas.rng, reach=1.5, cell=50))


def _wind(rng: np.random.Generator, x: Field, y: Field) -> Field:
    """Direction of the strokes: whirls above, rings about the lights, level water below."""
    u = np.ones_like(x)
    v = 0.45 * np.sin(x / 300) * np.exp(-((y - 800) ** 2) / 4e5)
    for cx, cy, reach, turn in (*_WHIRLS, *((*s[:2], s[2] * 0.9, 2.0) for s in (*_STARS, _MOON))):
        dx, dy = (x - cx) / reach, (y - cy) / reach
        pull = 4.2 * turn * np.exp(-0.5 * (dx * dx + dy * dy))
        # A little inwards, so that the whirls coil.
        u += pull * (-dy - 0.22 * dx * np.sign(turn))
        v += pull * (dx - 0.22 * dy * np.sign(turn))
    angle = np.arctan2(v, u)
    hills = (y > _hills(x)) & (y < _SHORE)
    angle = np.where(hills, 0.5 * np.sin(x / 130 + y / 90), angle)
    water = np.sin(x / 170 + y / 60) * 0.13
    return np.where(y >= _SHORE, water, angle) + 0.1 * _blobs(rng, 90)


def _blobs(rng: np.random.Generator, cell: float) -> Field:
    return smooth_noise(rng, cell)[::_GRID, ::_GRID]


def _clouds(rng: np.random.Generator, cell: float, octaves: int) -> Field:
    return fractal_noise(rng, cell, octaves)[::_GRID, ::_GRID]


def _hills(x: Field) -> Field:
    """Skyline."""
    return 1215 - 75 * np.sin(x / 330 + 0.6) - 35 * np.sin(x / 121)


def _ramp(colours: np.ndarray, value: Field) -> Field:
    steps = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(value, steps, colours[:, c]) for c in range(3)], axis=-1)


def _colours(rng: np.random.Generator, x: Field, y: Field, angles: Field) -> Field:
    """What each stroke is dipped in."""
    stripes = np.sin(0.033 * (x * -np.sin(angles) + y * np.cos(angles)))
    tone = 0.36 + 0.13 * _clouds(rng, 230, 4) + 0.1 * stripes
    for cx, cy, reach, _ in _WHIRLS:
        away = np.hypot(x - cx, y - cy) / reach
        turn = np.sin(2.0 * np.arctan2(y - cy, x - cx) + 5.5 * away)
        tone += np.exp(-(away**2) * 0.8) * (0.2 + 0.3 * turn)
    tone = np.where(y > _hills(x), 0.09 + 0.1 * _clouds(rng, 150, 3), tone)
    tone = np.where(y > _SHORE, 0.24 + 0.13 * _clouds(rng, 120, 3), tone)
    colours = _ramp(_NIGHT, np.clip(tone, 0, 1))
    green = (y > _hills(x)) & (y < _SHORE) & (_blobs(rng, 70) > 0.2)
    colours[green] = colours[green] * (0.9, 1.25, 0.62) + (6, 18, 0)
    for cx, cy, reach in (*_STARS, _MOON):
        away = np.hypot(x - cx, y - cy) / reach + 0.05 * _blobs(rng, 60)
        glow = np.clip(1.5 - away * 1.15, 0, 1)[..., None]
        colours += glow * (_ramp(_LIGHT, np.clip(away / 1.15, 0, 1)) - colours)
        # The light lies on the water as a broken column.
        column = np.exp(-(((x - cx) / (reach * 0.62)) ** 2)) * np.clip((y - _SHORE) / 60, 0, 1)
        broken = np.clip(np.sin(y / 17 + 2.5 * np.sin(x / 90 + cx)) + 0.35, 0, 1)
        shine = 0.85 * column * broken * np.exp(-(y - _SHORE) / 420) * (y > _SHORE)
        colours += shine[..., None] * (np.array((246, 204, 96)) - colours)
    return colours


def _stars(canvas: Canvas) -> None:
    """Set the bright hearts of the lights, stroke by stroke, and the sickle of the moon."""
    rng = canvas.rng
    for cx, cy, reach in _STARS:
        for ring, tint in (
            (0.52, (250, 216, 96)),
            (0.32, (255, 238, 160)),
            (0.13, (255, 252, 226)),
        ):
            count = max(4, int(30 * ring))
            for angle in np.linspace(0, 2 * np.pi, count, endpoint=False):
                sweep = angle + np.linspace(0, 2.4 * np.pi / count, 6)
                r = reach * ring
                path = np.stack([cx + r * np.cos(sweep), cy + r * np.sin(sweep)], axis=1)
                dab(canvas, path, reach * 0.17, Paint(tint).varied(rng, 9))
    cx, cy, reach = _MOON
    sweep = np.linspace(-1.8, 1.8, 26)
    for inwards in np.linspace(0, 1, 6):
        # From the round rim of the sickle to its hollow.
        x = reach * (0.56 * np.cos(sweep) - inwards * 0.36 * np.cos(sweep / 1.8 * np.pi / 2))
        y = reach * 0.56 * np.sin(sweep)
        bend = np.stack([cx + 0.88 * x - 0.48 * y, cy + 0.48 * x + 0.88 * y], axis=1)
        for i in range(0, 20, 4):
            dab(canvas, bend[i : i + 9], reach * 0.09, Paint((240, 150, 26)).varied(rng, 12))


def _cypress(canvas: Canvas) -> None:
    """Draw dark flames of trees on the near bank."""
    rng = canvas.rng
    for foot, top, girth in ((150, 620, 120), (330, 980, 80), (1890, 1020, 84)):
        for _ in range(240):
            rise = rng.uniform(0, 1)
            half = girth * (1 - rise) ** 0.75 * (0.55 + 0.45 * np.sin(rise * 9))
            x = foot + rng.uniform(-1, 1) * abs(half) + 18 * np.sin(rise * 5)
            y = SIZE + 30 - rise * (SIZE - top)
            lean = (foot - x) * 0.3
            path = spline([(x, y + 70), (x - lean * 0.4, y), (x + lean, y - 75)], 4)
            hue = ((16, 30, 26), (30, 52, 34), (12, 18, 34), (60, 66, 34))
            tint = hue[int(rng.choice(4, p=(0.4, 0.3, 0.2, 0.1)))]
            dab(canvas, path, 20, Paint(tint).varied(rng, 7))
