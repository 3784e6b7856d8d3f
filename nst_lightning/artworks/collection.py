"""Paintings by artist: Kaggle's "Best Artworks of All Time", or any folder of folders."""

import csv
import os
import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

from nst_lightning.artworks.download import find_root
from nst_lightning.artworks.index import Entry, index_folder
from nst_lightning.artworks.names import NUMBER, fold, key_of, number_of, printable, repair
from nst_lightning.artworks.query import Query, parse_query
from nst_lightning.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Artwork:
    """One painting: its artist's key, the number in its file name, its size as displayed."""

    artist: str
    number: int | None
    path: Path
    width: int
    height: int


@dataclass(frozen=True)
class Artist:
    """One artist; what ``artists.csv`` does not say is empty."""

    key: str
    name: str
    genre: str = ""
    nationality: str = ""
    years: str = ""


@dataclass
class Artworks:
    """An index of paintings."""

    root: Path
    works: list[Artwork]  # every readable one, by artist and number
    artists: dict[str, Artist]  # by key, also those of whom there is no painting
    corrupt: list[tuple[str, str]]  # (path, why) of files that are no pictures
    duplicates: int  # files left out: in a folder of another spelling lies the same painting

    @classmethod
    def read(cls, root: Path, *, decode: bool = False) -> "Artworks":
        """Index a data set.

        Known layouts: ``images/<Artist>/<Artist>_<n>.jpg`` (also one folder deeper, as Kaggle's
        archive unpacks), ``resized/<Artist>_<n>.jpg`` where there is no ``images``, and any folder
        of folders, where the folder's name is the artist's. ``artists.csv`` adds genre, nationality
        and years if it is there.

        Raises:
            InputError: If there is no picture in it.
        """
        base = _base(root)
        entries = index_folder(base, decode=decode)
        if not entries:
            raise InputError(
                f"artworks: there is no picture under {root}; it should hold a folder for each "
                "artist, such as images/Gustav_Klimt/Gustav_Klimt_1.jpg"
            )
        artists = _artists(root / "artists.csv")
        works, duplicates = _works(base, entries, artists)
        for path in base.iterdir():
            # A folder without a picture is an artist too, and an empty one can be reported.
            if path.is_dir() and not path.name.startswith("."):
                _enrol(path.name, artists)
        corrupt = [(printable(str(base / e.path)), e.error) for e in entries if e.error]
        return cls(root, works, artists, corrupt, duplicates)

    def by_artist(self) -> dict[str, list[Artwork]]:
        """Return artist's key -> paintings, for every artist with at least one."""
        return {key: list(group) for key, group in groupby(self.works, lambda work: work.artist)}

    def artist(self, name: str) -> Artist:
        """Find an artist by any spelling: case, accents and separators do not count."""
        folded = {fold(key): artist for key, artist in self.artists.items()}
        if fold(name) in folded:
            return folded[fold(name)]
        known = list(self.artists)
        raise InputError(
            f"artworks: there is no artist {name!r}{did_you_mean(key_of(name), known)} "
            f"({len(known)} artists in {self.root})"
        )

    def select(self, query: Query) -> list[Artwork]:
        """Return the paintings that a query asks for, in the index's order.

        Where there are more than ``query.n``, they are a sample, the same for the same seed.

        Raises:
            InputError: If the artist, the painting or the genre does not exist, or too few fit.
        """
        works = self.works
        if query.artist:
            artist = self.artist(query.artist)
            works = [work for work in works if work.artist == artist.key]
            if not works:
                raise InputError(
                    f"artworks: {artist.name} has no readable painting in {self.root}; "
                    "choose another artist"
                )
        if query.painting:
            return [self._painting(query, works)]
        for key in ("genre", "nationality"):
            if wanted := getattr(query, key):
                works = self._having(key, wanted, works)
        works = [work for work in works if query.min_side <= min(work.width, work.height)]
        works = [work for work in works if max(work.width, work.height) <= query.max_side]
        if len(works) < (query.n or 1):
            raise InputError(
                f"artworks: {query.text} asks for {query.n or 1} and finds {len(works)}; "
                "ask for fewer, or for smaller ones"
            )
        if query.n is None:
            return works
        chosen = random.Random(query.seed).sample(range(len(works)), query.n)
        return [works[index] for index in sorted(chosen)]

    def _painting(self, query: Query, works: Sequence[Artwork]) -> Artwork:
        wanted = query.painting
        number = int(wanted) if wanted.isascii() and wanted.isdigit() else -1
        for work in works:
            names = (printable(work.path.name), printable(work.path.stem))
            if wanted in names or work.number == number:
                return work
        numbers = [work.number for work in works if work.number is not None]
        there = f"{min(numbers)} to {max(numbers)}" if numbers else f"{len(works)} by file name"
        raise InputError(f"artworks: there is no painting {query.text} (there are {there})")

    def _having(self, key: str, wanted: str, works: list[Artwork]) -> list[Artwork]:
        words = {artist.key: getattr(artist, key).split(",") for artist in self.artists.values()}
        having = {artist for artist, parts in words.items() if fold(wanted) in map(fold, parts)}
        found = [work for work in works if work.artist in having]
        if not found:
            known = sorted({part.strip() for parts in words.values() for part in parts if part})
            raise InputError(
                f"artworks: there is no painting of {key} {wanted!r}{did_you_mean(wanted, known)}"
                + ("" if known else f"; {self.root} has no artists.csv that says it")
            )
        return found


