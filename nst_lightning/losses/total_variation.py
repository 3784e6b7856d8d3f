"""The smoothness term."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from nst_lightning.checks import choice, number
from nst_lightning.losses.term import LossTerm

Variation = Literal["l1", "l2", "nine_point"]
VariationReduction = Literal["mean", "sum", "side"]
_PIXELS_AT_ONCE = 2**21  # 25 MB of three channels


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
    if reduction not in get_args(VariationReduction):
        raise ValueError(f'reduction must be "mean", "sum" or "side", got {reduction!r}')
    if kind not in get_args(Variation):
        raise ValueError(f'kind must be "l1", "l2" or "nine_point", got {kind!r}')
    *_, height, width = image.shape
    over_x, over_y, diagonal = _over_bands(image, kind)
    if kind == "nine_point":
        straight = over_x + over_y
        if reduction == "mean":
            planes = image.numel() // (height * width)
            straight = straight / (planes * height * width)
            diagonal = diagonal / (planes * (height + 1) * (width + 1))
        variation = straight * (2 / 3) + diagonal * (2 / 12)
    elif reduction == "mean":
        # A picture one pixel wide has no differences across: none, not 0/0.
        lines = image.numel() // (height * width)
        variation = over_x / max(lines * height * (width - 1), 1)
        variation = variation + over_y / max(lines * (height - 1) * width, 1)
    else:
        variation = over_x + over_y
    return variation / math.sqrt(height * width) if reduction == "side" else variation


def _over_bands(image: Tensor, kind: Variation) -> tuple[Tensor, ...]:
    """Return `_sums`; of a large picture in bands of rows, of which none is kept."""
    rows = max(1, _PIXELS_AT_ONCE // image.shape[-1])
    if image.shape[-2] <= rows:
        return _sums(image, kind, True, True)
    bands = torch.split(image, rows, dim=-2)
    sums = []
    for at, band in enumerate(bands):
        last = at == len(bands) - 1
        if not last:  # and the row below, (N, C, rows + 1, W)
            band = torch.cat([band, bands[at + 1][..., :1, :]], dim=-2)
        sums.append(checkpoint(_sums, band, kind, at == 0, last, use_reentrant=False))
    return tuple(torch.stack(parts).sum() for parts in zip(*sums, strict=True))


def _sums(band: Tensor, kind: Variation, first: bool, last: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums of differences along rows, down columns and over diagonals.

    Args:
        band: Rows of the picture, and the one below them unless they are the last.
        kind: Which differences; but for ``"nine_point"`` there are none over diagonals.
        first: Whether they are the picture's first.
        last: Whether they are its last.
    """
    rows = band if last else band[..., :-1, :]
    # (N, C, H, W - 1) and (N, C, H - 1, W)
    dx = rows[..., :, 1:] - rows[..., :, :-1]
    dy = band[..., 1:, :] - band[..., :-1, :]
    if kind == "l1":
        return dx.abs().sum(), dy.abs().sum(), band.new_zeros(())
    if kind == "l2":
        return _sq(dx), _sq(dy), band.new_zeros(())
    down = band[..., 1:, 1:] - band[..., :-1, :-1]
    up = band[..., 1:, :-1] - band[..., :-1, 1:]
    # Each of the two diagonals meets each edge of the picture once.
    border = _sq(dx[..., 0, :]) * first + _sq(dx[..., -1, :]) * last + _sq(dy[..., 0])
    return _sq(dx), _sq(dy), _sq(down) + _sq(up) + 2 * (border + _sq(dy[..., -1]))


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
