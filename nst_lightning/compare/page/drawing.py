"""Figures by matplotlib as SVG: each light and dark, wide and narrow."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_lightning.files import atomic_write
from nst_lightning.pages.palette import SCHEMES, Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[Palette, bool], "Figure"]
"""(colours, narrow) -> figure."""

WIDE, NARROW = 10.0, 4.0
"""Widths in inches, of 72 SVG units each: as large as they are shown, so that 9 pt stays 9 pt."""


def write_variants(folder: Path, name: str, draw: Draw) -> None:
    """Write ``name-light-wide.svg`` and the three other variants.

    Raises:
        InputError: If they cannot be written.
    """
    import matplotlib

    for scheme, colours in SCHEMES.items():
        with matplotlib.rc_context(_style(colours)), _without_font_warnings():
            for width in ("wide", "narrow"):
                figure = draw(colours, width == "narrow")
                with atomic_write(folder / f"{name}-{scheme}-{width}.svg") as part:
                    figure.savefig(part, format="svg", metadata={"Date": None})


def _style(colours: Palette) -> Any:
    return {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Segoe UI", "Arial", "sans-serif"],
        "font.size": 9,
        "text.color": colours.ink,
        "text.parse_math": False,  # a file's name may hold a $
        "svg.fonttype": "none",  # the reader's fonts have letters that DejaVu lacks
        "svg.hashsalt": "nst_lightning",
        "figure.facecolor": colours.surface,
        "figure.labelsize": 9,
        "axes.facecolor": colours.surface,
        "axes.edgecolor": colours.line,
        "axes.labelcolor": colours.ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "grid.color": colours.line,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "xtick.color": colours.soft,
        "ytick.color": colours.soft,
        "xtick.major.size": 3,
        "ytick.major.size": 3,
    }


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
    """Return an empty figure of this size in inches and its axes, in an array (rows, columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)
