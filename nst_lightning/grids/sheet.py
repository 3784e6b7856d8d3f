"""One page with all pictures of a grid: the last axis across, the others down."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from nst_lightning.data.output import save_image
from nst_lightning.data.sheet import GREY, Cell, draw_cells
from nst_lightning.grids.spec import Axis, Grid

_TILE = 256
_MAXIMUM_ACROSS = 6
"""Values of a single axis in one row."""
_MAXIMUM_PAGE = 3600  # pixels that all pictures of a row, or of a column, may take
_RED = "#c02020"

Tiles = Mapping[tuple[str, ...], tuple[Image.Image | None, Mapping[str, Any]]]


def draw_sheet(grid: Grid, tiles: Tiles) -> Image.Image:
    """Draw the page.

    Args:
        grid: Title and axes.
        tiles: The labels of a cell -> its picture, None where it is not finite or not made, and its
            row of the table.

    Returns:
        RGB; exploded cells are framed in red and say so.
    """
    *down, across = grid.axes
    if not down and len(across.values) > _MAXIMUM_ACROSS:
        return _draw_in_strips(grid, tiles)
    columns = [value.label for value in across.values]
    rows = list(itertools.product(*([value.label for value in axis.values] for axis in down)))
    return draw_cells(
        [[_cell(*tiles.get((*row, label), (None, {}))) for label in columns] for row in rows],
        max(64, min(_TILE, _MAXIMUM_PAGE // max(len(columns), len(rows)))),
        title=grid.title,
        caption=across.name + (f"  (down: {', '.join(a.name for a in down)})" if down else ""),
        columns=columns,
        heads=["\n".join(row) for row in rows] if down else (),
    )


def _draw_in_strips(grid: Grid, tiles: Tiles) -> Image.Image:
    """Draw many values of a single axis in several rows, each as a page of its own."""
    (axis,) = grid.axes
    count = math.ceil(len(axis.values) / _MAXIMUM_ACROSS)
    each = math.ceil(len(axis.values) / count)
    strips = []
    for start in range(0, len(axis.values), each):
        part = Axis(axis.name if not start else "", axis.values[start : start + each])
        strips.append(
            draw_sheet(replace(grid, title="" if start else grid.title, axes=[part]), tiles)
        )
    page = Image.new("RGB", (max(s.width for s in strips), sum(s.height for s in strips)), "white")
    top = 0
    for strip in strips:
        page.paste(strip, (0, top))
        top += strip.height
    return page


def write_sheet(page: Image.Image, path: Path) -> None:
    """Write the page as PNG."""
    save_image(page, path)


def _cell(picture: Image.Image | None, row: Mapping[str, Any]) -> Cell:
    """Return a picture with its loss and measures; an empty row is one not made yet."""
    if not row:
        return Cell(picture, (("", GREY), ("", GREY)), "not made")
    exploded = bool(row.get("exploded"))
    loss = f"loss {row['loss']:.4g}" if "loss" in row else "no loss"
    first = (f"{loss}, exploded", _RED) if exploded else (loss, "black")
    rest = [f"SSIM {row['ssim/content']:.2f}"] if "ssim/content" in row else []
    rest += [f"style {row['style_distance']:.2f}"] if "style_distance" in row else []
    explosion = row.get("first_explosion")
    rest += [f"first exploded at {explosion}"] if explosion and not exploded else []
    rest += [f"ended at {row['ended']}"] if row.get("ended") else []
    lines = (first, (", ".join(rest), GREY))
    return Cell(picture, lines, "not finite", _RED if exploded else "")
