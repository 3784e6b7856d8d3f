"""What a collection of paintings holds: counts and sizes, by artist and in all."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from nst_lightning.artworks.collection import Artworks
from nst_lightning.files import atomic_write


@dataclass(frozen=True)
class Spread:
    """Five numbers of a list; the quartiles by linear interpolation."""

    minimum: float
    q25: float
    median: float
    q75: float
    maximum: float

    @property
    def iqr(self) -> float:
        """Interquartile range: the 75th less the 25th percentile."""
        return self.q75 - self.q25


def spread(values: Sequence[float]) -> Spread:
    """Return minimum, quartiles and maximum of at least one value."""
    return Spread(*(float(v) for v in np.percentile(np.asarray(values), [0, 25, 50, 75, 100])))


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
    """The whole table.

    Attributes:
        rows: One an artist, most paintings first.
        counts: Of paintings an artist.
        widths: Of all paintings.
        heights: Of all paintings.
    """

    rows: list[ArtistRow]
    counts: Spread
    widths: Spread
    heights: Spread

    @property
    def paintings(self) -> int:
        """Paintings in all."""
        return sum(row.paintings for row in self.rows)


def statistics_of(artworks: Artworks) -> Statistics:
    """Count and measure; artists without a painting are left out.

    Args:
        artworks: With at least one readable painting.
    """
    rows = []
    for key, works in artworks.by_artist().items():
        artist = artworks.artists[key]
        width, height = spread([w.width for w in works]), spread([w.height for w in works])
        rows.append(
            ArtistRow(
                artist=artist.name,
                genre=artist.genre,
                nationality=artist.nationality,
                years=artist.years,
                paintings=len(works),
                width_median=width.median,
                width_iqr=width.iqr,
                height_median=height.median,
                height_iqr=height.iqr,
            )
        )
    rows.sort(key=lambda row: (-row.paintings, row.artist))
    return Statistics(
        rows,
        spread([row.paintings for row in rows]),
        spread([work.width for work in artworks.works]),
        spread([work.height for work in artworks.works]),
    )


def write_statistics(statistics: Statistics, path: Path) -> None:
    """Write one line an artist as CSV."""
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, [field.name for field in fields(ArtistRow)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in statistics.rows)


def write_index(artworks: Artworks, path: Path) -> None:
    """Write one line a painting as CSV: artist, number, width, height, file."""
    with atomic_write(path) as part:
        handle = part.open("w", newline="", encoding="utf-8", errors="replace")
        with handle:
            writer = csv.writer(handle)
            writer.writerow(["artist", "number", "width", "height", "file"])
            for work in artworks.works:
                file = work.path.relative_to(artworks.root)
                writer.writerow([work.artist, work.number, work.width, work.height, file])


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
