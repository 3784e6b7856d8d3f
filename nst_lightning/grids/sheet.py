"""One page with all pictures of a grid: the last axis across, the others down."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from nst_lightning.data.output import save_image
from nst_lightning.grids.spec import Axis, Grid

TILE = 256
MOST_ACROSS = 6
"""Values of a single axis in one row."""
_LONGEST_PAGE = 3600
_RED = "#c02020"
_GREY = "#808080"


def draw_sheet(
    grid: Grid, tiles: Mapping[tuple[str, ...], tuple[Image.Image | None, Mapping[str, Any]]]
) -> Image.Image:
    """Draw the page.

    Args:
        grid: Title and axes.
        tiles: The labels of a cell -> its picture, None where it is not finite or not made, and its
            row of the table.

    Returns:
        RGB; exploded cells are framed in red and say so.
    """
    *down, across = grid.axes
    if not down and len(across.values) > MOST_ACROSS:
        return _draw_wrapped(grid, tiles)
    columns = [value.label for value in across.values]
    rows = _combinations([[value.label for value in axis.values] for axis in down])
    tile = max(64, min(TILE, _LONGEST_PAGE // max(len(columns), len(rows))))
    shape = next((p.size for p, _ in tiles.values() if p is not None), (tile, tile))
    width, height = (max(1, round(tile * side / max(shape))) for side in shape)
    line = max(12, tile // 14)
    font, small = ImageFont.load_default(line), ImageFont.load_default(line * 0.8)
    gap, under = max(6, tile // 24), 2 * line
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    heads = [_wrapped(probe, "\n".join(r), font, int(tile * 0.8)) for r in rows] if down else [""]
    left = gap + (max(_extent(probe, head, font)[0] for head in heads) + gap if down else 0)
    named = [_wrapped(probe, label, font, width) for label in columns]
    tall = max(_extent(probe, label, font)[1] for label in named)
    top = gap + (int(2.6 * line) if grid.title else 0) + int(1.4 * line) + tall + gap
    least = _extent(probe, grid.title, font)[0] * 2 + 2 * gap
    page = Image.new(
        "RGB",
        (
            max(left + len(columns) * (width + gap), min(least, 3 * tile)),
            top + len(rows) * (height + under + gap),
        ),
        "white",
    )
    draw = ImageDraw.Draw(page)
    title = _wrapped(draw, grid.title, font, page.width - 2 * gap)
    draw.text((gap, gap), title, fill="black", font=font)
    what = across.name + ("" if not down else "  (down: " + ", ".join(a.name for a in down) + ")")
    draw.text((left, top - tall - gap - int(1.4 * line)), what, fill=_GREY, font=small)
    for column, label in enumerate(named):
        place = (left + column * (width + gap) + width / 2, top - gap)
        draw.multiline_text(place, label, fill="black", font=font, anchor="md", align="center")
    for number, row in enumerate(rows):
        y = top + number * (height + under + gap)
        if down:
            draw.multiline_text((gap, y), heads[number], fill="black", font=font)
        for column, label in enumerate(columns):
            x = left + column * (width + gap)
            picture, told = tiles.get((*row, label), (None, {}))
            _cell(page, draw, (x, y, width, height), picture, told, small)
    return page


def _draw_wrapped(
    grid: Grid, tiles: Mapping[tuple[str, ...], tuple[Image.Image | None, Mapping[str, Any]]]
) -> Image.Image:
    """Draw many values of a single axis in several rows, each as a page of its own."""
    (axis,) = grid.axes
    count = math.ceil(len(axis.values) / MOST_ACROSS)
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


def _cell(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    picture: Image.Image | None,
    row: Mapping[str, Any],
    font: Any,
) -> None:
    x, y, width, height = box
    if picture is None:
        draw.rectangle((x, y, x + width - 1, y + height - 1), fill="#eeeeee")
        word = "not made" if not row else "not finite"
        draw.text((x + width / 2, y + height / 2), word, fill=_GREY, font=font, anchor="mm")
    else:
        page.paste(picture.resize((width, height), Image.Resampling.LANCZOS), (x, y))
    if not row:
        return
    exploded = bool(row.get("exploded"))
    if exploded:
        draw.rectangle((x - 2, y - 2, x + width + 1, y + height + 1), outline=_RED, width=3)
    loss = f"loss {row['loss']:.4g}" if "loss" in row else "no loss"
    draw.text(
        (x, y + height + 3),
        f"{loss}, exploded" if exploded else loss,
        fill=_RED if exploded else "black",
        font=font,
    )
    rest = [f"SSIM {row['ssim/content']:.2f}"] if "ssim/content" in row else []
    rest += [f"style {row['style_distance']:.2f}"] if "style_distance" in row else []
    first = row.get("first_explosion")
    rest += [f"exploded at {first}"] if first and not exploded else []
    rest += [f"ended at {row['ended']}"] if row.get("ended") else []
    draw.text((x, y + height + 4 + font.size), ", ".join(rest), fill=_GREY, font=font)


def _combinations(lists: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    combined: list[tuple[str, ...]] = [()]
    for labels in lists:
        combined = [(*before, label) for before in combined for label in labels]
    return combined


def _extent(draw: ImageDraw.ImageDraw, text: str, font: Any) -> tuple[int, int]:
    x0, y0, x1, y1 = draw.multiline_textbbox((0, 0), text or " ", font=font)
    return int(x1 - x0) + 1, int(y1 - y0) + 1


def _wrapped(draw: ImageDraw.ImageDraw, text: str, font: Any, width: int) -> str:
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}".strip()
            if line and draw.textlength(longer, font=font) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)
