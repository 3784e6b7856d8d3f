"""The formulas: pure functions of tensors, one scalar or one small matrix out.

Shapes are ``(N, C, H, W)`` throughout. Nothing here keeps state, knows a layer or reads a file.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Reduction = Literal["mean", "sum"]
GramDivisor = Literal["chw", "hw", "none"]
Variation = Literal["l1", "l2", "nine_point"]

_RUN = 512  # places whose bfloat16 product is rounded once
_FEWEST_RUNS = 64


def content_loss(features: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Squared error between features.

    Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks" (2016),
    equation 1. Opposed to the paper, which takes half of the sum, the mean is the default, as in
    the systems since: a weight then means the same at any size of picture.

    Args:
        features: ``(N, C, H, W)``.
        target: The same shape, or one for the whole batch: ``(1, C, H, W)``.
        reduction: Mean or sum over all elements.

    Returns:
        A scalar, in squared units of the features.
    """
    return _squared_error(features, target, reduction)


def gram_matrix(features: Tensor, divisor: GramDivisor = "hw") -> Tensor:
    """Products of the channels with each other, summed over all places: what a texture is made of.

    Gatys, Ecker & Bethge, "Texture Synthesis Using Convolutional Neural Networks" (2015). ``"chw"``
    is the normalisation of Johnson, Alahi & Fei-Fei, "Perceptual Losses for Real-Time Style
    Transfer" (2016), and of the PyTorch tutorial; ``"hw"`` that of the TensorFlow tutorial and of
    Gatys' own PyTorch code. Either makes pictures of different sizes comparable, which the papers'
    bare sum (``"none"``) does not.

    One batched matrix product on a view, in NCHW and in channels-last memory; the gradient is one
    more. Of features in half precision the sums are float32: rounded sums would drown small
    differences. (In bfloat16 on a CPU they are float32 sums of 512 places' products each, exact to
    3e-4.) Their gradient is multiplied in the features' own precision.

    Args:
        features: ``(N, C, H, W)``.
        divisor: What the sums are divided by: C·H·W, H·W, or nothing.

    Returns:
        ``(N, C, C)``, symmetric, in squared units of the features.
    """
    _, channels, height, width = features.shape
    if divisor == "hw":
        scale = 1.0 / (height * width)
    elif divisor == "chw":
        scale = 1.0 / (channels * height * width)
    elif divisor == "none":
        scale = 1.0
    else:
        raise ValueError(f'divisor must be "chw", "hw" or "none", got {divisor!r}')
    # Autocast would round the result of the product to half precision.
    with torch.autocast(device_type=features.device.type, enabled=False):
        return _SelfProduct.apply(features.flatten(2), scale)


def gram_loss(gram: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Squared error between Gram matrices.

    Opposed to Gatys et al. (2015), whose factor is 1/(4·C²·(H·W)²) on the bare sums, the
    normalisation is left to the Gram's divisor; with divisor ``"hw"`` the paper's layer loss is a
    quarter of the mean.

    Args:
        gram: ``(N, C, C)``.
        target: The same shape, or one for the whole batch: ``(1, C, C)``.
        reduction: Mean or sum over all elements.

    Returns:
        A scalar.
    """
    return _squared_error(gram, target, reduction)


def gaussian_statistics(
    features: Tensor, eps: float = 1e-4, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the features over all places.

    Opposed to crowsonkb's code, which subtracts the mean's outer product from the raw second
    moment, the features are centred first: in float32 the difference of two large numbers is easily
    larger than ``eps`` and leaves a matrix with negative eigenvalues.

    The product over places is summed in the features' own precision. In float32 its rounding, about
    1e-7 of the largest eigenvalue, can exceed ``eps``: distances between matrices that are as good
    as equal then come out a little below 0.

    Args:
        features: ``(N, C, H, W)``.
        eps: Added to the diagonal, so that the square root has a gradient where channels are
            constant or places fewer than channels.
        dtype: Of the results.

    Returns:
        ``(N, C)`` and ``(N, C, C)``; the covariance divides by H·W, not H·W - 1.
    """
    with torch.autocast(device_type=features.device.type, enabled=False):
        mean, covariance = _Moments.apply(_at_least_single(features.flatten(2)))
    covariance = covariance.to(dtype)
    diagonal = torch.eye(covariance.shape[-1], dtype=dtype, device=covariance.device)
    return mean.to(dtype), covariance + eps * diagonal


def matrix_sqrt(matrix: Tensor) -> Tensor:
    """Square root of symmetric positive semi-definite matrices ``(..., C, C)``.

    For targets: the gradient is not finite where eigenvalues coincide.
    """
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt().unsqueeze(-2)) @ vectors.mT


