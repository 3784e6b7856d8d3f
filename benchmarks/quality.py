"""Objectives, contents and scales in equal time: the study behind the defaults (docs/quality.md).

Every pair is painted by every objective in {gram, wasserstein, sliced, matched, matched and
covered, matched with texture} x {squared content, relations} x {one scale, octaves}, each for the
same processor time after the targets are there. Run it alone: threads that wait for a busy machine
count as well. *Whole* systems are painted as they are, in their own time: the defaults, what were
the defaults before (``looks/textured.yaml``), fast style transfer (the ONNX baseline; extra
``fast``) and the recipe ``crowsonkb`` (3000 steps). Writes ``quality.csv`` with the measures and a
contact sheet a pair; what is finished is not painted again.

    python benchmarks/quality.py --pairs a.jpg,b.jpg c.jpg,d.jpg --size 384 --seconds 40 --out DIR
    python benchmarks/quality.py --pairs a.jpg,b.jpg --only whole --out DIR
"""

import argparse
import csv
import functools
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from PIL import Image
from torch import Tensor
from torchvision.utils import save_image

from nst_lightning.baselines import OnnxStylizer
from nst_lightning.data.sheet import Cell, draw_cells
from nst_lightning.files import write_csv
from nst_lightning.metrics.evaluate import PictureMetrics
from nst_lightning.session import Session, open_run

LOSSES = "nst_lightning.losses."
STD5 = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]

STYLES: dict[str, dict[str, Any]] = {
    "gram": {
        "class_path": LOSSES + "GramLoss",
        "init_args": {
            "weight": 3e4,
            "layers": STD5,
            "layer_weights": [0.25, 0.5, 1.0, 2.0, 4.0],
            "divisor": "chw",
        },
    },
    "wasserstein": {
        "class_path": LOSSES + "WassersteinLoss",
        "init_args": {
            "weight": 300.0,
            "layers": STD5,
            "layer_weights": [0.75, 0.19, 0.047, 0.012, 0.003],
        },
    },
    "sliced": {"class_path": LOSSES + "SlicedWassersteinLoss", "init_args": {"weight": 30.0}},
    "matched": {
        "class_path": LOSSES + "NearestNeighbourLoss",
        "init_args": {"weight": 1e3, "mix": 0.4, "metric": "cosine", "texture": 0.0},
    },
    "matched, covered": {
        "class_path": LOSSES + "NearestNeighbourLoss",
        "init_args": {
            "weight": 1e3,
            "mix": 0.4,
            "metric": "cosine",
            "texture": 0.0,
            "coverage": 0.5,
        },
    },
    "matched, texture": {
        "class_path": LOSSES + "NearestNeighbourLoss",
        "init_args": {"weight": 1e3, "mix": 0.4, "metric": "cosine", "texture": 0.5},
    },
}
CONTENTS: dict[str, dict[str, Any]] = {
    "squared": {
        "class_path": LOSSES + "ContentLoss",
        "init_args": {"weight": 1e3, "layers": ["relu4_2"], "reduction": "balanced"},
    },
    "relations": {
        "class_path": LOSSES + "SelfSimilarityLoss",
        "init_args": {"weight": 50.0},
    },
}
SCALES: dict[str, dict[str, Any]] = {
    "one scale": {"data.scales": None, "data.init": "content"},
    "octaves": {"data.scales": "octaves", "data.detail": "painting"},
}
SHOWN = (
    "self_similarity/content",
    "cfsd/content",
    "ssim/content",
    "patch_distance/style",
    "sliced_wasserstein/style",
    "colour_distance/style",
    "colour_histogram/style",
    "contrast/style",
    "colourfulness/style",
)


