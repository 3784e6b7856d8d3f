"""The style term of crowsonkb."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nst_lightning.checks import number
from nst_lightning.losses.products import mean_and_covariance, weighted_sum
from nst_lightning.losses.summed import SummedTerm
from nst_lightning.losses.term import STD5


def gaussian_statistics(
    features: Tensor, eps: float = 1e-4, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the features over all places.

    Unlike crowsonkb's code, which subtracts the mean's outer product from the raw second
    moment, the features are centred first: in float32 the difference of two large numbers is easily
    larger than ``eps`` and leaves a matrix with negative eigenvalues.

    The product over places is summed in the features' own precision. In float32 its rounding, about
    1e-7 of the largest eigenvalue, can exceed ``eps``: distances between matrices that are as good
    as equal then come out a little below 0.

    ``eps`` is added to the diagonal, so that the square root has a gradient where channels are
    constant or places fewer than channels.

    Returns:
        ``(N, C)`` and ``(N, C, C)`` of ``(N, C, H, W)``, divided by H·W, not H·W - 1.
    """
    mean, covariance = mean_and_covariance(features.flatten(2))
    return mean.to(dtype), _not_flat(covariance.to(dtype), eps)


def _not_flat(covariance: Tensor, eps: float) -> Tensor:
    size, kind, device = covariance.shape[-1], covariance.dtype, covariance.device
    return covariance + eps * torch.eye(size, dtype=kind, device=device)


def matrix_sqrt(matrix: Tensor) -> Tensor:
    """Square root of symmetric positive semi-definite matrices ``(..., C, C)``.

    For targets: the gradient is not finite where eigenvalues coincide.
    """
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=0).sqrt().unsqueeze(-2)) @ vectors.mT
    return root


def wasserstein2(
    mean: Tensor,
    covariance: Tensor,
    target_mean: Tensor,
    target_covariance: Tensor,
    target_sqrt: Tensor | None = None,
) -> Tensor:
    """Squared Wasserstein-2 distance between Gaussians, per channel.

    ``(|m - m̂|² + tr(Σ + Σ̂ - 2·(Σ̂^½ Σ Σ̂^½)^½)) / C``, as in crowsonkb's style-transfer-pytorch.
    Unlike that code, which takes the inner square root by twelve Newton-Schulz iterations, only
    its trace is computed, from the eigenvalues: exact, and with a gradient that stays finite where
    eigenvalues coincide or vanish. Eigenvalues below the rounding error of the largest count as
    that error and pass no gradient on. Use float64: in float32 that floor is above the ``eps`` of
    ``gaussian_statistics``.

    Not finite in, NaN out: the eigenvalue routine would raise, and whoever guards the loss would
    not see it.

    Means are ``(N, C)``, covariances ``(N, C, C)`` and positive semi-definite, of the target also
    one for the whole batch; ``target_sqrt`` is ``matrix_sqrt(target_covariance)``.

    Returns:
        A scalar: the mean over the batch, in squared units of the features.
    """
    if target_sqrt is None:
        target_sqrt = matrix_sqrt(target_covariance)
    product = target_sqrt @ covariance @ target_sqrt
    product = (product + product.mT) / 2
    trace = _trace(covariance) + _trace(target_covariance)
    if bool(torch.isfinite(product).all()):
        values = torch.linalg.eigvalsh(product)
        floor = torch.finfo(values.dtype).eps * values.detach().amax(-1, keepdim=True)
        trace = trace - 2 * torch.where(values > floor, values, floor).sqrt().sum(-1)
    else:
        trace = trace * torch.nan
    squared = (mean - target_mean).square().mean(-1) + trace / mean.shape[-1]
    return squared.mean()


def _trace(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1).sum(-1)


class WassersteinLoss(SummedTerm):
    """Squared Wasserstein-2 distance between the Gaussians fitted to the features.

    As in crowsonkb's style-transfer-pytorch. It compares means and covariances, where a Gram matrix
    has both in one, and is measured in the features' own squared units, where Gram losses grow with
    the fourth power. Unlike that code, the square root is exact; see `wasserstein2`.

    Several styles are blended as one population: the target is the mean and covariance of the
    features of all of them, each style as likely as its weight. (The weighted mean of the
    covariances alone would forget that the styles' means differ.) A style picture may have any
    size.

    The small matrices are in float64, so the device must have it: CPU and CUDA do, Apple's MPS does
    not.

    Args:
        weight: Factor of the term.
        layers: Where style is compared.
        layer_weights: One for each layer, or a single number for all; 1 each by default.
        eps: Added to the diagonal of every covariance, in squared units of the features.

    Raises:
        InputError: If a weight, a layer or ``eps`` is not valid.
    """

    takes_half = True

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[str] = STD5,
        layer_weights: float | list[float] | None = None,
        eps: float = 1e-4,
    ) -> None:
        super().__init__(weight, layers, layer_weights)
        self.eps = number(self.named("eps"), eps, above=0)

    def represent(self, layer: str, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean ``(N, C)`` and covariance ``(N, C, C)``."""
        return gaussian_statistics(features, self.eps)

    def part(self, layer: str, features: Tensor) -> tuple[Tensor, ...]:
        """Return the number of places, the sum ``(N, C)`` and products ``(N, C, C)``, float64."""
        mean, covariance = gaussian_statistics(features, 0.0)
        places = mean.new_tensor(features.shape[-2] * features.shape[-1])
        products = covariance + mean.unsqueeze(2) * mean.unsqueeze(1)
        return places, places * mean, places * products

    def whole(self, layer: str, sums: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Return mean and covariance from the sums of `part`."""
        places, total, products = sums
        mean = total / places
        covariance = products / places - mean.unsqueeze(2) * mean.unsqueeze(1)
        return mean, _not_flat(covariance, self.eps)

    def blend(
        self,
        layer: str,
        representations: Sequence[tuple[Tensor, Tensor]],
        weights: Sequence[float],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and covariance of all styles together, and the covariance's square root."""
        mean = weighted_sum(weights, [m for m, _ in representations])
        # The law of total covariance: within the styles, and between them.
        covariance = weighted_sum(
            weights,
            [c + (m - mean).unsqueeze(2) * (m - mean).unsqueeze(1) for m, c in representations],
        )
        return mean, covariance, matrix_sqrt(covariance)

    def distance(
        self,
        layer: str,
        representation: tuple[Tensor, Tensor],
        target: tuple[Tensor, Tensor, Tensor],
    ) -> Tensor:
        """See `wasserstein2`."""
        return wasserstein2(*representation, *target)
