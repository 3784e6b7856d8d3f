"""The report's figures 4 and 5: how many paintings an artist has, and how large they are."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from nst_lightning.artworks.statistics import Statistics
from nst_lightning.errors import InputError
from nst_lightning.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAXIMUM_NAMES = 100
"""Artists that one figure can name; of more only the first."""


def write_figures(statistics: Statistics, folder: Path) -> list[Path]:
    """Write ``figure4.png`` and ``figure5.png``.

    Raises:
        InputError: If matplotlib is not installed or the folder cannot be written to.
    """
    paths = []
    for name, draw in (("figure4.png", _counts), ("figure5.png", _sizes)):
        figure = draw(statistics)
        with atomic_write(folder / name) as part:
            figure.savefig(part, dpi=110, format="png", metadata={"Software": None})
        paths.append(folder / name)
    return paths


def _figure(rows: int) -> "Figure":
    try:
        # Not pyplot: it looks for a screen and keeps every figure alive.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "the figures need matplotlib: pip install matplotlib, or leave them "
            "out with --figures false"
        ) from error
    return Figure(figsize=(max(6.0, 1.5 + 0.22 * rows), 5.5), layout="constrained")


def _counts(statistics: Statistics) -> "Figure":
    rows = statistics.rows[:_MAXIMUM_NAMES]
    figure = _figure(len(rows))
    axes = figure.subplots()
    bars = axes.bar(range(len(rows)), [row.paintings for row in rows], color="#4878a8", width=0.8)
    axes.bar_label(bars, fontsize=6, rotation=90, padding=2)
    axes.margins(y=0.12)
    axes.axhline(statistics.counts.median, color="#b05030", linewidth=1)
    axes.annotate(
        f"median {statistics.counts.median:g}",
        (len(rows) - 0.5, statistics.counts.median),
        xytext=(0, 12),
        textcoords="offset points",
        ha="right",
        color="#b05030",
        fontsize=8,
    )
    axes.set_ylabel("paintings")
    axes.set_title(
        f"{statistics.paintings} paintings of {len(statistics.rows)} artists"
        + (f", the first {_MAXIMUM_NAMES}" if len(statistics.rows) > _MAXIMUM_NAMES else "")
    )
    _name(axes, [row.artist for row in rows])
    return figure


def _sizes(statistics: Statistics) -> "Figure":
    rows = statistics.rows[:_MAXIMUM_NAMES]
    figure = _figure(len(rows))
    axes = figure.subplots()
    places = range(len(rows))
    series = (
        ("width", [(r.width_median, r.width_iqr) for r in rows], "#4878a8", "o", -0.15),
        ("height", [(r.height_median, r.height_iqr) for r in rows], "#b05030", "s", 0.15),
    )
    for name, values, colour, marker, shift in series:
        axes.errorbar(
            [place + shift for place in places],
            [median for median, _ in values],
            yerr=[iqr / 2 for _, iqr in values],
            fmt=marker,
            markersize=4,
            elinewidth=0.8,
            color=colour,
            label=f"{name}: median, bar as long as the IQR",
        )
    top = max(max(r.width_median, r.height_median) for r in rows)
    axes.set_ylim(0, math.ceil(top / 500 + 1) * 500)
    axes.set_ylabel("pixels")
    axes.set_title(
        f"Size of the paintings by artist; all: {statistics.widths.median:g} x "
        f"{statistics.heights.median:g} px (medians)"
    )
    axes.legend(frameon=False, fontsize=8)
    _name(axes, [row.artist for row in rows])
    return figure


def _name(axes: "object", names: list[str]) -> None:
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)  # type: ignore[attr-defined]
    axes.set_xlim(-0.8, len(names) - 0.2)  # type: ignore[attr-defined]
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)  # type: ignore[attr-defined]
