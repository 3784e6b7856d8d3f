"""Adam on the coefficients of a Laplacian pyramid, as NNST and STROTSS paint: a peer.

Written from the description in "Neural Neighbor Style Transfer" (arXiv:2203.13215), not from its
code.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def pyramid(picture: Tensor, levels: int) -> list[Tensor]:
    """Take a picture ``(1, 3, H, W)`` apart into bands, from fine to coarse."""
    bands = []
    for _ in range(levels):
        height, width = picture.shape[-2:]
        if min(height, width) < 4:
            break
        smaller = F.interpolate(
            picture, size=((height + 1) // 2, (width + 1) // 2), mode="bilinear"
        )
        bands.append(picture - F.interpolate(smaller, size=(height, width), mode="bilinear"))
        picture = smaller
    return [*bands, picture]


def together(bands: list[Tensor]) -> Tensor:
    """Put the bands of `pyramid` together again."""
    picture = bands[-1]
    for band in reversed(bands[:-1]):
        picture = band + F.interpolate(picture, size=band.shape[-2:], mode="bilinear")
    return picture


class LaplacianAdam(torch.optim.Optimizer):
    """Adam on the bands of the one picture given.

    Args:
        params: The picture, ``(1, 3, H, W)``.
        lr: Step size; NNST's by default.
        levels: Bands besides the coarsest.
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 2e-3, levels: int = 8) -> None:
        super().__init__(params, {"lr": lr})
        (self.picture,) = self.param_groups[0]["params"]
        with torch.no_grad():
            self.bands = [band.clone() for band in pyramid(self.picture, levels)]
        for band in self.bands:
            band.requires_grad_()
        self.adam = torch.optim.Adam(self.bands, lr=lr)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Evaluate once, step, and lay the picture down anew."""
        assert closure is not None
        with torch.enable_grad():
            loss = closure()
            self.adam.zero_grad()
            together(self.bands).backward(self.picture.grad)
        self.adam.step()
        with torch.no_grad():
            self.picture.copy_(together(self.bands))
        return loss
