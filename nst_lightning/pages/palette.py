"""The page's colours, light and dark, for its style sheet and its figures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """One scheme; every text colour has a contrast of 4.5 or more on ``surface`` and ``paper``."""

    paper: str  # background of the page
    surface: str  # background of cards and figures
    ink: str  # text
    soft: str  # secondary text
    line: str  # rules and grids
    ours: str  # the optimised picture, and what is better
    fast: str  # the fast picture, and what is worse
    third: str  # a further curve


SCHEMES = {
    "light": Palette(
        paper="#f6f3ec",
        surface="#fffdf8",
        ink="#211d16",
        soft="#655d4e",
        line="#ddd5c5",
        ours="#14627a",
        fast="#b0501c",
        third="#7a5c99",
    ),
    "dark": Palette(
        paper="#15130f",
        surface="#1f1c17",
        ink="#f1ece1",
        soft="#b3a995",
        line="#3d372d",
        ours="#67c3de",
        fast="#f09a5f",
        third="#c3a5e3",
    ),
}
