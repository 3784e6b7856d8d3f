"""Make the pictures of docs/gallery.md from the package's samples.

    python benchmarks/gallery.py [--out outputs/gallery] [--size 192]

Runs the grid configs/grids/gallery.yaml (a stopped run goes on) and writes one small JPEG a control
into docs/images/gallery/. Start it in the repository's root.
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

FOLDER = Path("docs/images/gallery")


def sample(name: str) -> Image.Image:
    """Return a sample as RGB."""
    return Image.open(io.BytesIO(sample_bytes(name))).convert("RGB")


def sources() -> None:
    """Draw the mask and the cut-out that two controls use."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    cat = sample("cat")
    cat = cat.resize((200, round(200 * cat.height / cat.width)))
    width, height = cat.size
    ramp = np.clip((np.arange(width) / width - 0.5) / 0.06 + 0.5, 0, 1)
    Image.fromarray(np.tile((255 * ramp).round().astype(np.uint8), (height, 1))).save(
        FOLDER / "mask.png"
    )
    disc = Image.new("L", cat.size, 0)
    ImageDraw.Draw(disc).ellipse((12, 5, width - 12, height - 5), fill=255)
    cat.putalpha(disc.filter(ImageFilter.GaussianBlur(2)))
    cat.save(FOLDER / "cutout.png")


def main() -> int:
    """Make everything; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="outputs/gallery")
    parser.add_argument("--size", type=int, default=192)
    given = parser.parse_args()
    sources()
    code = nst(["grid", "--config=gallery", f"--out={given.out}", f"--size={given.size}"])
    if code:
        return code
    with Path(given.out, "grid.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            with Image.open(Path(given.out, row["picture"])) as picture:
                shown = picture.convert("RGBA")
                white = Image.new("RGBA", shown.size, "white")
                flat = Image.alpha_composite(white, shown).convert("RGB")
                flat.save(FOLDER / f"{row['control']}.jpg", quality=88)
    for name in ("cat", "klimt", "waves"):
        sample(name).resize((120, 120) if name != "cat" else (180, 120)).save(
            FOLDER / f"sample_{name}.jpg", quality=85
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
