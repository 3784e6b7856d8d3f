"""What a clip is: pictures with exact times, of a part of its source."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from PIL import Image

from nst_lightning.errors import InputError
from nst_lightning.say import say

Time = str | int | float | Fraction
"""Seconds, or ``"1:23.5"``, ``"1:02:03"``."""
Picture = Path | Image.Image
Timed = tuple[Fraction, Picture]
"""When a picture is shown, in seconds after the first, and the picture or its file."""
_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?|\.\d+)")


@dataclass(frozen=True)
class Frame:
    """One picture of a clip.

    Attributes:
        index: From 0 within the clip.
        time: Seconds after the clip's first picture, exact.
        picture: RGB, 8 bits a channel, as it is shown.
    """

    index: int
    time: Fraction
    picture: Image.Image


@dataclass(frozen=True)
class ClipInfo:
    """What is known of a clip before a picture is decoded.

    Attributes:
        name: Of its file or folder, without the folders above.
        size: ``(width, height)`` as shown: turned, and with square pixels.
        times: Seconds of each picture after the first, which is 0.
        duration: Seconds from the first picture to the end of the last.
        start: Seconds of the source before the clip's first picture.
        has_sound: Whether there is sound beside the pictures.
        plays: How often an animation says it is played; 0 is endlessly, or not said.
        origin: Time stamp of the first picture, on the source's own clock, which its sound shares.
        metadata: What is kept of the source's: its title, and when it was made.
        notes: One-line remarks for the user.
    """

    name: str
    size: tuple[int, int]
    times: tuple[Fraction, ...]
    duration: Fraction
    start: Fraction = Fraction(0)
    has_sound: bool = False
    plays: int = 0
    origin: Fraction = Fraction(0)
    metadata: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.times)

    @property
    def rate(self) -> Fraction:
        """Pictures a second, on average."""
        return self.count / self.duration

    def end_after(self, count: int) -> Fraction:
        """Return when a clip of only the first so many pictures ends."""
        return self.times[count] if count < self.count else self.duration


class Source(Protocol):
    """Where a clip's pictures come from; each call of `read` is independent of the others.

    Attributes:
        info: Of the whole source.
        lost: What is missing at its end, in words; empty where nothing is.
        paths: Of the pictures, where each is a file of its own.
    """

    info: ClipInfo
    lost: str
    paths: Sequence[str]

    def read(self, wanted: Sequence[int]) -> Iterator[Image.Image]:
        """Yield the pictures of these ascending indices, up to the first that cannot be had."""
        ...


class Clip:
    """The pictures of a source, or of a part of it; a context manager, iterated lazily.

    Attributes:
        info: Of this part.
        ended_early: Where in the source, in seconds, it was found to break off; None if it has not.
    """

    def __init__(self, source: Source, start: Time | None, end: Time | None, every: int) -> None:
        whole = source.info
        name = whole.name
        if every < 1:
            raise InputError(f"every must be 1 or more, not {every}")
        first = Fraction(0) if start is None else seconds(start, "start")
        last = whole.duration if end is None else seconds(end, "end")
        if first >= whole.duration:
            raise InputError(f"{name} ends at {spoken(whole.duration)}: start before that")
        if last <= first:
            raise InputError(f"the end ({spoken(last)}) must be after the start ({spoken(first)})")
        chosen = range(bisect_left(whole.times, first), bisect_left(whole.times, last))
        if not chosen:
            raise InputError(
                f"{name}: no picture begins between {spoken(first)} and {spoken(last)}; take more"
            )
        self._source = source
        self._kept = chosen[::every]
        begin = whole.times[chosen[0]]
        self.info = ClipInfo(
            name,
            whole.size,
            tuple(whole.times[index] - begin for index in self._kept),
            min(last, whole.end_after(chosen[-1] + 1)) - begin,
            whole.start + begin,
            whole.has_sound,
            whole.plays,
            whole.origin + begin,
            whole.metadata,
            whole.notes,
        )
        cut_off = source.lost and chosen[-1] + 1 == whole.count and last >= whole.duration
        self.ended_early: Fraction | None = whole.duration if cut_off else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass  # what reads closes what it opened

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    def part(self, first: int, end: int) -> Self:
        """Return the clip of these pictures alone, from an index up to before another."""
        part, whole = copy(self), self.info
        part._kept = self._kept[first:end]
        begin = whole.times[first]
        part.info = replace(
            whole,
            times=tuple(time - begin for time in whole.times[first:end]),
            duration=whole.end_after(end) - begin,
            start=whole.start + begin,
            origin=whole.origin + begin,
        )
        if end < whole.count:
            part.ended_early = None
        return part

    @property
    def files(self) -> list[Path]:
        """Files of its pictures; empty where all are in one."""
        return [Path(self._source.paths[index]) for index in self._kept if self._source.paths]

    def frames(self, first: int = 0) -> Iterator[Frame]:
        """Yield the pictures one by one, from any on; one that is broken ends them, with a note.

        Args:
            first: Index of the first that is wanted; those before it are not converted.
        """
        index = first
        for picture in self._source.read(self._kept[first:]):
            yield Frame(index, self.info.times[index], picture)
            index += 1
        if index < self.info.count:
            self.ended_early = self.info.start + self.info.times[index]
            self._note("the next picture is damaged")
        elif self.ended_early is not None:
            self._note(self._source.lost)

    def _note(self, why: str) -> None:
        assert self.ended_early is not None
        place = spoken(self.ended_early)
        say(
            f"note: {self.info.name} breaks off at {place} ({why}); the clip ends there", error=True
        )


def in_rgb(picture: Picture) -> Image.Image:
    """Return a picture, or what is in its file, as RGB."""
    if isinstance(picture, Image.Image):
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    with Image.open(picture) as opened:
        return opened.convert("RGB")


def seconds(value: Time, key: str) -> Fraction:
    """Return a time as exact seconds.

    Args:
        value: Seconds, or a text such as ``"83.5"``, ``"1:23.5"`` or ``"1:02:03"``.
        key: The option, for messages.

    Raises:
        InputError: If it is no time, or before the beginning.
    """
    # A float is what was typed: 0.1 is a tenth.
    found = _CLOCK.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    if isinstance(value, Fraction) and value >= 0:
        return value
    if found is None:
        raise InputError(f"{key}: {value!r} is no time; write seconds (83.5) or 1:23.5")
    hours, minutes, rest = found.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + Fraction(rest)


def spoken(time: Fraction) -> str:
    """Write a time as `seconds` reads it, to a hundredth: ``1:23.5``."""
    hundredths = round(time * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    ahead = f"{hours}:{minutes:02}:" if hours else f"{minutes}:"
    whole, part = divmod(rest, 100)
    return f"{ahead}{whole:02}{f'.{part:02}'.rstrip('0') if part else ''}"
