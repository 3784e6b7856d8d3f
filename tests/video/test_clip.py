"""Times as people write them."""

from fractions import Fraction

import pytest

from nst_lightning.errors import InputError
from nst_lightning.video.clip import seconds, spoken


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0, Fraction(0)),
        (0.1, Fraction(1, 10)),
        ("83.5", Fraction(167, 2)),
        ("1:23.5", Fraction(167, 2)),
        ("1:02:03", Fraction(3723)),
        (" 0:00.04 ", Fraction(1, 25)),
        (Fraction(1001, 30000), Fraction(1001, 30000)),
    ],
)
def test_a_time_is_exact(given: object, expected: Fraction) -> None:
    assert seconds(given, "start") == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["-1", -1, "50%", "1:2:3:4", "", "nan", "1e3", True, "a"])
def test_what_is_no_time_is_refused_by_the_name_of_its_option(given: object) -> None:
    with pytest.raises(InputError, match=r"^start: .*83\.5"):
        seconds(given, "start")  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["0:00", "0:59.96", "1:23.5", "59:59.99", "1:02:03.25"])
def test_a_time_is_written_as_it_is_read(text: str) -> None:
    assert spoken(seconds(text, "start")) == text
