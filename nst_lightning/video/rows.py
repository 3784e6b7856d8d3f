"""The rows of ``metrics.csv``: of a whole film from those of its parts, and in words."""

import csv
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from nst_lightning.video.measuring import Steadiness

STYLE, ALONE, STYLE_ALONE = "style_distance", "alone", "style_distance_alone"
COLUMNS = [
    *("frame", "seconds", "scene"),
    *Steadiness.__dataclass_fields__,
    *(STYLE, ALONE, STYLE_ALONE),
]


def joined(tables: Sequence[Path], times: Sequence[Fraction]) -> list[dict[str, Any]]:
    """Return the rows of a whole film from those of its parts: frames and scenes go on counting."""
    rows: list[dict[str, Any]] = []
    for table in tables:
        scenes = rows[-1]["scene"] if rows else 0
        with table.open(newline="", encoding="utf-8") as handle:
            for told in csv.DictReader(handle):
                row: dict[str, Any] = {key: float(value) for key, value in told.items() if value}
                at = len(rows)
                row |= {"frame": at + 1, "seconds": float(times[at])}
                row["scene"] = scenes + int(row["scene"])
                rows.append(row)
    return rows


def in_words(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return how steady a film is, where two frames are of one scene, and how near to the style."""
    style = f"style distance {_mean([row[STYLE] for row in rows]):.3f}"
    measured = [row for row in rows if "painting" in row]
    if not measured:
        return {"style": style}
    mean = {
        key: _mean([row[key] for row in measured if key in row])
        for key in Steadiness.__dataclass_fields__
    }
    steady = (
        f"warping error {mean['painting']:.2e} on {100 * mean['reliable']:.0f} % of "
        f"the picture (the clip's own: {mean['content']:.2e})"
    )
    both = [row for row in measured if ALONE in row]
    if both:
        share = _mean([row["painting"] / max(row[ALONE], 1e-12) for row in both])
        steady += f", {100 * share:.0f} % of that of frames painted one by one"
        pair = [_mean([row[key] for row in both]) for key in (STYLE, STYLE_ALONE)]
        style += f"; where compared {pair[0]:.3f}, painted one by one {pair[1]:.3f}"
    return {"steady": steady, "style": style}


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan
