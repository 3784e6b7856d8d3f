"""The smoothness term."""

import math
from typing import Literal, get_args

from torch import Tensor

from nst_lightning.checks import choice, number
from nst_lightning.losses.term import LossTerm

Variation = Literal["l1", "l2", "nine_point"]
VariationReduction = Literal["mean", "sum", "side"]


def total_variation(
    image: Tensor, kind: Variation = "l1", reduction: VariationReduction = "sum"
) -> Tensor:
    """How much neighbouring pixels differ.

    - ``"l1"``: Σ|dx| + Σ|dy|, the anisotropic total variation, as ``tf.image.total_variation``.
    - ``"l2"``: Σ dx² + Σ dy²: Mahendran & Vedaldi, "Understanding Deep Image Representations by
      Inverting Them" (2015), equation 5 with β = 2.
    - ``"nine_point"``: 2·(Σ dx²/3 + Σ dy²/3 + Σ(both diagonals)²/12), crowsonkb's
      rotation-invariant stencil. The picture is continued by replication, so that a diagonal over
      the border is a difference along it.

    Args:
        image: ``(N, C, H, W)``, any units; with c times the image, ``"l1"`` is c times as large and
            the others c² times.
        kind: Which.
        reduction: ``"sum"`` over all pixels, channels and pictures; ``"mean"`` takes the mean of
            each direction's differences before they are added. For ``"nine_point"`` that counts the
            continued border, as crowsonkb does: H·W for dx and for dy, (H + 1)·(W + 1) for the
            diagonals. ``"side"`` is the sum over the square root of H·W: ``"l1"`` of edges, which
            grow as the sides do, is then the same at every size.

    Returns:
        A scalar.
    """
    # (N, C, H, W - 1) and (N, C, H - 1, W)
    dx = image[..., :, 1:] - image[..., :, :-1]
    dy = image[..., 1:, :] - image[..., :-1, :]
    if reduction not in get_args(VariationReduction):
        raise ValueError(f'reduction must be "mean", "sum" or "side", got {reduction!r}')
    if reduction == "side":
        return total_variation(image, kind) / math.sqrt(image.shape[-2] * image.shape[-1])
    if kind in ("l1", "l2"):
        over_x, over_y = (dx.abs().sum(), dy.abs().sum()) if kind == "l1" else (_sq(dx), _sq(dy))
        if reduction == "mean":
            # A picture one pixel wide has no differences across: none, not 0/0.
            return over_x / max(dx.numel(), 1) + over_y / max(dy.numel(), 1)
        return over_x + over_y
    if kind != "nine_point":
        raise ValueError(f'kind must be "l1", "l2" or "nine_point", got {kind!r}')
    down = image[..., 1:, 1:] - image[..., :-1, :-1]
    up = image[..., 1:, :-1] - image[..., :-1, 1:]
    # Each of the two diagonals meets each edge of the picture once.
    border = _sq(dx[..., 0, :]) + _sq(dx[..., -1, :]) + _sq(dy[..., 0]) + _sq(dy[..., -1])
    straight = _sq(dx) + _sq(dy)
    diagonal = _sq(down) + _sq(up) + 2 * border
    if reduction == "mean":
        *_, height, width = image.shape
        planes = image.numel() // (height * width)
        straight = straight / (planes * height * width)
        diagonal = diagonal / (planes * (height + 1) * (width + 1))
    return straight * (2 / 3) + diagonal * (2 / 12)


def _sq(values: Tensor) -> Tensor:
    return values.square().sum()


class TotalVariationLoss(LossTerm):
    """How much neighbouring pixels differ (Mahendran & Vedaldi 2015).

    It needs no layers and no targets.

    Args:
        weight: Factor of the term.
        kind: ``"l1"`` (absolute differences), ``"l2"`` (squares) or ``"nine_point"`` (squares,
            diagonals too); formulas and shapes in `total_variation`.
        reduction: ``"sum"`` over the picture, or ``"mean"`` or ``"side"``: when the size changes,
            the first keeps its meaning for noise, the second for edges.
        scale: The value of white in the units that the picture is measured in: 1, or 255 for a
            weight that was chosen for pixels of 0 to 255.

    Raises:
        InputError: If the weight, ``kind``, the reduction or ``scale`` is not valid.
    """

    takes_half = True

    def __init__(
        self,
        weight: float = 1.0,
        kind: Variation = "l1",
        reduction: VariationReduction = "sum",
        scale: float = 1.0,
    ) -> None:
        super().__init__(weight)
        choice(self.named("kind"), kind, get_args(Variation))
        choice(self.named("reduction"), reduction, get_args(VariationReduction))
        self.kind = kind
        self.reduction = reduction
        self.scale = number(self.named("scale"), scale, above=0)

    def forward(self, image: Tensor, features: dict[str, Tensor] | None = None) -> Tensor:
        """Score the picture; the features are not looked at."""
        # Homogeneous, so the scalar can be scaled in place of the picture.
        factor = self.scale if self.kind == "l1" else self.scale**2
        variation = total_variation(image, self.kind, self.reduction)
        return variation if factor == 1 else variation * factor
