"""Checks of settings: what passes, and the one line that what does not is refused with."""

import numpy as np
import pytest

from nst_lightning import checks
from nst_lightning.errors import InputError


@pytest.mark.parametrize(
    ("check", "says"),
    [
        (lambda: checks.whole_number("n", 0, least=1), "n must be a whole number of at least 1"),
        (lambda: checks.whole_number("n", True, least=1), "not True"),
        (lambda: checks.whole_number("n", 2.0, least=1), "not 2.0"),
        (lambda: checks.whole_number("n", 7, least=1, most=6), "a whole number from 1 to 6, not 7"),
        (lambda: checks.number("x", "1"), "x must be a finite number, not '1'"),
        (lambda: checks.number("x", float("nan")), "not nan"),
        (lambda: checks.number("x", 0, above=0), "a finite number above 0, not 0"),
        (lambda: checks.number("x", -1, least=0, below=1), "of at least 0 and below 1, not -1"),
        (lambda: checks.number("x", True), "not True"),
        (lambda: checks.choice("c", "hwc", ["hw", "chw"]), "c must be one of hw, chw, not 'hwc';"),
        (lambda: checks.choice("c", "hwc", ["hw", "chw"]), "did you mean"),
        (lambda: checks.choice("c", None, ["hw"]), "not None"),
        (lambda: checks.names("layers", "relu1_1"), r"write \[relu1_1\]"),
    ],
)
def test_refused(check, says):
    with pytest.raises(InputError, match=says):
        check()


def test_passed():
    assert checks.whole_number("n", 6, least=1, most=6) == 6
    assert checks.number("x", np.float32(0.5), above=0, below=1) == 0.5
    assert isinstance(checks.number("x", 3, least=3), float)
    assert checks.choice("c", "hw", ["hw", "chw"]) == "hw"
    assert checks.names("layers", ("a", "b")) == ["a", "b"]
