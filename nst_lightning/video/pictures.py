"""Animations and folders of frames, through Pillow."""

import csv
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, count, pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from nst_lightning.data.colour import to_srgb
from nst_lightning.data.decoding import FORMATS, is_turned, open_header, pillow_as_shipped
from nst_lightning.data.encoding import quantise
from nst_lightning.data.images import load_image
from nst_lightning.data.which_pictures import pictures_in
from nst_lightning.errors import InputError
from nst_lightning.files import expanded
from nst_lightning.video.clip import ClipInfo

TIMES = "times.csv"
"""File beside the frames of a folder: when each is shown, and in a last row when the clip ends."""
FILE, SECONDS = "file", "seconds"

# Browsers show what lasts a hundredth of a second or less for a tenth.
_HASTY, _SHOWN_FOR = Fraction(1, 100), Fraction(1, 10)
_LONGEST_UNIT = 65535  # an APNG's times are fractions of two numbers up to this


# What the plugins raise when damaged bytes lead them to it.
_DAMAGE = (OSError, ValueError, SyntaxError, IndexError, KeyError, TypeError)
_CUT_OFF = "the file is cut off"


class Animation:
    """A GIF, WebP, APNG or AVIF; a `nst_lightning.video.clip.Source`.

    Args:
        file: Its path, or its bytes.
        name: What messages call it.

    Raises:
        InputError: If it cannot be read, or is one still picture.
    """

    def __init__(self, file: Path | bytes, name: str) -> None:
        self._path, self._name = file, name
        self.lost = ""
        self.paths: Sequence[str] = ()
        lasts: list[Fraction] = []
        hasty = transparent = False
        size, plays = (0, 0), 1
        try:
            for image in self._images():
                size, plays = image.size, _plays(image)
                milliseconds = float(image.info.get("duration") or 0)
                last = Fraction(milliseconds / 1000).limit_denominator(_LONGEST_UNIT)
                hasty |= last <= _HASTY
                transparent |= image.has_transparency_data and _see_through(image)
                lasts.append(last if last > _HASTY else _SHOWN_FOR)
        except _DAMAGE as error:
            if not lasts:
                raise InputError(f"{name} is truncated or damaged: {error}") from error
            self.lost = _CUT_OFF
        if not _is_whole(file if isinstance(file, bytes) else file.read_bytes()):
            self.lost = _CUT_OFF
        if len(lasts) < 2 and not self.lost:
            raise InputError(f"{name} is one picture, not a clip; paint it with nst fit")
        notes = []
        if hasty:
            notes.append(f"{name}: pictures of 0.01 s or less are shown for 0.1 s, as browsers do")
        if transparent:
            notes.append(f"{name} is transparent in places, which are laid on white")
        self.info = ClipInfo(
            name,
            size,
            tuple(accumulate(lasts[:-1], initial=Fraction(0))),
            sum(lasts, Fraction(0)),
            plays=plays,
            notes=tuple(notes),
        )

    def read(self, wanted: Sequence[int]) -> Iterator[Image.Image]:
        """Yield the pictures of these ascending indices, up to the first that is damaged."""
        chosen = set(wanted)
        images = iter(self._images())
        for index in range(wanted[-1] + 1 if wanted else 0):
            try:
                image = next(images)
            except (*_DAMAGE, StopIteration):
                return
            if index in chosen:
                yield _flat(*to_srgb(image, self._name).whole())

    @pillow_as_shipped()
    def _open(self) -> Image.Image:
        data = self._path if isinstance(self._path, bytes) else self._path.read_bytes()
        return open_header(data, self._name)

    def _images(self) -> Iterator[Image.Image]:
        """Yield each picture as composed of those before it; the same object, changed."""
        with self._open() as image:
            # A still picture for programs that know no APNG is none of the animation's.
            first = int(bool(getattr(image, "default_image", False)))
            for index in count(first):
                try:
                    image.seek(index)
                except EOFError:  # there is no other
                    return
                image.load()
                yield image


