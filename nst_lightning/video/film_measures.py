"""The rows of ``metrics.csv`` of a film that is painted: how steady, and how near to the style."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from PIL import Image

from nst_lightning.data.images import load_image
from nst_lightning.data.measured import as_measured, as_saved
from nst_lightning.metrics.style_distance import StyleDistance
from nst_lightning.metrics.views import MEASURED_LAYERS
from nst_lightning.progress import ProgressBar
from nst_lightning.video.film_folder import FilmFolder
from nst_lightning.video.measuring import steadiness
from nst_lightning.video.painting import FramePainter
from nst_lightning.video.rows import ALONE, STYLE, STYLE_ALONE


def film_rows(
    folder: FilmFolder, painter: FramePainter, times: Sequence[Fraction], pairs: int
) -> list[dict[str, Any]]:
    """Measure the frames of a film.

    Args:
        folder: With its frames, and what was kept of each.
        painter: Of them.
        times: When each frame is shown.
        pairs: How many pairs of neighbours are painted one by one, for comparison.

    Raises:
        KeyboardInterrupt: If it was stopped.
    """
    count = len(times)
    begins = [folder.load(0, at)[1] for at in range(count)]
    measure = _style_distance(painter, folder)
    rows: list[dict[str, Any]] = []
    before: Any = None
    with ProgressBar(count, "measuring", unit="frames", lasting=False) as bar:
        for at, time in enumerate(times):
            frame = folder.load(0, at)[0].frame
            painting = load_image(folder.picture(at)).pixels
            row: dict[str, Any] = {
                "frame": at + 1,
                "seconds": float(time),
                "scene": sum(begins[: at + 1]),
                STYLE: measure(painting),
            }
            if before is not None and not begins[at]:
                row |= asdict(steadiness([before[0], frame], [before[1], painting]))
            before = (frame, painting)
            rows.append(row)
            bar.advance()
    able = [at for at in range(1, count) if not begins[at]]
    number = min(pairs, len(able))
    for at in [able[(2 * k + 1) * len(able) // (2 * number)] for k in range(number)]:
        with ProgressBar(2, f"frame {at + 1} alone", unit="frames", lasting=False) as bar:
            frames = [folder.load(0, each)[0].frame for each in (at - 1, at)]
            paintings = []
            for frame in frames:
                paintings.append(as_saved(painter.paint(_named(frame)).shown))
                bar.advance()
        rows[at] |= {
            ALONE: steadiness(frames, paintings).painting,
            STYLE_ALONE: measure(paintings[1]),
        }
    return [_spoken(row) for row in rows]


def _named(frame: Any) -> Image.Image:
    picture = Image.fromarray(frame)
    picture.info["Title"] = "one by one, for comparison"
    return picture


def _style_distance(painter: FramePainter, folder: FilmFolder) -> StyleDistance:
    """Return the measure that every run has, at the film's size and where it was painted."""
    session = painter.open(Image.fromarray(folder.load(0, 0)[0].frame))
    pair, device = as_measured(session.pair), session.trainer.strategy.root_device
    encoder = painter.shared.measuring_encoder(MEASURED_LAYERS).to(device)
    return StyleDistance([style.to(device) for style in pair.styles], pair.blend, encoder)


def _spoken(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without what says nothing: where nothing is still, or nothing reliable."""
    return {
        key: float(f"{value:.6g}") if isinstance(value, float) and key != "seconds" else value
        for key, value in row.items()
        if not isinstance(value, float) or math.isfinite(value)
    }
