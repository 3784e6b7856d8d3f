"""Lists, folders, globs and samples become pictures with unique names."""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nst_lightning.data.sources import (
    ARTWORKS_PREFIX,
    SAMPLE_PREFIX,
    is_artwork,
    is_url,
    public_name,
    resolve,
)
from nst_lightning.errors import InputError
from nst_lightning.files import check_name, expanded

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm"),
        *(".avif", ".heic", ".heif"),
    )
)
"""What counts as a picture in a folder."""
_KNOWN = ", ".join(sorted(SUFFIXES))

SEPARATOR = "--"
"""Stands between content and style in a pair's name, and nowhere else."""

# File systems count bytes, of which a letter may have four, and a pair's folder has two names.
_MAXIMUM_LETTERS, _MAXIMUM_BYTES = 60, 100


@dataclass(frozen=True)
class Source:
    """A picture to paint or to paint like.

    Attributes:
        name: Unique among the contents or the styles; safe as part of a folder's name.
        label: What people call it: the file's name without its suffix and underscores.
        source: A path, a URL or ``sample:NAME``.
    """

    name: str
    label: str
    source: str


@dataclass(frozen=True)
class Pair:
    """One content with one style."""

    content: Source
    style: Source

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return f"{self.content.name}{SEPARATOR}{self.style.name}"

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.content.label} \N{MULTIPLICATION SIGN} {self.style.label}"


def find_sources(given: Sequence[str], key: str, artworks: str | None = None) -> list[Source]:
    """Expand what was given into pictures, each once, in the order given.

    Args:
        given: Paths, URLs, ``sample:NAME``, ``artworks:ARTIST?n=5``; folders (their pictures,
            sorted by name); globs; ``[a.jpg, b.jpg]`` for two names, as YAML and ``fit`` write it.
        key: Option that messages name.
        artworks: As ``data.artworks``.

    Raises:
        InputError: If a folder or a glob holds no picture, or nothing was given. A single file that
            does not exist is no error here: it fails when it is read, and the others go on.
    """
    found: dict[str, str] = {}
    for item in _listed(given):
        for source in _expand(item.strip(), key, artworks):
            same = source if _is_named(source) else os.path.realpath(expanded(source))
            found.setdefault(same, check_name(source))
    if not found:
        raise InputError(f"--{key}: no picture was given; name files, folders, globs or sample:cat")
    return _named(list(found.values()))


def _listed(given: Sequence[str]) -> Iterator[str]:
    import yaml

    for item in given:
        value: object = item
        if item.startswith("[") and item.endswith("]") and not Path(item).exists():
            with contextlib.suppress(yaml.YAMLError):
                value = yaml.safe_load(item)
        yield from map(str, value if isinstance(value, list) else [item])


def _is_named(source: str) -> bool:
    return source.startswith(SAMPLE_PREFIX) or is_url(source)


def _expand(item: str, key: str, artworks: str | None) -> list[str]:
    if not item:
        raise InputError(f"--{key}: the name of a picture is empty")
    if is_artwork(item):
        return [str(file) for file in resolve(item, artworks)]
    if _is_named(item):
        return [item]
    try:
        inside = pictures_in(item)
    except InputError as error:
        raise InputError(f"--{key}: {error}") from error.__cause__
    return [item] if inside is None else inside


def pictures_in(item: str) -> list[str] | None:
    """Return the pictures of a folder, or those that match a glob, sorted; None for anything else.

    Raises:
        InputError: If there is none.
    """
    path = expanded(item)
    if path.is_dir():
        inside = sorted(_unlike_home(p) for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        if not inside:
            raise InputError(f"the folder {item} holds no picture ({_KNOWN})")
        return inside
    if path.exists() or not re.search(r"[*?\[]", item):
        return None
    anchor = Path(path.anchor)
    pattern = str(path.relative_to(anchor))
    try:
        matches = [path for path in anchor.glob(pattern) if path.is_file()]
    except (ValueError, OSError) as error:
        raise InputError(f"{item} is no pattern: {error}") from error
    pictures = sorted(_unlike_home(path) for path in matches if path.suffix.lower() in SUFFIXES)
    if not pictures:
        raise InputError(f"nothing matches {item} ({_KNOWN})")
    return pictures


def _unlike_home(path: Path) -> str:
    """Return a path that was found, spelled so that a ``~`` in its name is taken for no home."""
    return str(path.absolute() if str(path).startswith("~") else path)


def _named(sources: Sequence[str]) -> list[Source]:
    taken: set[str] = set()  # in lower case: some file systems know no other
    named: list[Source] = []
    labels = [label_of(source) for source in sources]
    for source, label in zip(sources, labels, strict=True):
        folder = Path(public_name(source)).parent.name
        if labels.count(label) > 1 and folder:
            label = f"{label} ({folder})"
        base = name = folder_name(source)
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.casefold())
        if any(label == other.label for other in named):
            label = f"{label} ({number})"
        named.append(Source(name, label, source))
    return named


def label_of(source: str) -> str:
    """Return what people call a source: its name without folder, suffix and underscores."""
    return _stem(source).replace("_", " ").strip() or "picture"


def folder_name(source: str) -> str:
    """Return what a source is called in the name of a folder."""
    if is_artwork(source):
        return safe_name(source.removeprefix(ARTWORKS_PREFIX))
    return safe_name(_stem(source))


def _stem(source: str) -> str:
    bare = public_name(source).removeprefix(SAMPLE_PREFIX).rstrip("/")
    return bare if source.startswith(SAMPLE_PREFIX) else Path(bare).stem


def safe_name(label: str) -> str:
    """Return a name of letters, digits, ``_``, ``.`` and single ``-`` that no shell or URL bends.

    Letters of any alphabet stay.
    """
    name = re.sub(r"-{2,}", "-", re.sub(r"[^\w.-]+", "-", label)).strip("-.")
    cut = name[:_MAXIMUM_LETTERS].encode()[:_MAXIMUM_BYTES].decode(errors="ignore")
    return cut.rstrip("-.") or "picture"
