"""Numbers and sentences."""

import math
from typing import Any

import pytest

from nst_lightning.compare.page.words import duration, lost, number, percent, short, tick, verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1234, "0.123"), (-0.5, "−0.500"), (None, "–"), (math.nan, "–"), (math.inf, "∞")],  # noqa: RUF001
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((123.4, "+123 %"), (12.5, "+12 %"), (1.24, "+1.2 %"), (9.96, "+10 %")),
        *((-0.04, "0.0 %"), (0.0, "0 %"), (-33.3, "−33 %"), (None, "–")),  # noqa: RUF001
        (-math.inf, "−∞"),  # noqa: RUF001
    ],
)
def test_percent(value: float | None, text: str) -> None:
    assert percent(value).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(("value", "text"), [(0, "0 %"), (50, "+50 %"), (-2.5, "−2.5 %")])  # noqa: RUF001
def test_tick(value: float, text: str) -> None:
    assert tick(value).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (38.4, "38 s"), (125, "2 min 5 s"), (None, "–")],  # noqa: RUF001
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_short() -> None:
    assert short("abc", 3) == "abc"
    assert short("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("pairs", "both", "words"),
    [
        (0, 0, "No pair was finished"),
        (1, 1, "On the only pair the optimised"),
        (2, 2, "On both pairs the optimised"),
        (6, 6, "On all 6 pairs the optimised"),
        (6, 5, "On 5 of 6 pairs the optimised"),
        (6, 0, "On none of 6 pairs the optimised"),
    ],
)
def test_verdict(pairs: int, both: int, words: str) -> None:
    assert verdict({"pairs": pairs, "wins": {"A": {"both": both}}}, "A").startswith(words)


def test_what_was_lost() -> None:
    def pair(ssim: bool, style: bool) -> dict[str, Any]:
        fast = {"ssim/content": 0.5, "style_distance": 0.1}
        return {
            "measures": {"A": fast, "optimised": {"ssim/content": 0.4, "style_distance": 0.2}},
            "wins": {"A": {"ssim": ssim, "style_distance": style}},
        }

    ssim, style = "SSIM to the content 0.400 against 0.500", "style distance 0.200 against 0.100"
    assert lost(pair(False, True), "A") == f"{ssim}, not better; {style}, better"
    assert lost(pair(True, False), "A") == f"{ssim}, better; {style}, not better"
