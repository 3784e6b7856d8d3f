"""The command line of ``artworks``: what a folder of paintings holds."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from nst_lightning.artworks.collection import Artworks
from nst_lightning.artworks.download import download as fetch
from nst_lightning.artworks.download import find_root
from nst_lightning.artworks.names import printable
from nst_lightning.artworks.query import parse_query
from nst_lightning.data.sources import is_artwork
from nst_lightning.errors import InputError
from nst_lightning.files import check_folder, write_csv, write_whole
from nst_lightning.parser import OneLineParser

DESCRIPTION = (
    "Index a folder of paintings: counts and sizes by artist as a table and as figures. The folder "
    'is Kaggle\'s "Best Artworks of All Time" or any folder with one folder an artist.'
)
_NAMED_ON_SCREEN = 5


def main(words: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    parser = OneLineParser(prog=f"{Path(sys.argv[0]).name} artworks", description=DESCRIPTION)
    parser.add_function_arguments(artworks, as_group=False)
    artworks(**vars(parser.parse_args(words)))
    return 0


def artworks(
    root: str | None = None,
    out: str = "outputs/artworks",
    figures: bool = True,
    select: str | None = None,
    download: bool = False,
    decode: bool = False,
) -> None:
    """Index a folder of paintings.

    Args:
        root: Folder of the paintings; the environment variable NST_ARTWORKS if left out.
        out: Folder for statistics.csv, index.csv, figure4.png, figure5.png.
        figures: Draw the figures.
        select: Only print the files that artworks:ARTIST?min_side=512&n=5 names.
        download: Fetch the data set from Kaggle first.
        decode: Decode every picture whole to find damaged ones; minutes instead of seconds.
    """
    folder = fetch() if download else find_root(root)
    if select is not None:
        if not is_artwork(select):
            raise InputError(f"--select: {select} does not begin with artworks:")
        query = parse_query(select)
        for work in Artworks.read(folder).select(query):
            print(work.path)
        return
    results = check_folder(out)
    found = Artworks.read(folder, decode=decode)
    if not found.works:
        raise InputError(
            f"artworks: none of the {len(found.corrupt)} pictures under {folder} can be read"
        )
    _report(found, results, figures)


def _report(artworks: Artworks, out: Path, figures: bool) -> None:
    from nst_lightning.artworks.statistics import print_statistics, statistics_of

    statistics = statistics_of(artworks)
    written = [out / "statistics.csv", out / "index.csv"]
    drawn = []
    if figures:
        from nst_lightning.artworks.figures import write_figures

        drawn = write_figures(statistics, out)
    write_csv(written[0], [asdict(row) for row in statistics.rows])
    index = [
        {
            "artist": work.artist,
            "number": work.number,
            "width": work.width,
            "height": work.height,
            "file": printable(str(work.path.relative_to(artworks.root))),
        }
        for work in artworks.works
    ]
    write_csv(written[1], index)
    print_statistics(statistics)
    painted = {work.artist for work in artworks.works}
    empty = [artist.name for key, artist in artworks.artists.items() if key not in painted]
    if empty:
        more = f" and {len(empty) - _NAMED_ON_SCREEN} more" if len(empty) > _NAMED_ON_SCREEN else ""
        print(f"note: no readable painting by {', '.join(empty[:_NAMED_ON_SCREEN])}{more}")
    if artworks.duplicates:
        print(
            f"note: {artworks.duplicates} files are left out: the same artist and number lie in a "
            "second folder, whose name is spelt another way"
        )
    if artworks.corrupt:
        listing = out / "corrupt.txt"
        lines = [f"{damaged}: {why}" for damaged, why in artworks.corrupt]
        write_whole(listing, "".join(f"{line}\n" for line in lines))
        written.append(listing)
        for line in lines[:_NAMED_ON_SCREEN]:
            print(f"corrupt: {line}")
        if len(lines) > _NAMED_ON_SCREEN:
            print(f"corrupt: {len(lines) - _NAMED_ON_SCREEN} more, see {listing}")
    for path in [*written, *drawn]:
        print(f"written  {path}")
