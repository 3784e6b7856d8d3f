"""Circles thrown so that none touches another: where ornaments find their places."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nst_lightning.data.samples.geometry import Points


@dataclass(frozen=True)
class Place:
    """A circle kept free for one ornament."""

    centre: Points
    radius: float


def spots_in(mask: NDArray[np.bool_]) -> Points:
    """All points (x, y) of a mask."""
    rows, columns = np.nonzero(mask)
    return np.stack([columns, rows], axis=1).astype(np.float64)


def pack(
    rng: np.random.Generator,
    spots: Points,
    radii: Sequence[float],
    tries: int,
    gap: float,
    taken: Sequence[Place] = (),
    room: Points | None = None,
) -> list[Place]:
    """Throw circles, the largest first, keeping those that touch nothing.

    Args:
        rng: Source of the random numbers.
        spots: Points (N, 2) allowed for a centre.
        radii: Radii to try, falling; each circle is up to a tenth larger or smaller.
        tries: Throws a radius.
        gap: Space between two circles, in pixels of the canvas.
        taken: What lies there already.
        room: Largest radius allowed at each spot (N,).
    """
    kept = list(taken)
    for radius in radii:
        chosen = rng.integers(0, len(spots), tries)
        centres, sizes = spots[chosen], radius * rng.uniform(0.9, 1.1, tries)
        fits = np.ones(tries, dtype=bool) if room is None else sizes <= room[chosen]
        if kept:
            fits &= _clearance(centres, sizes, kept) > gap
        fresh: list[Place] = []
        for centre, size in zip(centres[fits], sizes[fits], strict=True):
            if not fresh or _clearance(centre[None], np.array([size]), fresh)[0] > gap:
                fresh.append(Place(centre, float(size)))
        kept += fresh
    return kept[len(taken) :]


def _clearance(centres: Points, sizes: Points, kept: Sequence[Place]) -> Points:
    """Space from each circle to the nearest one kept."""
    others = np.array([place.centre for place in kept])
    radii = np.array([place.radius for place in kept])
    way = np.linalg.norm(centres[:, None] - others[None], axis=2) - radii[None]
    return way.min(axis=1) - sizes
