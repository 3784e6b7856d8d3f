"""Numbers and sentences."""

import math

import pytest

from nst_lightning.compare.page.words import (
    duration,
    lost,
    means,
    number,
    percent,
    short,
    tick,
    verdict,
)


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
    ("pairs", "won", "words"),
    [
        (0, 0, "No pair was finished"),
        (1, 1, "On the only pair the optimised"),
        (2, 2, "On both pairs the optimised"),
        (6, 6, "On all 6 pairs the optimised"),
        (6, 5, "On 5 of 6 pairs the optimised"),
        (6, 0, "On none of 6 pairs the optimised"),
    ],
)
def test_verdict(pairs: int, won: int, words: str) -> None:
    assert verdict({"pairs": pairs, "wins": {"A": {"all": won}}}, "A").startswith(words)


def test_what_was_lost() -> None:
    names = ("self_similarity/content", "patch_distance/style", "colour_distance/style")
    fast, ours = (dict(zip(names, values, strict=True)) for values in ((1, 2, 3), (2, 1, 4)))
    pair = {
        "measures": {"A": fast, "optimised": ours},
        "wins": {"A": {"content": False, "style": True, "colour": False}},
    }
    assert lost(pair, "A") == (
        "self-similarity distance 2.000 against 1.000, not better; patch distance 1.000 against "
        "2.000, better; colour distance 4.000 against 3.000, not better"
    )


def test_means_have_the_control() -> None:
    names = ("self_similarity/content", "patch_distance/style", "colour_distance/style")
    rows = {"A": (1, 2, 3), "optimised": (4, 5, 6), "content": (7, 8, 9)}
    mean = {key: dict(zip(names, values, strict=True)) for key, values in rows.items()}
    text = means({"mean": mean}, "A")
    for part in ("4.000, 5.000, 6.000 for the opt", "1.000, 2.000, 3.000 for the fast", "7.000, "):
        assert part in text
