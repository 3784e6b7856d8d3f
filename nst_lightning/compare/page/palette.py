"""The page's colours, light and dark, for its style sheet and its figures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """One scheme; every text colour has a contrast of 4.5 or more on ``surface`` and ``paper``.

    Attributes:
        paper: Background of the page.
        surface: Background of cards and figures.
        ink: Text.
        soft: Secondary text.
        line: Rules and grids.
        ours: The optimised picture, and what is better.
        fast: The fast picture, and what is worse.
        third: A further curve.
    """

    paper: str
    surface: str
    ink: str
    soft: str
    line: str
    ours: str
    fast: str
    third: str


LIGHT = Palette(
    paper="#f6f3ec",
    surface="#fffdf8",
    ink="#211d16",
    soft="#655d4e",
    line="#ddd5c5",
    ours="#14627a",
    fast="#b0501c",
    third="#7a5c99",
)
DARK = Palette(
    paper="#15130f",
    surface="#1f1c17",
    ink="#f1ece1",
    soft="#b3a995",
    line="#3d372d",
    ours="#67c3de",
    fast="#f09a5f",
    third="#c3a5e3",
)
SCHEMES = {"light": LIGHT, "dark": DARK}
