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
            the same iterations as a larger number. A line search then needs ``max_eval`` 26.
        kwargs: torch's further ones; its tolerances are in the system's units.

    Raises:
        InputError: If ``scale`` is not a positive number.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        scale: float = 255.0,
        lr: float = 1.0,
        max_iter: int = 1,
        **kwargs: Any,
    ) -> None:
        self.scale = number("scale", scale, above=0)
        super().__init__(params, lr=lr, max_iter=max_iter, **kwargs)

    # torch's step sees the picture through these two methods only.

    def _gather_flat_grad(self) -> Tensor:
        gradient: Tensor = super()._gather_flat_grad()  # type: ignore[no-untyped-call]
        return gradient / self.scale

    def _add_grad(self, step_size: Any, direction: Tensor) -> None:
        super()._add_grad(step_size / self.scale, direction)
