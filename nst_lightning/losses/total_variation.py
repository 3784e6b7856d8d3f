"""The smoothness term."""

import math
from typing import Literal

from torch import Tensor

from nst_lightning.losses import functional
from nst_lightning.losses.term import LossTerm


class TotalVariationLoss(LossTerm):
    """How much neighbouring pixels differ (Mahendran & Vedaldi 2015).

    It needs no layers and no targets.

    Args:
        weight: Factor of the term.
        kind: ``"l1"`` (absolute differences), ``"l2"`` (squares) or ``"nine_point"`` (squares,
            diagonals too); formulas and shapes in ``functional.total_variation``.
        reduction: ``"sum"`` over the picture, or ``"mean"``, which keeps its meaning when the size
            changes.
        scale: The value of white in the units that the picture is measured in: 1, or 255 for a
            weight that was chosen for pixels of 0 to 255.

    Raises:
        InputError: If the weight, ``kind``, the reduction or ``scale`` is not valid.
    """

    takes_half = True

    def __init__(
        self,
        weight: float = 1.0,
        kind: Literal["l1", "l2", "nine_point"] = "l1",
        reduction: Literal["sum", "mean"] = "sum",
        scale: float = 1.0,
    ) -> None:
        super().__init__(weight)
        self.check_choice("kind", kind, ("l1", "l2", "nine_point"))
        self.check_choice("reduction", reduction, ("sum", "mean"))
        if not math.isfinite(scale) or scale <= 0:
            raise self.error(f"scale must be a finite number > 0, got {scale!r}")
        self.kind = kind
        self.reduction = reduction
        self.scale = scale

    def forward(self, image: Tensor, features: dict[str, Tensor] | None = None) -> Tensor:
        """Score the picture; the features are not looked at."""
        # Homogeneous, so the scalar can be scaled in place of the picture.
        factor = self.scale if self.kind == "l1" else self.scale**2
        variation = functional.total_variation(image, self.kind, self.reduction)
        return variation if factor == 1 else variation * factor
