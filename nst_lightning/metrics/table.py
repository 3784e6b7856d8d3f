"""Tables for the terminal."""

import sys
from collections.abc import Mapping
from typing import Any

from nst_lightning.say import is_terminal

ROWS = {
    "mse": "MSE",
    "rmse": "RMSE",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "lpips": "LPIPS",
    "dists": "DISTS",
}


OWN_ROWS = {
    "self_similarity/content": "self-similarity distance to the content",
    "cfsd/content": "CFSD to the content",
    "patch_distance/style": "patch distance to the style",
    "sliced_wasserstein/relu3_2": "sliced Wasserstein to the style, relu3_2",
    "sliced_wasserstein/relu4_2": "  relu4_2",
    "colour_distance/style": "colour distance to the style",
    "colour_histogram/style": "colour histogram to the style",
    "contrast/style": "contrast as a share of the style's",
    "colourfulness/style": "colourfulness as a share of the style's",
    "total_variation": "total variation a pixel",
}


def print_measures(
    measures: Mapping[str, Any], unavailable: Mapping[str, str] | None = None
) -> None:
    """Print the measures of a picture beside those of the untouched content.

    SSIM alone rewards doing nothing, so it never stands without the style distance and this
    control. ``measures`` has ``picture/NAME`` and ``content/NAME`` for every measure;
    ``unavailable`` says in one line why one is left out.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table("measure", title="measures of the picture")
    for heading in ("picture", "untouched content"):
        table.add_column(heading, justify="right")

    def row(label: str, name: str) -> None:
        if f"picture/{name}" in measures:
            values = (float(measures[f"{side}/{name}"]) for side in ("picture", "content"))
            table.add_row(label, *(f"{value:.4f}" for value in values))

    for role in ("content", "style"):
        for name, label in ROWS.items():
            row(f"{label} to the {role}", f"{name}/{role}")
    row("style distance (Gram, relative)", "style_distance")
    for key in measures:
        layer = key.removeprefix("picture/style_distance/")
        if layer != key:
            row(f"  {layer}", f"style_distance/{layer}")
    for name, label in OWN_ROWS.items():
        row(label, name)
    Console(file=sys.stdout, width=None if is_terminal(sys.stdout) else 100).print(table)
    for name, why in (unavailable or {}).items():
        print(f"note: {ROWS.get(name, name)} is left out: {why}")
