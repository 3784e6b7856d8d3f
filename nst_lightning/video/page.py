"""A page with the clip and its painting side by side, and how steady the painting is."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nst_lightning.files import write_whole
from nst_lightning.pages import colours_css
from nst_lightning.video.rows import ALONE, STYLE

_TEMPLATES = Path(__file__).with_name("templates")
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 600, 8, 176  # of the chart, in its own units


def write_page(
    path: Path,
    title: str,
    clips: Mapping[str, Path],
    seconds: float,
    rows: Sequence[Mapping[str, Any]],
    facts: str,
    summary: Sequence[str],
) -> Path:
    """Write the page; it reads nothing but the clips, by paths relative to it.

    Args:
        path: Of the page.
        title: Its heading.
        clips: What each is called, and its file.
        seconds: Their length.
        rows: Of ``metrics.csv``.
        facts: Size, frames and so on.
        summary: The measures in words, each a line.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    grid, curves = _chart(rows, ("painting", "content"), logarithmic=True)
    style_grid, style_curves = _chart(rows, (STYLE,), logarithmic=False)
    text = environment.get_template("page.html.jinja").render(
        title=title,
        style=colours_css() + "\n" + (_TEMPLATES / "page.css").read_text(encoding="utf-8"),
        script=(_TEMPLATES / "page.js").read_text(encoding="utf-8"),
        clips=[
            (name, Path(os.path.relpath(file, path.parent)).as_posix())
            for name, file in clips.items()
        ],
        moves=all(
            file.suffix.lower() in (".mp4", ".m4v", ".mov", ".webm") for file in clips.values()
        ),
        seconds=seconds,
        facts=facts,
        summary=summary,
        grid=grid,
        curves=curves,
        style_grid=style_grid,
        style_curves=style_curves,
        both=[row for row in rows if {"painting", ALONE} <= row.keys()],
        cuts=[_across(at, rows) for at, row in enumerate(rows) if at and _begins(rows, at)],
    )
    write_whole(path, text)
    return path


def _begins(rows: Sequence[Mapping[str, Any]], at: int) -> bool:
    return bool(rows[at]["scene"] != rows[at - 1]["scene"])


def _across(at: int, rows: Sequence[Mapping[str, Any]]) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * at / max(1, len(rows) - 1), 1)


def _chart(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], logarithmic: bool
) -> tuple[list[tuple[float, str]], list[tuple[str, str]]]:
    """Return the levels of a chart, over powers of ten or from 0, and the points of its curves."""

    def height_of(value: float) -> float:
        return math.log10(max(value, 1e-7)) if logarithmic else value

    values = {
        name: [
            (at, height_of(row[name]))
            for at, row in enumerate(rows)
            if name in row and math.isfinite(row[name])
        ]
        for name in names
    }
    heights = [height for points in values.values() for _, height in points]
    low, high, step = 0, 1, 1.0
    if logarithmic:
        heights = heights or [-4.0, -3.0]
        low = math.floor(min(heights))
        high = max(low + 1, math.ceil(max(heights)))
    else:
        step = 10.0 ** math.floor(math.log10(max([*heights, 1e-3])))
        high = math.ceil(max([*heights, step]) / step)

    def down(height: float) -> float:
        return round(_BOTTOM - (_BOTTOM - _TOP) * (height / step - low) / (high - low), 1)

    every = max(1, (high - low) // 5)
    levels = range(low, high + 1, every)
    grid = [(down(n * step), f"1e{n}" if logarithmic else f"{n * step:g}") for n in levels]
    curves = [
        (name, " ".join(f"{_across(at, rows)},{down(height)}" for at, height in points))
        for name, points in values.items()
    ]
    return grid, curves
