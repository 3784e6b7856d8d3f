"""The tree of life: a trunk whose every bough rolls up, and out of each roll the next one grows."""

import math
from dataclasses import dataclass, field

import numpy as np

from nst_lightning.data.samples.canvas import Canvas, gold
from nst_lightning.data.samples.geometry import Points, hermite, normals, spiral, spline
from nst_lightning.data.samples.mantle import Band, mosaic
from nst_lightning.data.samples.ornaments import (
    BLACK,
    IVORY,
    SILVER,
    TURQUOISE,
    UMBER,
    VERMILION,
    pick,
)
from nst_lightning.data.samples.packing import Place


@dataclass
class Scroll:
    """One rolled-up branch.

    Attributes:
        centre: Middle of the roll.
        radius: Of its outer coil.
        direction: +1 or -1, the way it turns.
        start: Polar angle at which its branch arrives.
        path: Branch and roll as one curve.
        width: Of the branch along the path.
    """

    centre: Points
    radius: float
    direction: int = 1
    start: float = 0.0
    path: Points = field(default_factory=lambda: np.zeros((0, 2)))
    width: Points = field(default_factory=lambda: np.zeros(0))

    def turns(self) -> float:
        """Revolutions, so that neighbouring coils keep a hand's breadth at any size."""
        return float(np.clip(self.radius / 46, 1.5, 3.4))

    def thickness(self) -> float:
        """Width of the outer coil."""
        return 0.46 * self.radius / self.turns()

    def roll(self) -> Points:
        """The spiral alone."""
        return spiral(self.centre, self.radius, self.start, self.turns(), self.direction)


def awkwardness(parent: Scroll, child: Place) -> tuple[float, float]:
    """Judge the line that touches both rolls, along which the child would leave its parent.

    Returns:
        How awkward the joint is (smaller is better; infinite where there is no such line), and the
        polar angle on the parent's rim where it begins.
    """
    dx, dy = child.centre - parent.centre
    distance = math.hypot(dx, dy)
    reach = parent.radius + child.radius
    if distance <= reach:
        return math.inf, 0.0
    angle = math.atan2(dy, dx) - parent.direction * math.acos(reach / distance)
    # How far along its own first coil the parent has come where the child leaves it.
    run = (parent.direction * (angle - parent.start)) % (2 * math.pi)
    return distance - reach + 40 * max(0.0, run - 4.2) + 12 * abs(run - 2.2), angle


def grow(parent: Scroll, child: Place, angle: float) -> Scroll:
    """Return the child as a branch that leaves its parent at the angle and rolls the other way."""
    grown = Scroll(child.centre, child.radius, -parent.direction, angle + math.pi)
    run = (parent.direction * (angle - parent.start)) % (2 * math.pi)
    roll = parent.roll()
    along = min(int(run / (2 * math.pi) * 30), len(roll) - 2)
    leave, heading = roll[along], roll[along + 1] - roll[along]
    own = grown.roll()
    arrive = own[1] - own[0]
    span = 1.1 * float(np.linalg.norm(own[0] - leave)) + 20
    link = hermite(
        leave,
        heading * span / np.linalg.norm(heading),
        own[0],
        arrive * span / np.linalg.norm(arrive),
    )[:-1]
    grown.path = np.vstack([link, own])
    thick = grown.thickness()
    root = min(parent.thickness() * 0.8, thick * 1.35)
    grown.width = np.concatenate(
        [np.linspace(root, thick, len(link)), np.linspace(thick, thick * 0.42, len(own))]
    )
    return grown


def branch_out(
    roots: list[Scroll], loose: list[Place], limit: float
) -> tuple[list[Scroll], list[Place]]:
    """Hang every loose roll on the tree by its least awkward parent, the easiest first.

    Returns:
        The grown tree, and the rolls that found no parent below ``limit``.
    """
    tree = list(roots)
    offers = [min((*awkwardness(p, c), i) for i, p in enumerate(tree)) for c in loose]
    waiting = list(loose)
    while waiting:
        nearest = min(range(len(waiting)), key=lambda i: offers[i][0])
        cost, angle, parent = offers.pop(nearest)
        if cost > limit:
            break
        newest = grow(tree[parent], waiting.pop(nearest), angle)
        tree.append(newest)
        offers = [
            min(old, (*awkwardness(newest, c), len(tree) - 1))
            for old, c in zip(offers, waiting, strict=True)
        ]
    return tree, waiting


