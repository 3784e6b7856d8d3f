"""One picture from coarse to fine beside the same picture at a single scale, at equal time.

    python benchmarks/coarse_to_fine.py --content a.jpg --style b.jpg --size 1000 --out DIR

The coarse-to-fine run goes first; the other has as many seconds (of training: setting up is left
out of both). Prints what was measured and writes ``both.jpg``: single scale left, coarse to fine
right, and below them a part of each at full size.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from PIL import Image

from nst_lightning.cli import run
from nst_lightning.encoder import VGG19Encoder
from nst_lightning.metrics.evaluate import STYLE_LAYERS, PictureMetrics

SHARES, STEPS = (0.25, 0.5), (60, 40)
"""Sizes of the coarse scales as shares of the final one, and their steps."""
SHOWN = ("ssim/content", "style_distance", "total_variation")


class Clock(Callback):
    """Counts the seconds of training."""

    seconds = 0.0
    _began = 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start."""
        self._began = time.monotonic()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Stop."""
        self.seconds = time.monotonic() - self._began


def paint(given: argparse.Namespace, name: str, *options: str) -> tuple[Any, Path]:
    folder = given.out / name
    cli = run(
        [
            *("fit", f"--data.content={given.content}", f"--data.style={given.style}"),
            *(f"--data.size={given.size}", f"--trainer.default_root_dir={folder}"),
            *("--trainer.max_epochs=1", "--images.every_n_steps=0", *options),
            f"--trainer.callbacks+={Clock.__module__}.Clock",
        ]
    )
    return cli, folder / "stylized.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--content", default="sample:coffee")
    parser.add_argument("--style", default="sample:klimt")
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=40, help="at the final size")
    parser.add_argument("--out", type=Path, default=Path("outputs/coarse_to_fine"))
    given = parser.parse_args()
    scales = [
        {"size": round(given.size * share), "steps": steps}
        for share, steps in zip(SHARES, STEPS, strict=True)
    ]
    steps = f"--data.steps_per_epoch={sum(STEPS) + given.steps}"
    fine, fine_path = paint(given, "coarse_to_fine", f"--data.scales={json.dumps(scales)}", steps)
    seconds = next(c for c in fine.trainer.callbacks if isinstance(c, Clock)).seconds
    limit = json.dumps({"seconds": round(seconds)})
    plain, plain_path = paint(
        given, "single", f"--trainer.max_time={limit}", "--data.steps_per_epoch=10000"
    )
    pair = fine.datamodule
    measure = PictureMetrics(
        pair.content, pair.styles, VGG19Encoder(STYLE_LAYERS), pair.blend, learned=False
    )
    print(f"{seconds:.0f} s each")
    for name, cli in (("single scale", plain), ("coarse to fine", fine)):
        picture = cli.model.picture()
        measures = measure(picture)
        told = ", ".join(f"{key} {measures[key]:.3f}" for key in SHOWN)
        loss = float(fine.model.losses(picture)["loss"])
        print(f"{name}: {cli.trainer.global_step} steps, loss {loss:.5g}, {told}")
    draw([plain_path, fine_path], given.out / "both.jpg")


def draw(paths: list[Path], target: Path) -> None:
    pictures = [Image.open(path).convert("RGB") for path in paths]
    width, height = pictures[0].size
    half = (width // 2, height // 2)
    sheet = Image.new("RGB", (width + 10, half[1] + 10 + half[0]), "white")
    for number, picture in enumerate(pictures):
        left = number * (half[0] + 10)
        sheet.paste(picture.resize(half, Image.Resampling.LANCZOS), (left, 0))
        x, y = (width - half[0]) // 2, (height - half[0]) // 2
        part = picture.crop((x, max(0, y), x + half[0], max(0, y) + half[0]))
        sheet.paste(part, (left, half[1] + 10))
    sheet.save(target, quality=88)
    print(f"picture {target}")


if __name__ == "__main__":
    main()
