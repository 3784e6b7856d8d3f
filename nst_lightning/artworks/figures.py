"""The report's figures 4 and 5: how many paintings an artist has, and how large they are."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nst_lightning.artworks.statistics import ArtistRow, Statistics
from nst_lightning.errors import InputError
from nst_lightning.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAXIMUM_NAMES = 100
"""Artists that one figure can name; of more only the first."""


def write_figures(statistics: Statistics, folder: Path) -> list[Path]:
    """Write ``figure4.png`` and ``figure5.png``.

    Raises:
        InputError: If matplotlib is not installed or the folder cannot be written to.
    """
    try:
        # Not pyplot: it looks for a screen and keeps every figure alive.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "the figures need matplotlib: pip install matplotlib, or leave them "
            "out with --figures false"
        ) from error
    rows = statistics.rows[:_MAXIMUM_NAMES]
    paths = [folder / "figure4.png", folder / "figure5.png"]
    for path, draw in zip(paths, (_draw_counts, _draw_sizes), strict=True):
        figure = Figure(figsize=(max(6.0, 1.5 + 0.22 * len(rows)), 5.5), layout="constrained")
        axes = figure.subplots()
        draw(axes, rows, statistics)
        axes.set_xticks(range(len(rows)), [row.artist for row in rows], rotation=90, fontsize=7)
        axes.set_xlim(-0.8, len(rows) - 0.2)
        axes.spines[["top", "right"]].set_visible(False)
        with atomic_write(path) as part:
            figure.savefig(part, dpi=110, format="png", metadata={"Software": None})
    return paths


def _draw_counts(axes: "Axes", rows: Sequence[ArtistRow], statistics: Statistics) -> None:
    bars = axes.bar(range(len(rows)), [row.paintings for row in rows], color="#4878a8", width=0.8)
    axes.bar_label(bars, fontsize=6, rotation=90, padding=2)
    axes.margins(y=0.12)
    median = statistics.counts.median
    axes.axhline(median, color="#b05030", linewidth=1)
    axes.annotate(
        f"median {median:g}",
        (len(rows) - 0.5, median),
        xytext=(0, 12),
        textcoords="offset points",
        ha="right",
        color="#b05030",
        fontsize=8,
    )
    axes.set_ylabel("paintings")
    first = f", the first {len(rows)}" if len(statistics.rows) > len(rows) else ""
    axes.set_title(f"{statistics.paintings} paintings of {len(statistics.rows)} artists{first}")


def _draw_sizes(axes: "Axes", rows: Sequence[ArtistRow], statistics: Statistics) -> None:
    widths = [(row.width_median, row.width_iqr) for row in rows]
    heights = [(row.height_median, row.height_iqr) for row in rows]
    for name, values, colour, marker, shift in (
        ("width", widths, "#4878a8", "o", -0.15),
        ("height", heights, "#b05030", "s", 0.15),
    ):
        axes.errorbar(
            [place + shift for place in range(len(rows))],
            [median for median, _ in values],
            yerr=[iqr / 2 for _, iqr in values],
            fmt=marker,
            markersize=4,
            elinewidth=0.8,
            color=colour,
            label=f"{name}: median, bar as long as the IQR",
        )
    top = max(median for median, _ in (*widths, *heights))
    axes.set_ylim(0, math.ceil(top / 500 + 1) * 500)
    axes.set_ylabel("pixels")
    axes.set_title(
        f"Size of the paintings by artist; all: {statistics.widths.median:g} x "
        f"{statistics.heights.median:g} px (medians)"
    )
    axes.legend(frameon=False, fontsize=8)
