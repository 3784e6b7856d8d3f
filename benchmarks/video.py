"""A film against its frames painted one by one: how steady, how well in the style, how fast.

    python benchmarks/video.py --size 128 --frames 24 --sizes 128 192 --out outputs/video

The clip is made here: a photograph under a known pan and zoom, with a square that moves before it;
then one under a still camera. Printed are medians over pairs of neighbours: the warping error of
the film and of frames painted one by one, the style distance of both, the change of places that
stay, and the flow's error against the truth, by both methods; then frames a minute by size. Written
of each are a sheet, eight frames as they were, one by one and as a film, and the differences: four
times that of each to the frame before it, moved along the flow, one by one and as a film.

A frame is an ordinary run: ``--steps`` makes it shorter than it is by default.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the clip is the tests'
from helpers.moving import endpoint_error, moving

from nst_lightning.data.images import load_image
from nst_lightning.data.measured import as_saved, references
from nst_lightning.metrics.evaluate import PictureMetrics
from nst_lightning.video import flow
from nst_lightning.video.consistency import warp
from nst_lightning.video.film import Film
from nst_lightning.video.film_folder import FilmFolder
from nst_lightning.video.measuring import steadiness
from nst_lightning.video.painting import FramePainter, Painted, as_frame

CAMERA = {"pan": 1.5, "zoom": 1.01}


def paint(folder: Path, painter: FramePainter, frames: Sequence[Image.Image]) -> list[Painted]:
    """Paint a film, or go on with it; return its frames with their finished pictures."""
    kept = FilmFolder(folder)
    count = Film(kept, painter, lambda first: iter(frames[first:])).paint()
    film = [kept.load(0, at)[0] for at in range(count)]
    for at, one in enumerate(film):
        one.shown = load_image(kept.picture(at)).pixels
    return film


def middle(pairs: Sequence[tuple[Painted, Painted]], measure: str) -> float:
    """Return the median of a measure over pairs of neighbours."""
    found = (steadiness([a.frame, b.frame], [a.shown, b.shown]) for a, b in pairs)
    return float(median(getattr(one, measure) for one in found))


def distance(painted: Sequence[Painted], style: str, size: int) -> float:
    """Return the median style distance."""
    found = []
    for one in painted:
        measured = PictureMetrics.of(references(Image.fromarray(one.frame), [style], size=size))
        found.append(measured(as_saved(one.shown))["style_distance"])
    return median(found)


def flow_errors(frames: Sequence[Image.Image], truth: Sequence[np.ndarray]) -> None:
    """Print how far the flow of both methods is from the truth."""
    levels = [np.array(frame) for frame in frames]
    for name, method in (("DIS", flow.dense_inverse_search), ("ILK", flow.lucas_kanade)):
        errors = [
            endpoint_error(method(levels[at], levels[at - 1]), truth[at])
            for at in range(1, len(levels))
        ]
        print(f"flow by {name}: {median(errors):.3f} px from the truth")


def difference(before: Painted, after: Painted) -> torch.Tensor:
    """Return four times the difference to the frame before, moved along the flow."""
    moved = warp(before.shown, torch.from_numpy(flow.optical_flow(after.frame, before.frame))[None])
    return (4 * (after.shown - moved).abs()).clamp(0, 1)


def sheet(rows: Sequence[Sequence[Image.Image]], path: Path) -> None:
    """Lay pictures of one size out in rows."""
    width, height = rows[0][0].size
    page = Image.new("RGB", (width * max(map(len, rows)), height * len(rows)))
    for down, row in enumerate(rows):
        for across, picture in enumerate(row):
            page.paste(picture, (across * width, down * height))
    page.save(path)


def drawn(pixels: torch.Tensor) -> Image.Image:
    return Image.fromarray(as_frame(pixels))


def compare(given: argparse.Namespace, painter: FramePainter, name: str, **camera: Any) -> None:
    """Paint one clip both ways and print what is measured."""
    size = (given.size, round(given.size * 11 / 16))
    frames, truth = moving(given.frames, size=size, photograph=given.photograph, **camera)
    flow_errors(frames, truth)
    film = paint(given.out / name, painter, frames)
    firsts = np.linspace(0, len(film) - 2, given.pairs).round().astype(int)
    alone = {at: painter.paint(frames[at]) for at in sorted({*firsts, *(firsts + 1)})}
    held = [(film[at], film[at + 1]) for at in firsts]
    single = [(alone[at], alone[at + 1]) for at in firsts]
    every = list(itertools.pairwise(film))
    errors = [middle(pairs, "painting") for pairs in (held, single)]
    print(
        f"{name}: warping error {errors[0]:.2e} (all frames: {middle(every, 'painting'):.2e}, the "
        f"clip's own: {middle(every, 'content'):.2e}), one by one {errors[1]:.2e}: "
        f"{100 * errors[0] / errors[1]:.1f} %"
    )
    seen = sorted(alone)
    styles = [
        distance(some, given.style, given.size)
        for some in ([film[at] for at in seen], [alone[at] for at in seen])
    ]
    print(f"{name}: style distance {styles[0]:.3f}, one by one {styles[1]:.3f}")
    if not any(camera.get(key, 0) for key in ("pan", "zoom")):  # else next to nothing is still
        still = [middle(pairs, "still") for pairs in (every, single)]
        print(f"{name}: still places change by {still[0]:.2f} of 255, one by one {still[1]:.2f}")
    sheet(
        [
            [Image.fromarray(film[at].frame) for at in seen],
            [drawn(alone[at].shown) for at in seen],
            [drawn(film[at].shown) for at in seen],
        ],
        given.out / f"{name}-sheet.png",
    )
    sheet(
        [[drawn(difference(*pair)) for pair in pairs] for pairs in (single, held)],
        given.out / f"{name}-differences.png",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="A film against frames painted one by one")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--pairs", type=int, default=4, help="neighbours painted one by one")
    parser.add_argument("--sizes", type=int, nargs="*", default=[], help="for frames a minute")
    parser.add_argument("--photograph", default="sample:starry")
    parser.add_argument("--style", default="sample:waves")
    parser.add_argument("--steadiness", type=float, default=3e6)
    parser.add_argument("--steps", type=int, help="of each size and of each frame's last one")
    parser.add_argument("--still", action="store_true", help="the clip with a still camera, too")
    parser.add_argument("--out", type=Path, default=Path("outputs/video"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)

    def painter(size: int) -> FramePainter:
        keys = ("data.octave_steps", "data.steps_per_epoch") if given.steps else ()
        steps = dict.fromkeys(keys, given.steps)
        return FramePainter({"data.size": size, **steps}, [], [given.style], given.steadiness)

    compare(given, painter(given.size), "moving", **CAMERA)
    if given.still:
        compare(given, painter(given.size), "still", pan=0.0)
    for size in given.sizes:
        frames = [
            frame.resize((size, round(size * 11 / 16)))
            for frame in moving(5, photograph=given.photograph)[0]
        ]
        one = painter(size)
        before, seconds = one.paint(frames[0]), []
        for frame in frames[1:]:
            began = time.monotonic()
            before = one.paint(frame, [before])
            seconds.append(time.monotonic() - began)
        print(f"{size} px: {60 / median(seconds):.2f} frames a minute")


if __name__ == "__main__":
    main()
