"""Tables for the terminal."""

import sys
from collections.abc import Mapping
from typing import Any

ROWS = {
    "mse": "MSE",
    "rmse": "RMSE",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "lpips": "LPIPS",
    "dists": "DISTS",
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
    row("colour distance to the style", "colour_distance/style")
    row("total variation a pixel", "total_variation")
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 100).print(table)
    for name, why in (unavailable or {}).items():
        print(f"note: {ROWS.get(name, name)} is left out: {why}")
