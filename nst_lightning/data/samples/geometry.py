"""Curves of the drawn samples: splines, spirals and tapered strokes, as arrays of points."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


def spline(points: ArrayLike, samples: int = 24) -> Points:
    """Catmull-Rom curve through the points, ``samples`` steps between two neighbours."""
    p = np.asarray(points, dtype=np.float64)
    p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    t = np.linspace(0, 1, samples, endpoint=False)[:, None]
    pieces = [
        0.5
        * (
            2 * b
            + (c - a) * t
            + (2 * a - 5 * b + 4 * c - d) * t**2
            + (3 * b - a - 3 * c + d) * t**3
        )
        for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True)
    ]
    return np.vstack([*pieces, p[-2:-1]])


def hermite(
    start: ArrayLike,
    start_slope: ArrayLike,
    end: ArrayLike,
    end_slope: ArrayLike,
    samples: int = 18,
) -> Points:
    """Cubic curve from ``start`` to ``end`` that leaves and arrives along the given slopes."""
    a, u, b, v = (np.asarray(x, dtype=np.float64) for x in (start, start_slope, end, end_slope))
    t = np.linspace(0, 1, samples)[:, None]
    return (
        (2 * t**3 - 3 * t**2 + 1) * a
        + (t**3 - 2 * t**2 + t) * u
        + (3 * t**2 - 2 * t**3) * b
        + (t**3 - t**2) * v
    )


def spiral(
    centre: ArrayLike, radius: float, angle: float, turns: float, direction: int, hole: float = 0.1
) -> Points:
    """Spiral inwards from the rim to ``hole * radius``.

    Args:
        centre: Its middle.
        radius: Where it begins.
        angle: Polar angle of its first point, in radians.
        turns: Number of revolutions.
        direction: +1 for growing angles, -1 for falling ones.
        hole: Where it ends, as a share of the radius.
    """
    t = np.linspace(0, 1, int(30 * turns) + 2)
    # A little slower near the rim, so that the first coil reads as a circle.
    r = radius * (1 - (1 - hole) * t**0.92)
    theta = angle + direction * 2 * np.pi * turns * t
    return np.asarray(centre, dtype=np.float64) + np.stack(
        [r * np.cos(theta), r * np.sin(theta)], axis=1
    )


def normals(points: Points) -> Points:
    """Unit vectors to the left of a curve, one a point."""
    tangent = np.gradient(points, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    return np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)


def ribbon(points: Points, width: ArrayLike) -> Points:
    """Outline of a stroke along a curve; ``width`` is one number or one a point."""
    half = np.broadcast_to(np.asarray(width, dtype=np.float64), (len(points),))[:, None] / 2
    side = normals(points) * half
    return np.vstack([points + side, (points - side)[::-1]])


def circle(centre: ArrayLike, radius: float, corners: int = 28) -> Points:
    """Corners of a regular polygon that stands for a circle."""
    theta = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.asarray(centre, dtype=np.float64) + radius * np.stack(
        [np.cos(theta), np.sin(theta)], axis=1
    )
