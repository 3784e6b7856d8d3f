"""A clip from its file to the painted one: checked, painted, measured, written."""

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from nst_lightning.data.images import load_image
from nst_lightning.data.sources import source_digest
from nst_lightning.data.which_pictures import pictures_in
from nst_lightning.files import expanded, write_csv
from nst_lightning.fingerprint import decisive, file_digests
from nst_lightning.options import digest
from nst_lightning.progress import ProgressBar, duration
from nst_lightning.say import say
from nst_lightning.video.clip import Clip
from nst_lightning.video.disk import check_room
from nst_lightning.video.film import Film
from nst_lightning.video.film_folder import FilmFolder
from nst_lightning.video.flow import method_name
from nst_lightning.video.measuring import steadiness
from nst_lightning.video.page import write_page
from nst_lightning.video.painting import FramePainter
from nst_lightning.video.reading import open_clip
from nst_lightning.video.rows import COLUMNS, in_words, joined
from nst_lightning.video.writing import check_out, write_clip

Told = Callable[[int, int], None]


@dataclass
class Production:
    """Everything of one ``nst video``.

    Args:
        clip: Video file, animation, folder of frames or glob.
        styles: Paintings, by their sources.
        out: The painted clip.
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
    """

    clip: str
    styles: Sequence[str]
    out: str
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

    def run(self) -> None:
        """Paint what is missing, then measure and write the clip.

        Raises:
            InputError: If something given is wrong.
            KeyboardInterrupt: If it was stopped.
        """
        painter, folder = self._painter(), FilmFolder(self.folder)
        with self._opened() as clip:
            film, shown = self._identity(painter, clip)
            begun = folder.holds(film, self.overwrite)
            again = begun and folder.wrote(expanded(self.out))
            own = (self.clip, *self.styles)
            check_out(self.out, overwrite=self.overwrite or again, made_of=own)
            if not begun:
                self._begin(folder, film, clip, shown)
            count = folder.finished
            painted = None if count else self._paint(folder, painter, clip)
            count = count or painted or 0
            pictures = [folder.picture(at) for at in range(count)]
            path = self._write(clip, pictures)
            folder.write_down(path)
            if painted:
                rows = self._measure(folder, painter, clip, count)
                frames = (Image.fromarray(folder.load(0, at)[0].frame) for at in range(count))
                self._report(clip, path, pictures, frames, rows)
                folder.finish(count)
        self._say_where(path)

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
            path = self._write(clip, pictures)
            size = Image.open(pictures[0]).size
            frames = (frame.picture.resize(size) for frame in islice(clip, len(pictures)))
            self._report(clip, path, pictures, frames, rows)
        self._say_where(path)

    def _painter(self) -> FramePainter:
        return FramePainter(self.settings, self.configs, self.styles, self.steadiness)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Clip]:
        with open_clip(self.clip, self.start, self.end, self.every) as clip:
            for note in clip.info.notes:
                say(f"note: {note}", error=True)
            yield clip.part(*self.part) if self.part else clip

    def _begin(self, folder: FilmFolder, film: str, clip: Clip, shown: tuple[int, int]) -> None:
        say(check_room(self.folder, clip.info.count, shown, 1 + 4 * self.passes))
        folder.begin(film, self._about(clip))

    def _write(self, clip: Clip, pictures: Sequence[Path]) -> Path:
        return write_clip(
            self.out,
            zip(clip.info.times, pictures, strict=False),
            clip.info,
            sound_from=self.clip if clip.info.has_sound else None,
            overwrite=True,
        )

    def _say_where(self, path: Path) -> None:
        say(f"film      {path}")
        say(f"measures  {self.folder / 'metrics.csv'}")
        say(f"page      {self.folder / 'index.html'}")

    def _identity(self, painter: FramePainter, clip: Clip) -> tuple[str, tuple[int, int]]:
        """Return the digest of what decides every picture, and their size.

        What a run refuses is refused here.
        """
        first = next(iter(clip)).picture
        session = painter.open(first)
        session.check()
        settings = decisive(session.settings)
        # What is in them, wherever they are: another machine goes on with the film.
        settings["files"] = [*file_digests(session.settings, _digest_of).values()]
        settings["film"] = [
            self.passes,
            self.every,
            str(clip.info.start),
            [str(time) for time in clip.info.times],
            method_name(),
            _clip_digest(self.clip),
        ]
        return digest(settings), session.pair.largest

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
        total = clip.info.count * self.passes
        began, done, fresh = time.monotonic(), 0, 0
        each = [(number, at) for number in range(self.passes) for at in range(clip.info.count)]
        there = {frame for frame in each if folder.has(*frame)}
        with ProgressBar(total, clip.info.name, unit="frames") as bar:

            def on_frame(number: int, index: int) -> None:
                nonlocal done, fresh
                done += 1
                bar.update(done)
                if (number, index) not in there:
                    fresh += 1
                    bar.update(details=f"{duration((time.monotonic() - began) / fresh)} a frame")
                    told(done, total)

            def frames(first: int) -> Iterator[Image.Image]:
                for number, frame in enumerate(clip.frames(first), first + 1):
                    frame.picture.info["Title"] = f"frame {number} of {clip.info.count}"
                    yield frame.picture

            if there and len(there) < total:
                say(f"{len(there)} of {total} frames are there already; going on with the next")
            try:
                with painter.interrupts:
                    return Film(folder, painter, frames, self.passes, on_frame).paint()
            except KeyboardInterrupt:
                done = sum(folder.has(*frame) for frame in each)
                say(f"stopped; {done} of {total} frames are painted, and the same command goes on")
                raise

    def _report(
        self,
        clip: Clip,
        path: Path,
        pictures: Sequence[Path],
        frames: Iterable[Image.Image],
        rows: Sequence[Mapping[str, Any]],
    ) -> None:
        """Say how steady the film is, and write the page with the clip beside it."""
        own = path.suffix if path.suffix else ".webp"
        timed = zip(clip.info.times, frames, strict=False)
        content = write_clip(self.folder / f"content{own}", timed, clip.info, overwrite=True)
        lines = in_words(rows)
        for line in lines:
            say(line)
        width, height = Image.open(pictures[0]).size
        if not path.suffix:
            path = write_clip(
                self.folder / "painted.webp",
                zip(clip.info.times, pictures, strict=False),
                clip.info,
                overwrite=True,
            )
        write_page(
            self.folder / "index.html",
            f"{Path(clip.info.name).stem} \N{MULTIPLICATION SIGN} {Path(self.styles[0]).stem}",
            {"the clip": content, "the painting": path},
            float(clip.info.duration),
            rows,
            f"{len(pictures)} frames of {width} x {height}, scenes: {rows[-1]['scene']}, "
            f"passes: {self.passes}, flow by {method_name()}",
            "; ".join(line.partition(" ")[2].strip() for line in lines) or "one frame a scene",
        )

    def _measure(
        self, folder: FilmFolder, painter: FramePainter, clip: Clip, count: int
    ) -> list[dict[str, Any]]:
        """Write ``metrics.csv``; return its rows."""
        paintings = (load_image(folder.picture(at)).pixels for at in range(count))
        alone = self._alone(folder, painter, count)
        rows: list[dict[str, Any]] = []
        before: Any = None
        scene = 0
        for at, painting in enumerate(paintings):
            loaded, begins = folder.load(0, at)
            scene += begins
            row: dict[str, Any] = {
                "frame": at + 1,
                "seconds": float(clip.info.times[at]),
                "scene": scene,
                "alone": alone.get(at, ""),
            }
            if before is not None and not begins:
                found = asdict(steadiness([before[0], loaded.frame], [before[1], painting]))
                # Where nothing is still, or nothing reliable, there is nothing to say.
                row |= {key: float(f"{v:.6g}") for key, v in found.items() if math.isfinite(v)}
            before = (loaded.frame, painting)
            rows.append(row)
        write_csv(self.folder / "metrics.csv", rows, COLUMNS)
        return rows

    def _alone(self, folder: FilmFolder, painter: FramePainter, count: int) -> dict[int, float]:
        """Paint some neighbours one by one; return their warping errors by the later frame."""
        able = [at for at in range(1, count) if not folder.load(0, at)[1]]
        number = min(self.alone, len(able))
        chosen = [able[(2 * k + 1) * len(able) // (2 * number)] for k in range(number)]
        found = {}
        for at in chosen:
            pair = [folder.load(0, at - 1)[0], folder.load(0, at)[0]]
            painted = [painter.paint(Image.fromarray(one.frame)).shown for one in pair]
            found[at] = steadiness([one.frame for one in pair], painted).painting
        return found


def _digest_of(source: str) -> str:
    return "" if source == "a frame" else source_digest(source)


def _clip_digest(source: str) -> str:
    """Return the SHA-256 of a clip: of its file, or of the names and files of a folder."""
    path = expanded(source)
    files = [path] if path.is_file() else map(Path, sorted(pictures_in(source) or []))
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.name} {source_digest(str(file))}\n".encode())
    return whole.hexdigest()
