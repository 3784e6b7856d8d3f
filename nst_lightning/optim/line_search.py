"""The search along a direction within bounds for a picture of lower loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nst_lightning.checks import number
from nst_lightning.errors import InputError

_LEAST_CURVATURE = 1e-10


@dataclass
class Point:
    """A picture with its loss and gradient."""

    pixels: Tensor  # flat
    loss: float
    gradient: Tensor  # flat


@dataclass
class Accepted:
    """A point that a line search went to."""

    point: Point
    step: Tensor  # its pixels less the start's, flat
    change: Tensor  # its gradient less the start's, flat
    useful: bool  # whether the step shows enough curvature for the memory
    loss: Tensor  # as the closure gave it


class Bounds:
    """The least and the largest value of a pixel; None for none.

    Raises:
        InputError: If ``lower`` is not below ``upper``, or one of them is not finite.
    """

    def __init__(self, lower: float | None, upper: float | None) -> None:
        self.lower = -math.inf if lower is None else number("lower", lower)
        self.upper = math.inf if upper is None else number("upper", upper)
        if not self.lower < self.upper:
            raise InputError(f"lower must be below upper, not {lower!r} and {upper!r}")

    def clip(self, pixels: Tensor) -> Tensor:
        """Clip in place."""
        return pixels.clamp_(self.lower, self.upper)

    def free(self, point: Point) -> Tensor:
        """Return the mask of the values that no bound holds."""
        below = (point.pixels <= self.lower) & (point.gradient > 0)
        above = (point.pixels >= self.upper) & (point.gradient < 0)
        return (below | above).logical_not_()


def search(
    start: Point,
    direction: Tensor,
    try_at: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]],
    armijo: float,
    evaluations: int,
) -> Accepted | None:
    """Look along the projected path for a point that satisfies Armijo's condition, or return None.

    ``try_at`` evaluates pixels, and returns them within bounds, their loss, and their gradient. The
    first length that is tried is 1.
    """
    length = 1.0
    for _ in range(evaluations):
        pixels, loss, gradient = try_at(start.pixels + length * direction)
        step, change = pixels - start.pixels, gradient - start.gradient
        # The only wait for the device in an iteration.
        value, slope, curvature, step_power, change_power = torch.stack(
            [
                loss.double(),
                start.gradient.dot(step).double(),
                step.dot(change).double(),
                step.dot(step).double(),
                change.dot(change).double(),
            ]
        ).tolist()
        if step_power == 0:
            return None
        finite = math.isfinite(value) and math.isfinite(change_power)
        if finite and value <= start.loss + armijo * min(slope, 0.0):
            useful = curvature > _LEAST_CURVATURE * math.sqrt(step_power * change_power)
            return Accepted(Point(pixels, value, gradient), step, change, useful, loss)
        excess = value - start.loss - slope
        best = -slope / (2 * excess) if finite and slope < 0 and excess > 0 else 0.1
        length *= min(max(best, 0.1), 0.5)
    return None
