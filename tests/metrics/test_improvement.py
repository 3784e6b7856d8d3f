"""The report's formulas, by hand."""

import math

import pytest

from nst_lightning.metrics import error_improvement, score_improvement

INF = math.inf


@pytest.mark.parametrize(
    ("fast", "ours", "percent"),
    [
        (0.08, 0.06, 25.0),
        (0.05, 0.06, -20.0),
        (0.05, 0.05, 0.0),
        (0.05, 0.0, 100.0),
        (0.0, 0.0, 0.0),
        (0.0, 0.01, -INF),
        (0.5, INF, -INF),
    ],
)
def test_errors(fast, ours, percent):
    assert error_improvement(fast, ours) == pytest.approx(percent)


@pytest.mark.parametrize(
    ("fast", "ours", "percent"),
    [
        (0.256, 0.554, 116.40625),
        (0.4, 0.3, -25.0),
        (0.4, 0.4, 0.0),
        (0.5, -0.5, -200.0),
        # The sign says which is better, also where the baseline is negative.
        (-0.1, 0.1, 200.0),
        (-0.1, -0.2, -100.0),
        (0.0, 0.0, 0.0),
        (0.0, 0.2, INF),
        (0.0, -0.2, -INF),
        (-0.0, 0.2, INF),
    ],
)
def test_scores(fast, ours, percent):
    assert score_improvement(fast, ours) == pytest.approx(percent)


@pytest.mark.parametrize("formula", [error_improvement, score_improvement])
@pytest.mark.parametrize(
    ("fast", "ours"), [(math.nan, 1), (1, math.nan), (0, math.nan), (INF, INF)]
)
def test_unknown_stays_unknown(formula, fast, ours):
    assert math.isnan(formula(fast, ours))
