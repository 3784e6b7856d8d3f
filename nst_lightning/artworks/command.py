"""The command line of ``artworks``: what a folder of paintings holds."""

import sys
from pathlib import Path

from nst_lightning.artworks.collection import Artworks
from nst_lightning.artworks.download import VARIABLE, download, find_root
from nst_lightning.artworks.query import parse_query
from nst_lightning.data.schemes import is_artwork
from nst_lightning.errors import InputError
from nst_lightning.files import atomic_write, check_folder
from nst_lightning.parser import OneLineParser

DESCRIPTION = (
    "Index a folder of paintings: counts and sizes by artist as a table and as figures. The folder "
    'is Kaggle\'s "Best Artworks of All Time" or any folder with one folder an artist.'
)
_NAMED_ON_SCREEN = 5


def make_parser() -> OneLineParser:
    """Return the parser of ``artworks``."""
    parser = OneLineParser(prog=f"{Path(sys.argv[0]).name} artworks", description=DESCRIPTION)
    parser.add_argument(
        "--root",
        type=str | None,
        default=None,
        help=f"Folder of the paintings; the environment variable {VARIABLE} if left out.",
    )
    parser.add_argument(
        "--out",
        type=str,
        default="outputs/artworks",
        help="Folder for statistics.csv, index.csv, figure4.png, figure5.png.",
    )
    parser.add_argument("--figures", type=bool, default=True, help="Draw the figures.")
    parser.add_argument(
        "--select",
        type=str | None,
        default=None,
        help="Only print the files that artworks:ARTIST?min_side=512&n=5 names.",
    )
    parser.add_argument(
        "--download", type=bool, default=False, help="Fetch the data set from Kaggle first."
    )
    parser.add_argument(
        "--decode",
        type=bool,
        default=False,
        help="Decode every picture whole to find damaged ones; minutes instead of seconds.",
    )
    return parser


def main(args: list[str]) -> int:
    """Run the command; returns the exit code."""
    given = make_parser().parse_args(args)
    root = download() if given.download else find_root(given.root)
    if given.select is not None:
        if not is_artwork(given.select):
            raise InputError(f"--select: {given.select} does not begin with artworks:")
        query = parse_query(given.select)
        for work in Artworks.read(root).select(query):
            print(work.path)
        return 0
    out = check_folder(given.out)
    artworks = Artworks.read(root, decode=given.decode)
    if not artworks.works:
        raise InputError(
            f"artworks: none of the {len(artworks.corrupt)} pictures under {root} can be read"
        )
    _report(artworks, out, given.figures)
    return 0


def _report(artworks: Artworks, out: Path, figures: bool) -> None:
    from nst_lightning.artworks.statistics import (
        print_statistics,
        statistics_of,
        write_index,
        write_statistics,
    )

    statistics = statistics_of(artworks)
    written = [out / "statistics.csv", out / "index.csv"]
    drawn = []
    if figures:
        from nst_lightning.artworks.figures import write_figures

        drawn = write_figures(statistics, out)
    write_statistics(statistics, written[0])
    write_index(artworks, written[1])
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
        with atomic_write(listing) as part:
            lines = [f"{damaged}: {why}\n" for damaged, why in artworks.corrupt]
            part.write_text("".join(lines), encoding="utf-8")
        written.append(listing)
        for damaged, why in artworks.corrupt[:_NAMED_ON_SCREEN]:
            print(f"corrupt: {damaged}: {why}")
        if len(artworks.corrupt) > _NAMED_ON_SCREEN:
            print(f"corrupt: {len(artworks.corrupt) - _NAMED_ON_SCREEN} more, see {listing}")
    for path in [*written, *drawn]:
        print(f"written  {path}")
