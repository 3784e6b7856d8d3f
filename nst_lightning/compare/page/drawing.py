"""Figures by matplotlib as SVG: each light and dark, wide and narrow."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_lightning.compare.page.palette import SCHEMES, Palette
from nst_lightning.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[[Palette, bool], "Figure"]
"""(colours, narrow) -> figure."""

WIDE, NARROW = 10.0, 4.0
"""Widths in inches, of 72 SVG units each: as large as they are shown, so that 9 pt stays 9 pt."""


def write_variants(folder: Path, name: str, draw: Draw) -> list[str]:
    """Write ``name-light-wide.svg`` and the three other variants.

    Returns:
        The files' names.

    Raises:
        InputError: If they cannot be written.
    """
    import matplotlib

    written = []
    style: Any = {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Segoe UI", "Arial", "sans-serif"],
        "font.size": 9,
        "svg.fonttype": "none",  # the reader's fonts have letters that DejaVu lacks
        "svg.hashsalt": "nst_lightning",
        "axes.unicode_minus": True,
    }
    with matplotlib.rc_context(style), _without_font_warnings():
        for scheme, colours in SCHEMES.items():
            for width in ("wide", "narrow"):
                figure = draw(colours, width == "narrow")
                figure.set_facecolor(colours.surface)
                for axes in figure.axes:
                    _colour_axes(axes, colours)
                path = folder / f"{name}-{scheme}-{width}.svg"
                with atomic_write(path) as part:
                    figure.savefig(part, format="svg", metadata={"Date": None})
                written.append(path.name)
    return written


@contextlib.contextmanager
def _without_font_warnings() -> Iterator[None]:
    """Fonts that are missing here are the reader's matter."""
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")
            yield
    finally:
        logger.setLevel(level)


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **kwargs: Any
) -> "tuple[Figure, Any]":
    """Return an empty figure and its axes, an array of shape (rows, columns).

    Args:
        width: In inches.
        height: In inches.
        rows: Of axes.
        columns: Of axes.
        kwargs: Of ``Figure.subplots``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def _colour_axes(axes: "Axes", colours: Palette) -> None:
    axes.set_facecolor(colours.surface)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(colours.line)
    axes.tick_params(colors=colours.soft, which="both", length=3)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_color(colours.ink)
    # A file's name may hold a $.
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)
