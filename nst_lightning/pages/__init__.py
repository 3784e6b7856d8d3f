"""What pages for a browser share: colours, light and dark, and the divider between two pictures."""

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from nst_lightning.pages.palette import SCHEMES

_FOLDER = Path(__file__).parent


class Part(NamedTuple):
    """Style and script of a part of a page, to stand in the page itself."""

    style: str
    script: str


DIVIDER = Part(
    *((_FOLDER / f"divider.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
)
"""For each ``.slider``: two pictures and a range between ``data-left`` and ``data-right``."""


def colours_css() -> str:
    """Return the palette as CSS variables, ``--paper`` and so on, as the reader's system is set."""
    light, dark = (
        " ".join(f"--{name}: {colour};" for name, colour in asdict(SCHEMES[scheme]).items())
        for scheme in ("light", "dark")
    )
    when = "@media (prefers-color-scheme: dark)"
    return f":root {{ {light} }}\n{when} {{ :root {{ {dark} }} }}"
