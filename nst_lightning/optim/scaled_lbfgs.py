"""torch's L-BFGS in the units that a system keeps its picture in."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.optim import LBFGS

from nst_lightning.checks import number


class ScaledLBFGS(LBFGS):
    """``torch.optim.LBFGS`` as if the picture were ``scale`` times as large.

    L-BFGS itself does not care for units, but its steps without a memory do: torch's first one
    changes the picture by 1 in sum, and if the first pair shows no curvature the second is the bare
    gradient. For systems that keep their picture in 0 to 255 these are 255 and 255² times smaller
    than on [0, 1], where the second often leaves float32's range and the run never comes back.

    Args:
        params: The picture, values in [0, 1].
        scale: Value of white in the system's own units.
        lr: Length of a step.
        max_iter: Iterations a step; 1 gives a picture, a log row and a checkpoint after each, and
            the same iterations as a larger number.
        max_eval: Evaluations a step; at ``max_iter`` 1 a line search needs about 26.
        tolerance_grad: Largest gradient, in the system's units, that counts as converged.
        tolerance_change: Smallest change of the picture or the loss, likewise.
        history_size: Number of secant pairs kept.
        line_search_fn: ``strong_wolfe`` or None.

    Attributes:
        scale: As given.

    Raises:
        InputError: If ``scale`` is not a positive number.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        scale: float = 255.0,
        lr: float = 1.0,
        max_iter: int = 1,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        self.scale = number("scale", scale, above=0)
        super().__init__(
            params,
            lr=lr,
            max_iter=max_iter,
            max_eval=max_eval,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
            line_search_fn=line_search_fn,
        )

    # torch's step sees the picture through these two methods only.

    def _gather_flat_grad(self) -> Tensor:
        gradient: Tensor = super()._gather_flat_grad()  # type: ignore[no-untyped-call]
        return gradient / self.scale

    def _add_grad(self, step_size: Any, direction: Tensor) -> None:
        super()._add_grad(step_size / self.scale, direction)