class Pictures:
    """The pictures of a folder, or of a glob; a `nst_lightning.video.clip.Source`.

    Args:
        source: The folder or glob.
        rate: Pictures a second, where there is no `TIMES`.

    Raises:
        InputError: If there is none, they differ in size, or `TIMES` does not fit them.
    """

    def __init__(self, source: str, rate: Fraction) -> None:
        self.paths: Sequence[str] = sorted(pictures_in(source) or [], key=_natural)
        self.lost = ""
        folder = expanded(source)
        name = folder.resolve().name if folder.is_dir() else source
        size = load_image(self.paths[0], role=name).original_size
        for path in self.paths[1:]:
            found = _size(path)
            if found is not None and found != size:
                shown = " x ".join(map(str, found))
                raise InputError(
                    f"{path} is {shown} pixels, but {Path(self.paths[0]).name} "
                    f"{size[0]} x {size[1]}; a clip's frames are of one size"
                )
        times = [index / rate for index in range(len(self.paths) + 1)]
        written = folder / TIMES
        if written.is_file():
            times = _read_times(written, [Path(path).name for path in self.paths])
        self.info = ClipInfo(name, size, tuple(times[:-1]), times[-1])

    def read(self, wanted: Sequence[int]) -> Iterator[Image.Image]:
        """Yield the pictures of these ascending indices, up to the first that is damaged."""
        for index in wanted:
            try:
                image = load_image(self.paths[index])
            except InputError:
                return
            yield _flat(image.pixels, image.alpha)


def _flat(pixels: Any, alpha: Any) -> Image.Image:
    return Image.fromarray(quantise(pixels, alpha, 8, on_white=True))


def _is_whole(data: bytes) -> bool:
    if data.startswith(b"GIF8"):
        return data.rstrip(b"\0").endswith(b";")
    if data.startswith(b"RIFF"):
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return b"IEND" in data[-4096:] if data.startswith(b"\x89PNG") else True


def _see_through(image: Image.Image) -> bool:
    return image.convert("RGBA").getchannel("A").getextrema() != (255, 255)


def _plays(image: Image.Image) -> int:
    loop = image.info.get("loop")
    if image.format == "GIF":  # which counts the repetitions, if it says anything
        return 1 if loop is None else loop and loop + 1
    return 1 if loop is None else int(loop)


def _natural(path: str) -> tuple[list[tuple[int, str]], str]:
    """Order 2 before 10, as people number frames."""
    parts = re.split(r"(\d+)", path)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts], path


@pillow_as_shipped()
def _size(path: str) -> tuple[int, int] | None:
    """Return a picture's size as displayed; None if that is found out when it is read."""
    try:
        with Image.open(path, formats=[f for f in FORMATS if f in Image.OPEN]) as image:
            return image.size[::-1] if is_turned(image) else image.size
    except Exception:
        return None


def _read_times(path: Path, names: list[str]) -> list[Fraction]:
    """Return when each of these pictures is shown, and when the last one ends."""
    mend = f"mend {path}, or delete it and give fps"
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            rows = [(row[FILE] or "", Fraction(row[SECONDS])) for row in csv.DictReader(handle)]
    except (KeyError, ValueError, ZeroDivisionError, OSError, TypeError) as error:
        raise InputError(f"{path} is no table of {FILE} and {SECONDS}; {mend}") from error
    table = dict(rows)
    missing = [name for name in (*names, "") if name not in table]
    missing += [name for name in table if name and name not in names]
    if missing:
        what = f"{missing[0]} is" if missing[0] else "the end is"
        raise InputError(f"{what} not both in {path.parent} and in its {path.name}; {mend}")
    times = [table[name] for name in (*names, "")]
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise InputError(f"{path}: the times do not rise in the order of the names; {mend}")
    return [time - times[0] for time in times]
