"""The tree of life: a trunk whose every bough rolls up, and out of each roll the next one grows."""

import math
from dataclasses import dataclass, field

import numpy as np

from nst_lightning.data.samples.canvas import Canvas, gold
from nst_lightning.data.samples.geometry import Points, hermite, spiral, spline
from nst_lightning.data.samples.ornaments import UMBER


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


def pack(
    rng: np.random.Generator, free: np.ndarray, taken: list[Scroll], radii: list[float], tries: int
) -> list[Scroll]:
    """Throw circles, the largest first, keeping those that touch nothing.

    Args:
        rng: Source of the random numbers.
        free: Mask of the places allowed for a middle.
        taken: What lies there already.
        radii: Radii to try, falling.
        tries: Throws a radius.
    """
    placed: list[Scroll] = []
    rows, columns = np.nonzero(free)
    spots = np.stack([columns, rows], axis=1).astype(np.float64)
    for radius in radii:
        for spot in spots[rng.integers(0, len(spots), tries)]:
            size = radius * rng.uniform(0.9, 1.1)
            others = taken + placed
            middles = np.array([s.centre for s in others])
            reach = np.array([s.radius for s in others]) + size * 1.04 + 13
            if not len(others) or (np.linalg.norm(middles - spot, axis=1) > reach).all():
                placed.append(Scroll(spot, size))
    return placed


def awkwardness(parent: Scroll, child: Scroll) -> tuple[float, float]:
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


def grow(parent: Scroll, child: Scroll, angle: float) -> Scroll:
    """Return the child as a branch that leaves its parent's rim at the angle and rolls the other way."""
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
    roots: list[Scroll], loose: list[Scroll], limit: float
) -> tuple[list[Scroll], list[Scroll]]:
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
        canvas.stroke(scroll.path, scroll.width + 11, UMBER)
    for scroll in tree:
        tone = float(np.clip(0.7 + rng.normal(0, 0.05), 0.55, 0.85))
        canvas.stroke(scroll.path, scroll.width, gold(tone, 205))
    for scroll in tree:
        # The ridge of the impasto.
        ridge = scroll.path + np.array([-0.14, -0.14]) * scroll.width[:, None]
        canvas.stroke(ridge, scroll.width * 0.3, gold(0.92, 235))
