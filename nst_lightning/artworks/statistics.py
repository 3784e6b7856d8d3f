"""What a collection of paintings holds: counts and sizes, by artist and in all."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nst_lightning.artworks.collection import Artworks


@dataclass(frozen=True)
class Spread:
    """Numbers of a list; the quartiles, by linear interpolation, are ``iqr`` apart."""

    minimum: float
    median: float
    maximum: float
    iqr: float


def spread(values: Sequence[float]) -> Spread:
    """Measure at least one value."""
    least, lower, median, upper, most = np.percentile(values, [0, 25, 50, 75, 100]).tolist()
    return Spread(least, median, most, iqr=upper - lower)


@dataclass(frozen=True)
class ArtistRow:
    """One artist's line of the table; sizes in pixels."""

    artist: str
    genre: str
    nationality: str
    years: str
    paintings: int
    width_median: float
    width_iqr: float
    height_median: float
    height_iqr: float


@dataclass(frozen=True)
class Statistics:
    """The whole table."""

    rows: list[ArtistRow]  # most paintings first
    paintings: int
    counts: Spread  # of paintings an artist
    widths: Spread
    heights: Spread


def statistics_of(artworks: Artworks) -> Statistics:
    """Count and measure at least one painting; artists without any are left out."""
    rows = []
    for key, works in artworks.by_artist().items():
        artist = artworks.artists[key]
        about = (artist.name, artist.genre, artist.nationality, artist.years)
        width, height = spread([w.width for w in works]), spread([w.height for w in works])
        sizes = (width.median, width.iqr, height.median, height.iqr)
        rows.append(ArtistRow(*about, len(works), *sizes))
    rows.sort(key=lambda row: (-row.paintings, row.artist))
    return Statistics(
        rows,
        len(artworks.works),
        spread([row.paintings for row in rows]),
        spread([work.width for work in artworks.works]),
        spread([work.height for work in artworks.works]),
    )


def print_statistics(statistics: Statistics) -> None:
    """Print the table and the numbers of the report's section 3.2."""
    from rich.console import Console
    from rich.table import Table

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 100)
    table = Table(title="paintings by artist")
    table.add_column("artist", overflow="fold")
    for name in ("paintings", "width, median", "IQR", "height, median", "IQR"):
        table.add_column(name, justify="right")
    for row in statistics.rows:
        sizes = (row.width_median, row.width_iqr, row.height_median, row.height_iqr)
        table.add_row(row.artist, str(row.paintings), *(f"{size:g}" for size in sizes))
    console.print(table)
    counts = statistics.counts
    print(f"paintings  {statistics.paintings} of {len(statistics.rows)} artists")
    print(
        f"an artist  median {counts.median:g}, IQR {counts.iqr:g}, from {counts.minimum:g} "
        f"({statistics.rows[-1].artist}) to {counts.maximum:g} ({statistics.rows[0].artist})"
    )
    for name, side in (("width ", statistics.widths), ("height", statistics.heights)):
        print(f"{name}     median {side.median:g} px, from {side.minimum:g} to {side.maximum:g}")
