"""Pictures in rows and columns on one sheet, each with lines of text under it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw, ImageFont

GREY = "#808080"


@dataclass(frozen=True)
class Cell:
    """One place of a sheet."""

    picture: Image.Image | None = None  # RGB, of any size; None leaves the place grey
    lines: tuple[tuple[str, str], ...] = ()  # (text, colour) of every line under it
    placeholder: str = ""  # what is written into a grey place
    frame: str = ""  # colour of a frame around it


def draw_cells(
    rows: Sequence[Sequence[Cell]],
    tile: int,
    *,
    title: str = "",
    caption: str = "",
    columns: Sequence[str] = (),
    heads: Sequence[str] = (),
) -> Image.Image:
    """Draw a sheet, RGB on white.

    Args:
        rows: From top to bottom, with at least one cell; the last may be shorter.
        tile: Long side of each picture on the sheet, in pixels.
        title: Above everything.
        caption: In grey above the columns' labels.
        columns: A label above each column, or nothing.
        heads: A label left of each row, or nothing.
    """
    pictures = [[_fit(cell.picture, tile) for cell in row] for row in rows]
    sizes = [picture.size for row in pictures for picture in row if picture] or [(tile, tile)]
    width = max(w for w, _ in sizes)
    # A row is as high as its highest picture; one without a picture as the highest of all.
    highest = max(h for _, h in sizes)
    heights = [max((p.height for p in row if p), default=highest) for row in pictures]
    line = max(12, tile // 14)
    font, small = ImageFont.load_default(line), ImageFont.load_default(line * 0.8)
    gap = max(6, tile // 24)
    under = line * max(len(cell.lines) for row in rows for cell in row)
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    heads = [_wrapped(probe, head, font, int(tile * 0.8)) for head in heads]
    left = gap + (max(_extent(probe, head, font)[0] for head in heads) + gap if heads else 0)
    columns = [_wrapped(probe, label, font, width) for label in columns]
    label_height = max((_extent(probe, label, font)[1] + gap for label in columns), default=0)
    caption_height = int(1.4 * line) if caption or columns else 0
    top = gap + (int(2.6 * line) if title else 0) + caption_height + label_height
    title_width = _extent(probe, title, font)[0] * 2 + 2 * gap if title else 0
    across = max(len(row) for row in rows)
    page_width = max(left + across * (width + gap), min(title_width, 3 * tile))
    page_height = top + sum(heights) + len(rows) * (under + gap)
    page = Image.new("RGB", (page_width, page_height), "white")
    draw = ImageDraw.Draw(page)
    draw.text((gap, gap), _wrapped(draw, title, font, page_width - 2 * gap), "black", font)
    draw.text((left, top - label_height - caption_height), caption, GREY, small)
    for column, label in enumerate(columns):
        place = (left + column * (width + gap) + width / 2, top - gap)
        draw.multiline_text(place, label, "black", font, anchor="md", align="center")
    for number, row in enumerate(rows):
        y = top + sum(heights[:number]) + number * (under + gap)
        if heads:
            draw.multiline_text((gap, y), heads[number], "black", font)
        for column, cell in enumerate(row):
            box = (left + column * (width + gap), y, width, heights[number])
            _draw_cell(page, draw, box, cell, pictures[number][column], small)
    return page


def _fit(picture: Image.Image | None, side: int) -> Image.Image | None:
    if picture is None:
        return None
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _draw_cell(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    cell: Cell,
    picture: Image.Image | None,
    font: Any,
) -> None:
    x, y, width, height = box
    if picture is None:
        draw.rectangle((x, y, x + width - 1, y + height - 1), fill="#eeeeee")
        middle = (x + width / 2, y + height / 2)
        draw.text(middle, cell.placeholder, fill=GREY, font=font, anchor="mm")
    else:
        page.paste(picture, (x + (width - picture.width) // 2, y))
    if cell.frame:
        draw.rectangle((x - 3, y - 3, x + width + 2, y + height + 2), outline=cell.frame, width=3)
    for number, (text, colour) in enumerate(cell.lines):
        draw.text((x, y + height + 3 + number * (font.size + 1)), text, fill=colour, font=font)


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
