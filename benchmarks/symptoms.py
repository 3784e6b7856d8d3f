"""Make the pictures of docs/symptoms.md: each symptom, and what helps, from the package's samples.

    python benchmarks/symptoms.py [--out docs/images/symptoms] [--size 256] [NAME ...]

Start it in the repository's root. Each pair is two runs, of half a minute each on two cores.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from nst_lightning.data.sheet import Cell, draw_cells
from nst_lightning.notebook import stylize

# Name: content, style, the settings that show the symptom, and those that help.
Pair = tuple[str, str, dict[str, Any], dict[str, Any]]
PAIRS: dict[str, Pair] = {
    "weak": ("cat", "klimt", {"model.strength": 0.35}, {"model.strength": 0.75}),
    "strong": ("astronaut", "waves", {"model.strength": 0.9}, {"model.strength": 0.4}),
    "blurred": ("cat", "waves", {"model.style.texture": 0.0}, {"model.style.texture": 1.0}),
    "grain": ("coffee", "waves", {"model.tv.weight": 0.0}, {"model.tv.weight": 24.0}),
    "colours": ("coffee", "starry", {"data.colour": "palette"}, {"data.colour": "luminance"}),
    "face": ("astronaut", "klimt", {"model.strength": 0.75}, {"model.strength": 0.35}),
    "slow": ("cat", "starry", {}, {"data.octave_steps": 10, "data.steps_per_epoch": 6}),
}
_WIDTH = 240


def words(settings: dict[str, Any]) -> str:
    """Return settings as they are typed."""
    return " ".join(f"--{name} {value}" for name, value in settings.items()) or "the defaults"


def main() -> None:
    """Paint the pairs that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *PAIRS], default=[])
    parser.add_argument("--out", type=Path, default=Path("docs/images/symptoms"))
    parser.add_argument("--size", type=int, default=256)
    given = parser.parse_args()
    for name in given.names or PAIRS:
        content, style, *both = PAIRS[name]
        cells, seconds = [], []
        for settings in both:
            started = time.monotonic()
            picture = stylize(
                f"sample:{content}", f"sample:{style}", size=given.size, settings=settings
            )
            seconds.append(time.monotonic() - started)
            cells.append(Cell(picture.convert("RGB"), ((words(settings), "black"),)))
        sheet = draw_cells([cells], _WIDTH)
        path = given.out / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path, quality=85)
        print(f"{path}: the second took {seconds[1] / seconds[0]:.2f} of the first's time")


if __name__ == "__main__":
    main()
