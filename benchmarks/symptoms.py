"""Make the pictures of docs/symptoms.md that docs/gallery.md has not, from the package's samples.

    python benchmarks/symptoms.py [--out docs/images/symptoms] [--size 256] [NAME ...]

Start it in the repository's root. Each pair is two runs, of half a minute each on two cores.
"""

import argparse
from pathlib import Path
from typing import Any

from nst_lightning.data.sheet import Cell, draw_cells
from nst_lightning.notebook import stylize

# Name: content, style, the settings that show the symptom, and those that help.
Pair = tuple[str, str, dict[str, Any], dict[str, Any]]
PAIRS: dict[str, Pair] = {
    "blurred": ("cat", "waves", {"model.style.texture": 0.0}, {"model.style.texture": 1.0}),
    "grain": ("coffee", "waves", {"model.tv.weight": 0.0}, {"model.tv.weight": 24.0}),
    "face": ("astronaut", "klimt", {"model.strength": 0.75}, {"model.strength": 0.35}),
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
        cells = []
        for settings in both:
            picture = stylize(
                f"sample:{content}", f"sample:{style}", size=given.size, settings=settings
            )
            cells.append(Cell(picture.convert("RGB"), ((words(settings), "black"),)))
        sheet = draw_cells([cells], _WIDTH)
        path = given.out / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path, quality=85)
        print(path, flush=True)


if __name__ == "__main__":
    main()
