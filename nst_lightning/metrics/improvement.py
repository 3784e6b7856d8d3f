"""The report's percentages of improvement over a baseline."""

import math


def error_improvement(baseline: float, ours: float) -> float:
    """Improvement in percent of a measure that should be small: (baseline − ours) / baseline × 100.

    The report's formula for the MSE, with the fast style transfer as baseline. Positive is better.

    Args:
        baseline: The baseline's error, 0 or more.
        ours: Ours.

    Returns:
        Percent. With a baseline of 0: 0 if ours is 0 too (nothing changed), else -inf. NaN if
        either is NaN, or both are the same infinity.
    """
    return _percent(float(baseline) - float(ours), float(baseline))


def score_improvement(baseline: float, ours: float) -> float:
    """Improvement in percent of a measure that should be large: (ours − baseline) / baseline × 100.

    The report's formula for the SSIM, with the fast style transfer as baseline. Positive is better.
    A score may be negative; its absolute value is then divided by, so that the sign of the
    percentage still says which one is better. For a positive baseline this is the report's formula.

    Args:
        baseline: The baseline's score.
        ours: Ours.

    Returns:
        Percent. With a baseline of 0: 0 if ours is 0 too (nothing changed), else inf or -inf by the
        sign of ours. NaN if either is NaN, or both are the same infinity.
    """
    return _percent(float(ours) - float(baseline), float(baseline))


def _percent(gain: float, baseline: float) -> float:
    if baseline == 0:
        # inf, 0 or NaN: as the gain.
        return gain * math.inf if gain else 0.0
    return gain / abs(baseline) * 100
