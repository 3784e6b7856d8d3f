"""Draw several pictures side by side on one sheet, each with a label under it."""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont


def draw_contact_sheet(
    pictures: Sequence[Image.Image], labels: Sequence[str], columns: int | None, tile: int
) -> Image.Image:
    """Return the sheet.

    Args:
        pictures: RGB, of any sizes.
        labels: One for each picture.
        columns: Pictures in a row; None for about as many as there are rows.
        tile: Long side of each on the sheet, in pixels.

    Raises:
        ValueError: If there is no picture, or not one label for each.
    """
    if not pictures or len(labels) != len(pictures):
        raise ValueError(f"{len(pictures)} pictures and {len(labels)} labels; give one label each")
    tiles = [_fit(picture, tile) for picture in pictures]
    width, height = max(t.width for t in tiles), max(t.height for t in tiles)
    gap, line = max(4, tile // 32), max(12, tile // 12)
    across = min(columns or math.ceil(math.sqrt(len(tiles))), len(tiles))
    down = math.ceil(len(tiles) / across)
    step_x, step_y = width + gap, height + line + 2 * gap
    sheet = Image.new("RGB", (gap + across * step_x, gap + down * step_y), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(round(line * 0.85))
    for index, (picture, label) in enumerate(zip(tiles, labels, strict=True)):
        left, top = gap + index % across * step_x, gap + index // across * step_y
        sheet.paste(picture, (left + (width - picture.width) // 2, top))
        middle = (left + width / 2, top + height + gap / 2)
        draw.text(middle, label, fill="black", font=font, anchor="mt")
    return sheet


def _fit(picture: Image.Image, side: int) -> Image.Image:
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)
