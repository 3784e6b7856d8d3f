"""A clip from its file to the painted one: checked, painted, measured, written."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from nst_lightning.files import expanded, write_csv
from nst_lightning.preview.series import Series
from nst_lightning.progress import ProgressBar
from nst_lightning.run_folder import occupied
from nst_lightning.say import say
from nst_lightning.video.clip import Clip
from nst_lightning.video.disk import check_room
from nst_lightning.video.film import Film
from nst_lightning.video.film_folder import FilmFolder, find_folder
from nst_lightning.video.film_measures import film_rows
from nst_lightning.video.identity import film_digest
from nst_lightning.video.pace import FilmPace
from nst_lightning.video.painting import FramePainter
from nst_lightning.video.reading import open_clip
from nst_lightning.video.report import report, say_where
from nst_lightning.video.rows import COLUMNS, joined
from nst_lightning.video.writing import check_out, write_clip

Told = Callable[[int, int], None]


@dataclass
class Production:
    """Everything of one ``nst video``.

    Args:
        clip: Video file, animation, folder of frames or glob.
        styles: Paintings, by their sources.
        out: The painted clip; ``painted.mp4`` in the folder if None.
        folder: Of frames and measures.
        start: Where the clip begins, in seconds or as ``1:02``; at its beginning if None.
        end: Where it ends.
        every: Each how-manieth frame is painted.
        passes: How often it is gone through.
        steadiness: Weight of the temporal term.
        alone: How many pairs of neighbours are painted without each other, too.
        settings: Of every frame's run, by their dotted names.
        configs: Config files below them.
        overwrite: Whether another film in the folder, and a clip called ``out``, are replaced.
        part: Of its frames, from an index up to before another; all if None.
        numbered: Whether it goes into ``FOLDER-2`` where another film is in the folder, and so on.
    """

    clip: str
    styles: Sequence[str]
    out: str | None
    folder: Path
    start: str | None = None
    end: str | None = None
    every: int = 1
    passes: int = 1
    steadiness: float = 3e6
    alone: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    configs: Sequence[str] = ()
    overwrite: bool = False
    part: tuple[int, int] | None = None
    numbered: bool = False
    _series: Series = field(init=False, repr=False)
    _instead: str = field(init=False, repr=False, default="")

    def run(self) -> None:
        """Paint what is missing, then measure and write the clip.

        Raises:
            InputError: If something given is wrong.
            KeyboardInterrupt: If it was stopped.
        """
        painter = self._painter()
        with self._opened() as clip:
            film, shown = self._identity(painter, clip)
            if self.numbered:
                named, self.folder = self.folder, find_folder(self.folder, film, self.overwrite)
                self._instead = "" if self.folder == named else f" ({named} holds another)"
            with occupied(self.folder):
                path = self._film(painter, clip, film, shown)
        say_where(self.folder, path)

    def _film(self, painter: FramePainter, clip: Clip, film: str, shown: tuple[int, int]) -> Path:
        """Paint, write and measure; return where the film is."""
        folder, out = FilmFolder(self.folder), self.out or str(self.folder / "painted.mp4")
        begun = folder.holds(film, self.overwrite)
        again = begun and folder.wrote(expanded(out))
        own = (self.clip, *self.styles)
        check_out(out, overwrite=self.overwrite or again, made_of=own)
        if not begun:
            self._begin(folder, film, clip, shown)
        count = folder.finished
        if count:
            say(f"all {count} frames are there already, in {self.folder}")
        painted = None if count else self._paint(folder, painter, clip)
        count = count or painted or 0
        pictures = [folder.picture(at) for at in range(count)]
        path = self._write(out, clip, pictures)
        folder.write_down(path)
        if painted:
            rows = self._measure(folder, painter, clip, count)
            frames = (Image.fromarray(folder.load(0, at)[0].frame) for at in range(count))
            report(self.folder, path, clip.info, self.styles, self.passes, pictures, frames, rows)
            folder.finish(count)
        return path

    def paint(self, told: Told) -> list[dict[str, Any]]:
        """Paint what is missing, and measure it; what is done with the frames is another's.

        Args:
            told: Called with the frames that are painted, and their number, after each.

        Returns:
            The rows of ``metrics.csv``.

        Raises:
            InputError: If something given is wrong.
            KeyboardInterrupt: If it was stopped.
        """
        painter, folder = self._painter(), FilmFolder(self.folder)
        with self._opened() as clip:
            film, shown = self._identity(painter, clip)
            if not folder.holds(film, overwrite=True):
                self._begin(folder, film, clip, shown)
            folder.mend(self.passes - 1)
            return self._measure(folder, painter, clip, self._paint(folder, painter, clip, told))

    def join(self, parts: Sequence[Path]) -> None:
        """Write the clip, its measures and its page from parts that were painted one by one.

        Args:
            parts: In order: folders with ``frames`` and ``metrics.csv``.

        Raises:
            InputError: If something given is wrong.
        """
        pictures = [picture for part in parts for picture in sorted(part.glob("frames/*.png"))]
        with self._opened() as clip:
            rows = joined([part / "metrics.csv" for part in parts], clip.info.times)
            write_csv(self.folder / "metrics.csv", rows, COLUMNS)
            path = self._write(self.out or str(self.folder / "painted.mp4"), clip, pictures)
            size = Image.open(pictures[0]).size
            frames = (frame.picture.resize(size) for frame in islice(clip, len(pictures)))
            report(self.folder, path, clip.info, self.styles, self.passes, pictures, frames, rows)
        say_where(self.folder, path)

    def _painter(self) -> FramePainter:
        return FramePainter(self.settings, self.configs, self.styles, self.steadiness)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Clip]:
        with open_clip(self.clip, self.start, self.end, self.every) as clip:
            for note in clip.info.notes:
                say(f"note: {note}", error=True)
            taken = clip.part(*self.part) if self.part else clip
            unit = f"frames in {self.passes} passes" if self.passes > 1 else "frames"
            self._series = Series(taken.info.count * self.passes, unit)
            with self._series.shown():
                yield taken

    def _identity(self, painter: FramePainter, clip: Clip) -> tuple[str, tuple[int, int]]:
        """Return the digest of what decides every picture, and their size.

        What a run refuses is refused here.
        """
        session = painter.open(next(iter(clip)).picture)
        session.check()
        film = film_digest(session, self.clip, clip.info, self.passes, self.every)
        return film, session.pair.largest

    def _begin(self, folder: FilmFolder, film: str, clip: Clip, shown: tuple[int, int]) -> None:
        own = clip.info.size
        grown = f" (enlarged: the clip has {own[0]}x{own[1]})" if max(shown) > max(own) else ""
        say(
            f"painting {clip.info.count} frames of {shown[0]}x{shown[1]} px{grown}, into "
            f"{self.folder}{self._instead}"
        )
        say(check_room(self.folder, clip.info.count, shown, 1 + 4 * self.passes))
        folder.begin(film, self._about(clip))

    def _write(self, out: str, clip: Clip, pictures: Sequence[Path]) -> Path:
        path = write_clip(
            out,
            zip(clip.info.times, pictures, strict=False),
            clip.info,
            sound_from=self.clip if clip.info.has_sound else None,
            overwrite=True,
        )
        self._series.file = str(path)
        return path

    def _measure(
        self, folder: FilmFolder, painter: FramePainter, clip: Clip, count: int
    ) -> list[dict[str, Any]]:
        """Write ``metrics.csv``; return its rows."""
        rows = film_rows(folder, painter, clip.info.times[:count], self.alone)
        write_csv(self.folder / "metrics.csv", rows, COLUMNS)
        return rows

    def _about(self, clip: Clip) -> dict[str, Any]:
        return {
            "clip": clip.info.name,
            "styles": list(self.styles),
            "frames": clip.info.count,
            "passes": self.passes,
            "settings": {key: str(value) for key, value in self.settings.items()},
        }

    def _paint(
        self,
        folder: FilmFolder,
        painter: FramePainter,
        clip: Clip,
        told: Told = lambda done, total: None,
    ) -> int:
        count, series = clip.info.count, self._series
        each = [(number, at) for number in range(self.passes) for at in range(count)]
        there = {frame for frame in each if folder.has(*frame)}
        with ProgressBar(len(each), clip.info.name, unit=series.unit, guesses=False) as bar:
            pace = FilmPace(series, count, self.passes, there, bar)

            def on_frame(number: int, index: int) -> None:
                pace.end(number, index)
                if (number, index) not in there:
                    told(series.done, len(each))

            def frames(first: int) -> Iterator[Image.Image]:
                return (frame.picture for frame in clip.frames(first))

            if there and len(there) < len(each):
                say(
                    f"{len(there)} of {len(each)} frames are there already, in {self.folder}; "
                    "going on with the next"
                )
            film = Film(folder, painter, frames, self.passes, pace.begin, on_frame)
            try:
                with painter.interrupts:
                    painted = film.paint()
            except KeyboardInterrupt:
                done = sum(folder.has(*frame) for frame in each)
                say(
                    f"stopped; {done} of {len(each)} frames are painted, and the same command goes "
                    "on"
                )
                raise
        series.total, series.name = series.done, ""  # fewer where the clip broke off
        return painted
