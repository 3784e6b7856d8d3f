"""A clip from its file to the painted one: checked, painted, measured, written."""

import hashlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

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
from nst_lightning.video.measuring import Steadiness, read_paintings, steadiness
from nst_lightning.video.painting import FramePainter
from nst_lightning.video.reading import open_clip
from nst_lightning.video.writing import check_out, write_clip

COLUMNS = ["frame", "seconds", "scene", *Steadiness.__dataclass_fields__, "alone"]


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
    """

    clip: str
    styles: Sequence[str]
    out: str
    folder: Path
    start: str | None = None
    end: str | None = None
    every: int = 1
    passes: int = 1
    steadiness: float = 3e5
    alone: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    configs: Sequence[str] = ()
    overwrite: bool = False

    def run(self) -> None:
        """Paint what is missing, then measure and write the clip.

        Raises:
            InputError: If something given is wrong.
            KeyboardInterrupt: If it was stopped.
        """
        painter = FramePainter(self.settings, self.configs, self.styles, self.steadiness)
        folder = FilmFolder(self.folder)
        with open_clip(self.clip, self.start, self.end, self.every) as clip:
            for note in clip.info.notes:
                say(f"note: {note}", error=True)
            film, shown = self._identity(painter, clip)
            begun = folder.begin(film, self._about(clip), self.overwrite)
            if not begun:
                check_room(self.folder, clip.info.count, shown, 1 + 4 * self.passes)
            check_out(self.out, overwrite=self.overwrite or begun)
            count = folder.finished
            if not count:
                count = self._paint(folder, painter, clip)
                self._measure(folder, painter, clip, count)
                folder.finish(count)
            pictures = ((clip.info.times[at], folder.picture(at)) for at in range(count))
            path = write_clip(
                self.out,
                pictures,
                clip.info,
                sound_from=self.clip if clip.info.has_sound else None,
                overwrite=True,
            )
        say(f"film      {path}")
        say(f"measures  {self.folder / 'metrics.csv'}")

    def _identity(self, painter: FramePainter, clip: Clip) -> tuple[str, tuple[int, int]]:
        """Return the digest of what decides every picture, and their size.

        What a run refuses is refused here.
        """
        first = next(iter(clip)).picture
        session = painter.open(first)
        session.check()
        settings = decisive(session.settings)
        settings["files"] = file_digests(session.settings, _digest_of)
        settings["film"] = [
            self.passes,
            self.every,
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

    def _paint(self, folder: FilmFolder, painter: FramePainter, clip: Clip) -> int:
        total = clip.info.count * self.passes
        began, fresh = time.monotonic(), 0
        with ProgressBar(total, clip.info.name, unit="frames") as bar:

            def on_frame(number: int, index: int) -> None:
                nonlocal fresh
                fresh += 1
                each = (time.monotonic() - began) / fresh
                done = number * clip.info.count + index + 1
                bar.update(done if number % 2 == 0 else number * clip.info.count + fresh)
                bar.update(details=f"{duration(each)} a frame")

            def frames(first: int) -> Iterator[Image.Image]:
                return (frame.picture for frame in clip.frames(first))

            try:
                return Film(folder, painter, frames, self.passes, on_frame).paint()
            except KeyboardInterrupt:
                done = sum(folder.has(n, i) for n in range(self.passes) for i in range(total))
                say(f"stopped; {done} of {total} frames are painted, and the same command goes on")
                raise

    def _measure(self, folder: FilmFolder, painter: FramePainter, clip: Clip, count: int) -> None:
        """Write ``metrics.csv``, and say how steady the film is."""
        paintings = read_paintings([folder.picture(at) for at in range(count)])
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
                row |= asdict(steadiness([before[0], loaded.frame], [before[1], painting]))
            before = (loaded.frame, painting)
            rows.append(row)
        write_csv(self.folder / "metrics.csv", rows, COLUMNS)
        self._say(rows)

    def _say(self, rows: Sequence[Mapping[str, Any]]) -> None:
        measured = [row for row in rows if "painting" in row]
        if not measured:
            return
        mean = {
            key: _mean([row[key] for row in measured]) for key in Steadiness.__dataclass_fields__
        }
        say(
            f"steady    warping error {mean['painting']:.2e} on {100 * mean['reliable']:.0f} % of "
            f"the picture (the clip's own: {mean['content']:.2e})"
        )
        both = [row for row in measured if row["alone"] != ""]
        if both:
            share = _mean([row["painting"] / max(row["alone"], 1e-12) for row in both])
            say(f"          {100 * share:.0f} % of that of frames painted one by one")

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


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


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
