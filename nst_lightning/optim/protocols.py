"""What an optimiser may offer beyond torch's own interface."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable


@runtime_checkable
class KeepsCurvature(Protocol):
    """An optimiser that remembers how the gradient changed, as an L-BFGS does."""

    def reset(self) -> None:
        """Forget everything: another picture is in place."""

    def objective_changed(self) -> None:
        """Forget loss and gradient of the picture: the same picture has others from here on."""


@runtime_checkable
class AsksForPrecision(Protocol):
    """An optimiser that asks for more exact gradients where it can descend no further."""

    refine: Callable[[], bool] | None
    """Called by the optimiser; returns whether losses and gradients are more exact from then on."""
