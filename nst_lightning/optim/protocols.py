"""What an optimiser may offer beyond torch's, and what is done with one that does not."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch.optim import LBFGS, Optimizer


@runtime_checkable
class Resettable(Protocol):
    """It can forget the run: the picture or the objective is another one from here on."""

    def reset(self) -> None:
        """Forget all that was learnt from pictures and gradients."""


@runtime_checkable
class FollowsObjective(Protocol):
    """It can go on when the objective became a similar one, as when a weight moved."""

    def objective_changed(self) -> None:
        """Forget loss and gradient of the picture, but not what still holds."""


@runtime_checkable
class AsksToRefine(Protocol):
    """It can say that the objective's arithmetic is too coarse to descend further."""

    refine: Callable[[], bool] | None
    """Called then: makes the arithmetic more exact, if it can, and says whether it did."""


@runtime_checkable
class KeepsPairs(Protocol):
    """It keeps secant pairs, each as large as two pictures."""

    @property
    def pairs_kept(self) -> int:
        """How many it would keep, each in the picture's own precision."""

    def keep_pairs(self, number: int, half: bool) -> None:
        """Keep so many, in bfloat16 or not; before the first step."""


def forget_picture(optimizer: Optimizer) -> None:
    """Have any optimiser forget the run."""
    if isinstance(optimizer, Resettable):
        optimizer.reset()
    else:
        optimizer.state.clear()


def objective_changed(optimizer: Optimizer) -> None:
    """Say to any optimiser that the same picture has another loss from here on.

    torch's L-BFGS keeps the old loss's gradient and curvature and must forget everything; others
    keep running means, which follow by themselves.
    """
    if isinstance(optimizer, FollowsObjective):
        optimizer.objective_changed()
    elif isinstance(optimizer, LBFGS):
        optimizer.state.clear()


def keeps_curvature(optimizer: Optimizer) -> bool:
    """Say whether it learns from differences of gradients, which must be whole and unclipped."""
    return isinstance(optimizer, LBFGS | FollowsObjective)