class Budget(Callback):
    """Ends a run after so many seconds of processor time, the steps at coarse sizes included.

    A run that is still at a coarse size then goes on to its first step at the last.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.used, self._began = seconds, 0.0, 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the clock."""
        self._began = time.process_time()

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Stop where the time is used up."""
        self.used = time.process_time() - self._began
        pair = trainer.datamodule
        if self.used >= self.seconds and pair.scale == len(pair.scales):
            trainer.should_stop = True


def methods() -> dict[str, dict[str, Any]]:
    """Return the settings of every method by its name."""
    found: dict[str, dict[str, Any]] = {}
    for (style, s), (content, c), (scale, d) in itertools.product(
        STYLES.items(), CONTENTS.items(), SCALES.items()
    ):
        settings = {"model.style": s, "model.content": c, "data.colour": "style", **d}
        found[f"{style} / {content} / {scale}"] = settings | {"data.steps_per_epoch": 100_000}
    return found


def paint(session: Session, seconds: float = float("inf")) -> tuple[Tensor, float]:
    """Paint one picture; return it and the seconds of processor time."""
    budget = Budget(seconds)
    session.run(budget)
    return session.picture(), budget.used


def paint_fast(session: Session) -> tuple[Tensor, float]:
    """Paint the session's pair by fast style transfer."""
    session.pair.setup("test")
    network, began = OnnxStylizer(), time.process_time()
    picture = network(session.pair.content, session.pair.styles[0])
    return picture, time.process_time() - began


Painter = Callable[[Session], tuple[Tensor, float]]
WHOLE: dict[str, tuple[list[str], Painter]] = {
    "default": ([], paint),
    "before": (["looks/textured"], paint),
    "fast": ([], paint_fast),
    "crowsonkb": (["recipes/crowsonkb"], paint),
}


def main() -> None:
    """Paint, measure and lay out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", nargs="+", required=True, help="CONTENT,STYLE")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--seconds", type=float, default=40, help="of processor time a picture")
    parser.add_argument("--out", type=Path, default=Path("outputs/quality"))
    parser.add_argument("--only", default="", help="methods whose name has this in it")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    table = given.out / "quality.csv"
    rows: list[dict[str, Any]] = []
    if table.is_file():
        with table.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
    every: list[tuple[str, dict[str, Any], list[str], Painter]] = [
        (f"whole: {name}", {}, configs, painter) for name, (configs, painter) in WHOLE.items()
    ]
    in_time = functools.partial(paint, seconds=given.seconds)
    every += [(name, settings, [], in_time) for name, settings in methods().items()]
    for place in given.pairs:
        content, _, style = place.partition(",")
        pair_name = f"{Path(content).stem} x {Path(style).stem}".replace("sample:", "")
        metrics: PictureMetrics | None = None
        for name, settings, configs, painter in every:
            path = given.out / f"{pair_name} {name}.png".replace(" / ", ", ").replace(":", "")
            if given.only not in name or any(
                (row["pair"], row["method"]) == (pair_name, name) for row in rows
            ):
                continue
            common = {"data.content": content, "data.style": style, "data.size": given.size}
            session = open_run(
                {**common, **settings},
                configs,
                summary=False,
                progress=False,
                pictures=False,
                checkpoints=False,
            )
            picture, used = painter(session)
            save_image(picture, path)
            steps = session.trainer.global_step
            row = {"pair": pair_name, "method": name, "steps": steps, "seconds": round(used, 1)}
            metrics = metrics or PictureMetrics.of(session.pair, learned=False)
            found = metrics(picture)
            rows.append(row | {name: round(found[name], 4) for name in SHOWN})
            write_csv(table, rows)
            print(rows[-1], flush=True)
        cells = [
            Cell(Image.open(path).convert("RGB"), ((path.stem.removeprefix(pair_name), "black"),))
            for path in sorted(given.out.glob(f"{pair_name} *.png"))
        ]
        lines = [cells[i : i + 4] for i in range(0, len(cells), 4)]
        if lines:
            draw_cells(lines, 320, title=pair_name).save(given.out / f"sheet {pair_name}.jpg")


if __name__ == "__main__":
    main()
