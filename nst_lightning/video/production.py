"""A clip from its file to the painted one: checked, painted, measured, written."""

import hashlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
from nst_lightning.video.measuring import Steadiness, steadiness
from nst_lightning.video.page import write_page
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
    steadiness: float = 3e6
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
            begun = folder.holds(film, self.overwrite)
            again = begun and folder.wrote(expanded(self.out))
            check_out(self.out, overwrite=self.overwrite or again)
            if not begun:
                say(check_room(self.folder, clip.info.count, shown, 1 + 4 * self.passes))
                folder.begin(film, self._about(clip))
            count = folder.finished
            painted = None if count else self._paint(folder, painter, clip)
            count = count or painted or 0
            pictures = ((clip.info.times[at], folder.picture(at)) for at in range(count))
            path = write_clip(
                self.out,
                pictures,
                clip.info,
                sound_from=self.clip if clip.info.has_sound else None,
                overwrite=True,
            )
            folder.write_down(path)
            if painted:
                self._report(folder, painter, clip, path, painted)
                folder.finish(count)
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
        settings["files"] = file_digests(session.settings, _digest_of)
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
                for number, frame in enumerate(clip.frames(first), first + 1):
                    frame.picture.info["Title"] = f"frame {number} of {clip.info.count}"
                    yield frame.picture

            try:
                return Film(folder, painter, frames, self.passes, on_frame).paint()
            except KeyboardInterrupt:
                done = sum(folder.has(n, i) for n in range(self.passes) for i in range(total))
                say(f"stopped; {done} of {total} frames are painted, and the same command goes on")
                raise

    def _report(
        self, folder: FilmFolder, painter: FramePainter, clip: Clip, path: Path, count: int
    ) -> None:
        """Measure the film, and write the page with the clip beside it."""
        rows = self._measure(folder, painter, clip, count)
        frames = (
            (clip.info.times[at], Image.fromarray(folder.load(0, at)[0].frame))
            for at in range(count)
        )
        own = path.suffix if path.suffix else ".webp"
        content = write_clip(self.folder / f"content{own}", frames, clip.info, overwrite=True)
        lines = _steady(rows)
        for line in lines:
            say(line)
        width, height = Image.open(folder.picture(0)).size
        if not path.suffix:
            path = write_clip(
                self.folder / "painted.webp",
                ((clip.info.times[at], folder.picture(at)) for at in range(count)),
                clip.info,
                overwrite=True,
            )
        write_page(
            self.folder / "index.html",
            f"{Path(clip.info.name).stem} \N{MULTIPLICATION SIGN} {Path(self.styles[0]).stem}",
            {"the clip": content, "the painting": path},
            float(clip.info.duration),
            rows,
            f"{count} frames of {width} x {height}, {rows[-1]['scene']} scene(s), "
            f"{self.passes} pass(es), flow by {method_name()}",
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
                row |= asdict(steadiness([before[0], loaded.frame], [before[1], painting]))
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


def _steady(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return how steady a film is, in lines; none if no two frames are of one scene."""
    measured = [row for row in rows if "painting" in row]
    if not measured:
        return []
    mean = {key: _mean([row[key] for row in measured]) for key in Steadiness.__dataclass_fields__}
    lines = [
        f"steady    warping error {mean['painting']:.2e} on {100 * mean['reliable']:.0f} % of "
        f"the picture (the clip's own: {mean['content']:.2e})"
    ]
    both = [row for row in measured if row["alone"] != ""]
    if both:
        share = _mean([row["painting"] / max(row["alone"], 1e-12) for row in both])
        lines.append(f"          {100 * share:.0f} % of that of frames painted one by one")
    return lines


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