_indexed = lru_cache(maxsize=2)(Artworks.read)


def find_files(source: str, root: str | os.PathLike[str] | None = None) -> list[str]:
    """Return the files that an ``artworks:...`` names, see `parse_query` and `find_root`.

    Raises:
        InputError: If the query is not valid or finds too little.
    """
    works = _indexed(find_root(root).resolve()).select(parse_query(source))
    return [str(work.path) for work in works]


def _base(folder: Path) -> Path:
    """Return the folder that holds the artists' folders."""
    for name in ("images", "resized"):
        if (folder / name).is_dir():
            folder = folder / name
            break
    while True:
        items = [path for path in folder.iterdir() if not path.name.startswith(".")]
        # Kaggle's archive has images/images/ and resized/resized/.
        if len(items) != 1 or not items[0].is_dir() or items[0].name != folder.name:
            return folder
        folder = items[0]


def _artists(path: Path) -> dict[str, Artist]:
    if not path.is_file():
        return {}
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    found = {}
    for row in csv.DictReader(text.splitlines()):
        # Kaggle's names have non-breaking spaces in them.
        names = ("name", "genre", "nationality", "years")
        fields = {name: " ".join(repair(row.get(name) or "").split()) for name in names}
        if fields["name"]:
            key = key_of(fields["name"])
            found[key] = Artist(key, **fields)
    return found


def _enrol(name: str, artists: dict[str, Artist]) -> str:
    """Return the key of a folder's artist, who is added unless known by this or a like name."""
    key = key_of(name)
    if key not in artists:
        key = next((known for known in artists if fold(known) == fold(key)), key)
        artists.setdefault(key, Artist(key, key.replace("_", " ")))
    return key


def _works(
    base: Path, entries: Sequence[Entry], artists: dict[str, Artist]
) -> tuple[list[Artwork], int]:
    keys: dict[str, str] = {}
    works: dict[tuple[str, object], Artwork] = {}
    spellings: dict[tuple[str, object], str] = {}
    duplicates = 0
    # Of two folders with the same paintings, the one whose name needs no repair.
    for entry in sorted(entries, key=lambda entry: _is_misspelt(entry.path.partition(os.sep)[0])):
        if entry.error:
            continue
        first, _, rest = entry.path.partition(os.sep)
        stem = os.path.splitext(os.path.basename(entry.path))[0]  # noqa: PTH119, PTH122
        name = first if rest else NUMBER.sub("", stem)
        if name not in keys:
            keys[name] = _enrol(name, artists)
        key = keys[name]
        number = number_of(stem)
        identity = (key, number if number is not None else entry.path)
        if spellings.setdefault(identity, name) != name:
            duplicates += 1
            continue
        while identity in works:  # two files of one number in one folder are two paintings
            identity = (key, entry.path)
        works[identity] = Artwork(key, number, base / entry.path, entry.width, entry.height)
    order = sorted(works.values(), key=lambda w: (w.artist, w.number or 0, str(w.path)))
    return order, duplicates


@cache
def _is_misspelt(folder: str) -> bool:
    return repair(folder) != unicodedata.normalize("NFC", folder)