def wasserstein2(
    mean: Tensor,
    covariance: Tensor,
    target_mean: Tensor,
    target_covariance: Tensor,
    target_sqrt: Tensor | None = None,
) -> Tensor:
    """Squared Wasserstein-2 distance between Gaussians, per channel.

    ``(|m - m̂|² + tr(Σ + Σ̂ - 2·(Σ̂^½ Σ Σ̂^½)^½)) / C``, as in crowsonkb's style-transfer-pytorch.
    Opposed to that code, which takes the inner square root by twelve Newton-Schulz iterations, only
    its trace is computed, from the eigenvalues: exact, and with a gradient that stays finite where
    eigenvalues coincide or vanish. Eigenvalues below the rounding error of the largest count as
    that error and pass no gradient on. Use float64: in float32 that floor is above the ``eps`` of
    ``gaussian_statistics``.

    Not finite in, NaN out: the eigenvalue routine would raise, and whoever guards the loss would
    not see it.

    Args:
        mean: ``(N, C)``.
        covariance: ``(N, C, C)``, symmetric positive semi-definite.
        target_mean: ``(N, C)`` or ``(1, C)``.
        target_covariance: ``(N, C, C)`` or ``(1, C, C)``.
        target_sqrt: ``matrix_sqrt(target_covariance)``, if it is at hand already.

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


def total_variation(image: Tensor, kind: Variation = "l1", reduction: Reduction = "sum") -> Tensor:
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
            diagonals.

    Returns:
        A scalar.
    """
    dx = image[..., :, 1:] - image[..., :, :-1]
    dy = image[..., 1:, :] - image[..., :-1, :]
    if reduction not in ("mean", "sum"):
        raise ValueError(f'reduction must be "mean" or "sum", got {reduction!r}')
    mean = reduction == "mean"
    if kind in ("l1", "l2"):
        over_x, over_y = (dx.abs().sum(), dy.abs().sum()) if kind == "l1" else (_sq(dx), _sq(dy))
        if mean:
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
    if mean:
        *_, height, width = image.shape
        planes = image.numel() // (height * width)
        straight = straight / (planes * height * width)
        diagonal = diagonal / (planes * (height + 1) * (width + 1))
    return straight * (2 / 3) + diagonal * (2 / 12)


def _sq(values: Tensor) -> Tensor:
    return values.square().sum()


def _trace(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1).sum(-1)