def bough(points: list[tuple[float, float]], radius: float, direction: int, base: float) -> Scroll:
    """Draw a main bough through the points into a roll.

    The last point is the middle of the roll; the curve is led to its rim.
    """
    centre = np.array(points[-1], dtype=np.float64)
    before = np.array(points[-2], dtype=np.float64)
    way = before - centre
    distance = float(np.linalg.norm(way))
    bearing = np.arctan2(way[1], way[0])
    # The touching line from a point to a circle.
    start = bearing + direction * np.arccos(min(1.0, radius / distance))
    scroll = Scroll(centre, radius, direction, start)
    own = scroll.roll()
    stem = spline([*points[:-1], own[0], own[2]], 14)[:-14]
    scroll.path = np.vstack([stem, own])
    thick = scroll.thickness() * 1.25
    before_width = base + (thick - base) * np.linspace(0, 1, len(stem)) ** 0.7
    scroll.width = np.concatenate([before_width, np.linspace(thick, thick * 0.4, len(own))])
    return scroll


def draw_tree(canvas: Canvas, tree: list[Scroll]) -> None:
    """Draw all branches: first every outline, then every body, so that joints flow together."""
    rng = canvas.rng
    for scroll in tree:
        canvas.stroke(scroll.path, scroll.width + 12, UMBER)
    for scroll in tree:
        canvas.stroke(scroll.path, scroll.width, gold(float(rng.normal(0.66, 0.05)), 205))
    for scroll in tree:
        _adorn(canvas, scroll)


def _adorn(canvas: Canvas, scroll: Scroll) -> None:
    """Give a branch its ridge of impasto, and some branches beads or notches."""
    rng = canvas.rng
    ridge = scroll.path - 0.15 * scroll.width[:, None]
    canvas.stroke(ridge, scroll.width * 0.28, gold(0.9, 235))
    kind = rng.choice(("plain", "beads", "notches"))
    if kind == "plain":
        return
    across = normals(scroll.path)
    for i in range(1, len(scroll.path) - 4, 2):
        point, width = scroll.path[i], scroll.width[i]
        if width > 50:
            continue
        if kind == "beads":
            canvas.disc(point, width * 0.21, UMBER)
        else:
            half = across[i] * width * 0.42
            canvas.stroke(np.stack([point - half, point + half]), 4.5, UMBER)


def draw_trunk(canvas: Canvas, boughs: list[Scroll]) -> None:
    """Lay a mosaic of golds over the thick part of the boughs."""
    paints = (gold(0.72, 200), gold(0.5, 170), gold(0.34, 150), gold(0.86, 220), BLACK, SILVER)
    shares = (0.34, 0.24, 0.16, 0.12, 0.09, 0.05)

    def tile(target: Canvas, corners: Points) -> None:
        target.polygon(corners, pick(target, paints, shares))
        if target.rng.random() < 0.16:
            set_bead(target, corners)

    for scroll in boughs:
        thick = scroll.width > 34
        path, width = scroll.path[thick], scroll.width[thick] * 0.84
        side = normals(path) * width[:, None] / 2
        mosaic(canvas, Band(path - side, path + side), 34, 2.5, tile)


def set_bead(canvas: Canvas, corners: Points) -> None:
    """Set a bead into a stone."""
    size = 0.3 * float(np.linalg.norm(corners[0] - corners[2])) / 2
    middle = corners.mean(axis=0)
    canvas.disc(middle, size * 1.5, UMBER)
    canvas.disc(middle, size, pick(canvas, (IVORY, TURQUOISE, VERMILION, gold(0.9, 220))))
