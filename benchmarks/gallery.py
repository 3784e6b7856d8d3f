"""Make the pictures of docs/gallery.md and of the README from the package's samples.

    python benchmarks/gallery.py [--out outputs/gallery] [--size 512]

Runs the grids configs/grids/gallery.yaml and contents_by_styles.yaml (a stopped run goes on),
writes a JPEG a picture into docs/images/gallery/, and the README's strip. Start it in the
repository's root.
"""

import argparse
import csv
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from nst_lightning.cli import main as nst
from nst_lightning.data.samples import sample_bytes
from nst_lightning.data.sheet import Cell, draw_cells

FOLDER = Path("docs/images/gallery")


def sample(name: str) -> Image.Image:
    """Return a sample as RGB."""
    return Image.open(io.BytesIO(sample_bytes(name))).convert("RGB")


def sources() -> None:
    """Draw the mask and the cut-out that two controls use."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    cat = sample("cat")
    cat = cat.resize((512, round(512 * cat.height / cat.width)))
    width, height = cat.size
    ramp = np.clip((np.arange(width) / width - 0.5) / 0.06 + 0.5, 0, 1)
    Image.fromarray(np.tile((255 * ramp).round().astype(np.uint8), (height, 1))).save(
        FOLDER / "mask.png"
    )
    disc = Image.new("L", cat.size, 0)
    ImageDraw.Draw(disc).ellipse((30, 12, width - 30, height - 12), fill=255)
    cat.putalpha(disc.filter(ImageFilter.GaussianBlur(4)))
    cat.save(FOLDER / "cutout.png")


def run(config: str, out: Path, size: int) -> list[dict[str, str]]:
    """Paint a grid; return its rows."""
    if nst(["grid", f"--config={config}", f"--out={out}", f"--size={size}"]):
        sys.exit(f"{config} failed")
    with (out / "grid.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def shrink(path: Path, name: str) -> None:
    """Write a picture as NAME.jpg, on white."""
    with Image.open(path) as picture:
        shown = picture.convert("RGBA")
    white = Image.new("RGBA", shown.size, "white")
    Image.alpha_composite(white, shown).convert("RGB").save(FOLDER / f"{name}.jpg", quality=82)


def strip() -> None:
    """Lay the README's strip together out of what the gallery has."""
    named = {
        "sample_cat": "the photograph",
        "sample_klimt": "the painting",
        "astronaut_starry": "another pair",
        "plain": "the first command's picture",
        "strong": "more of it: looks/strong",
        "subtle": "less of it: looks/subtle",
        "luminance": "the photograph's colours",
        "regions": "two regions, two styles",
        "coffee_waves": "a third pair",
    }
    cells = [
        Cell(Image.open(FOLDER / f"{name}.jpg").convert("RGB"), ((text, "black"),))
        for name, text in named.items()
    ]
    rows = [cells[:3], cells[3:6], cells[6:]]
    draw_cells(rows, 400).save("docs/images/strip.jpg", quality=82)


def main() -> None:
    """Make everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("outputs/gallery"))
    parser.add_argument("--size", type=int, default=512)
    given = parser.parse_args()
    sources()
    for row in run("gallery", given.out / "controls", given.size):
        shrink(given.out / "controls" / row["picture"], row["control"])
    for row in run("contents_by_styles", given.out / "pairs", given.size):
        name = f"{row['content']}_{row['style']}".replace("sample:", "")
        shrink(given.out / "pairs" / row["picture"], name)
    for name in ("astronaut", "cat", "coffee", "klimt", "starry", "waves"):
        picture = sample(name)
        picture.thumbnail((given.size, given.size))
        picture.save(FOLDER / f"sample_{name}.jpg", quality=82)
    strip()


if __name__ == "__main__":
    main()
