"""One picture from coarse to fine beside the same picture at a single scale, at equal time.

    python benchmarks/coarse_to_fine.py --content a.jpg --style b.jpg --size 1000 --out DIR

The coarse-to-fine run goes first; the other has as many seconds (of training: setting up is left
out of both). Prints what was measured and writes ``both.jpg``: single scale left, coarse to fine
right, and below them a part of each at full size.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from PIL import Image

from nst_lightning.metrics.evaluate import PictureMetrics
from nst_lightning.session import Session, open_run

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


def paint(given: argparse.Namespace, name: str, settings: dict[str, Any]) -> tuple[Session, float]:
    """Paint one picture; return the session and the seconds of its training."""
    session = open_run(
        {
            "data.content": given.content,
            "data.style": given.style,
            "data.size": given.size,
            "trainer.default_root_dir": str(given.out / name),
            "trainer.max_epochs": 1,
            "images.every_n_steps": 0,
            **settings,
        }
    )
    clock = Clock()
    session.run(clock)
    return session, clock.seconds


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
    steps = sum(STEPS) + given.steps
    fine, seconds = paint(
        given, "coarse_to_fine", {"data.scales": scales, "data.steps_per_epoch": steps}
    )
    limit = f"00:00:{round(seconds) // 60:02}:{round(seconds) % 60:02}"  # days, hours, and so on
    plain, _ = paint(given, "single", {"trainer.max_time": limit, "data.steps_per_epoch": 10_000})
    measure = PictureMetrics.of(fine.pair, learned=False)
    print(f"{seconds:.0f} s each")
    for name, session in (("single scale", plain), ("coarse to fine", fine)):
        picture = session.picture()
        measures = measure(picture)
        words = ", ".join(f"{key} {measures[key]:.3f}" for key in SHOWN)
        loss = float(fine.model.losses(picture)["loss"])
        print(f"{name}: {session.trainer.global_step} steps, loss {loss:.5g}, {words}")
    draw([plain.picture_path, fine.picture_path], given.out / "both.jpg")


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
