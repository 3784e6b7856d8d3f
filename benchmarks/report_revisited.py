"""Draw the losses of the report's grids, and make small copies of their sheets.

    python train.py grid --config figure10 --size 64 --out outputs/figure10   # and the others
    python benchmarks/report_revisited.py outputs/figure10 outputs/figure7 ...

Writes docs/images/report/NAME.jpg (the sheet) and NAME_losses.png (each run's loss by step).
"""

import csv
import sys
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

FOLDER = Path("docs/images/report")
LENGTHS = ("epochs", "steps an epoch")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def labels(grid: list[dict[str, str]]) -> dict[str, str]:
    """Return run folder -> what tells it from the others."""
    axes = list(grid[0])[: list(grid[0]).index("step")]
    shown = [axis for axis in axes if axis not in LENGTHS]
    return {
        Path(row["picture"]).parent.name: ", ".join(f"{a} {row[a]}" for a in shown) or "the recipe"
        for row in grid
        if row["picture"]
    }


def draw(folder: Path) -> None:
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for run, label in labels(rows(folder / "grid.csv")).items():
        log = rows(folder / "runs" / run / "metrics.csv")
        axes.plot([int(r["step"]) for r in log], [float(r["loss"]) for r in log], label=label, lw=1)
    axes.set(yscale="log", xlabel="step", ylabel="loss")
    axes.legend(frameon=False, fontsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(FOLDER / f"{folder.name}_losses.png", dpi=90, metadata={"Software": None})
    with Image.open(folder / "grid.png") as sheet:
        small = sheet.convert("RGB")
        small.thumbnail((900, 2000))
        small.save(FOLDER / f"{folder.name}.jpg", quality=78)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        draw(Path(name))
