"""The report's percentages of improvement over a baseline."""

import math


def error_improvement(baseline: float, ours: float) -> float:
    """Improvement in percent of a measure that should be small: (baseline − ours) / baseline × 100.

    The report's formula for the MSE, with the fast style transfer as baseline. Positive is better.
    With a baseline of 0 it is 0 if ours is 0 too, else -inf; NaN if either is NaN, or both are the
    same infinity.
    """
    return _percent(float(baseline) - float(ours), float(baseline))


def score_improvement(baseline: float, ours: float) -> float:
    """Improvement in percent of a measure that should be large: (ours − baseline) / baseline × 100.

    The report's formula for the SSIM, with the fast style transfer as baseline. Positive is better.
    A score may be negative; its absolute value is then divided by, so that the sign of the
    percentage still says which one is better. With a baseline of 0 it is 0 if ours is 0 too, else
    inf or -inf by the sign of ours; NaN as above.
    """
    return _percent(float(ours) - float(baseline), float(baseline))


def _percent(gain: float, baseline: float) -> float:
    if baseline == 0:
        # inf, 0 or NaN: as the gain.
        return gain * math.inf if gain else 0.0
    return gain / abs(baseline) * 100