def _squared_error(value: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
    if value.shape[1:] != target.shape[1:] or target.shape[0] not in (1, value.shape[0]):
        raise ValueError(
            f"shapes differ: {tuple(value.shape)} against a target of {tuple(target.shape)}; "
            "were the targets set for a picture of another size?"
        )
    if reduction not in ("mean", "sum"):
        raise ValueError(f'reduction must be "mean" or "sum", got {reduction!r}')
    if target.requires_grad:
        single = _at_least_single(target).expand_as(value)
        return F.mse_loss(_at_least_single(value), single, reduction=reduction)
    return _SquaredError.apply(value, target, reduction)


def _at_least_single(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


class _SquaredError(torch.autograd.Function):
    """``mse_loss`` whose gradient lies in memory as the value does.

    torch's own comes back in NCHW even from channels-last features. That, and what everything
    before it in the network then has to lay out anew, takes a fifth of an evaluation on a CPU.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        single = _at_least_single(target).expand_as(value)
        return F.mse_loss(_at_least_single(value), single, reduction=reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Reduction], output: Tensor) -> None:
        value, target, reduction = inputs
        ctx.save_for_backward(value, target)
        ctx.factor = 2.0 / value.numel() if reduction == "mean" else 2.0

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        value, target = ctx.saved_tensors
        return ((value - target) * (grad * ctx.factor)).to(value.dtype), None, None


class _SelfProduct(torch.autograd.Function):
    """``scale · A·Aᵀ`` for ``(N, C, P)``.

    Autograd takes the two factors for different matrices and multiplies twice in the backward pass;
    they are the same one, so ``(g + gᵀ)·A`` is the whole gradient: a third of the arithmetic less.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(flat: Tensor, scale: float) -> Tensor:
        if flat.dtype == torch.bfloat16 and flat.device.type == "cpu":
            return _self_product_in_runs(flat) * scale
        single = _at_least_single(flat)
        return torch.bmm(single, single.mT) * scale

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        flat, ctx.scale = inputs
        ctx.save_for_backward(flat)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (flat,) = ctx.saved_tensors
        symmetric = ((grad + grad.mT) * ctx.scale).to(flat.dtype)
        if _places_first(flat):
            return torch.bmm(flat.mT, symmetric).mT, None
        return torch.bmm(symmetric, flat), None


class _Moments(torch.autograd.Function):
    """Mean and covariance of ``(N, C, P)`` over P.

    The centred copy lives only in the forward pass: ``(g + gᵀ)·(A - m·1ᵀ)`` is one product with A
    itself and one column added to all others, and centring has no part in the gradient.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(flat: Tensor) -> tuple[Tensor, Tensor]:
        mean = flat.mean(dim=2)
        centred = flat - mean.unsqueeze(2)
        return mean, torch.bmm(centred, centred.mT) / flat.shape[2]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[0], output[0])

    @staticmethod
    def backward(ctx: Any, grad_mean: Tensor, grad_covariance: Tensor) -> Tensor:  # type: ignore[override]
        flat, mean = ctx.saved_tensors
        symmetric = (grad_covariance + grad_covariance.mT) / flat.shape[2]
        column = (grad_mean / flat.shape[2]).unsqueeze(2) - symmetric @ mean.unsqueeze(2)
        if _places_first(flat):
            return torch.baddbmm(column.mT, flat.mT, symmetric).mT
        return torch.baddbmm(column, symmetric, flat)


def _self_product_in_runs(flat: Tensor) -> Tensor:
    """``A·Aᵀ`` of bfloat16 ``(N, C, P)`` in float32, multiplied in bfloat16 where that is exact.

    A CPU's bfloat16 product sums in float32 but hands its sum over rounded to 8 bits. Of many runs
    of places, added up in float32, the roundings cancel: what is left is 1e-4 to 3e-4 of a sum, a
    third of the time of a float32 product. Where there are too few runs it is a float32 product.
    """
    pictures, channels, places = flat.shape
    runs = places // _RUN
    if runs < _FEWEST_RUNS or not _places_first(flat):
        single = flat.float()
        return torch.bmm(single, single.mT)
    whole = flat.mT[:, : runs * _RUN].reshape(pictures * runs, _RUN, channels)
    parts = torch.bmm(whole.mT, whole).view(pictures, runs, channels, channels)
    rest = flat[:, :, runs * _RUN :].float()
    return torch.baddbmm(parts.sum(1, dtype=torch.float32), rest, rest.mT)


def _places_first(flat: Tensor) -> bool:
    """Tell whether ``(N, C, P)`` lies channels-last in memory; its gradient should too.

    The gradient is added to the one that comes from deeper layers, and adding tensors of different
    layouts is several times slower than adding equal ones.
    """
    return flat.stride(1) == 1 and flat.shape[1] > 1


def guided_gram(features: Tensor, guidance: Tensor, divisor: GramDivisor = "hw") -> Tensor:
    """Gram matrix of a region: every place counts by the square of its guidance.

    Gatys, Ecker, Bethge, Hertzmann & Shechtman, "Controlling Perceptual Factors in Neural Style
    Transfer" (2017), section 4. There the guidance's squares are scaled to sum to 1; here the
    region's own size takes the place of H·W in the divisor, so that a region's matrix is comparable
    with that of a whole picture, and guidance 1 everywhere gives ``gram_matrix``.

    Args:
        features: ``(N, C, H, W)``.
        guidance: ``(N, 1, H, W)`` or ``(1, 1, H, W)`` in [0, 1].
        divisor: What the sums are divided by: C and the region's size, its size, or nothing.

    Returns:
        ``(N, C, C)``; zero where the region is empty.
    """
    gram = gram_matrix(features * guidance, "none")
    if divisor == "none":
        return gram
    size = guidance.square().sum((2, 3)).unsqueeze(2).clamp_min(1e-6)
    return gram / (size * (features.shape[1] if divisor == "chw" else 1))


def channel_moments(features: Tensor, mean: Tensor, deviation: Tensor, order: int) -> Tensor:
    """Moments of each channel over all places, measured against a given mean and deviation.

    Args:
        features: ``(N, C, H, W)``.
        mean: ``(1, C)``, what is subtracted.
        deviation: ``(1, C)``, what is divided by; above 0.
        order: Up to which moment, at least 1.

    Returns:
        ``(N, order, C)``: the mean of the k-th powers, k from 1 to ``order``; no unit.
    """
    flat = features.flatten(2)
    standard = (flat - mean.unsqueeze(2)) / deviation.unsqueeze(2)
    powers = [standard]
    for _ in range(order - 1):
        powers.append(powers[-1] * standard)
    return torch.stack([power.mean(2) for power in powers], dim=1)
