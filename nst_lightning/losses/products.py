"""The arithmetic under the formulas: products over all places and squared errors, fast both ways.

Each has a gradient of its own that multiplies less, or lies in memory as the features do, than
autograd's. ``P`` is the number of places, height times width.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

Reduction = Literal["mean", "sum"]

_PLACES_A_RUN = 512  # places whose bfloat16 product is rounded once
_FEWEST_RUNS = 64  # below which the roundings would not cancel


class HasShape(Protocol):
    """A tensor, or what has the shape of one."""

    @property
    def shape(self) -> torch.Size:
        """Its shape."""


def at_least_single(values: Tensor) -> Tensor:
    """Return values in half precision as float32, others as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def check_same_shape(value: Tensor, target: Tensor) -> None:
    """Refuse a target that is neither of the value's shape nor one for the whole batch.

    Raises:
        ValueError: Then, as when the target is of a picture of another size.
    """
    if value.shape[1:] != target.shape[1:] or target.shape[0] not in (1, value.shape[0]):
        raise ValueError(
            f"shapes differ: {tuple(value.shape)} against a target of {tuple(target.shape)}; "
            "were the targets set for a picture of another size?"
        )


def squared_error(value: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Mean or sum of the squared differences, in float32 at least.

    The target has the shape of the value, or is one for the whole batch. The gradient lies in
    memory as the value does.

    Raises:
        ValueError: If the shapes differ, as when the target is of a picture of another size.
    """
    check_same_shape(value, target)
    if reduction not in ("mean", "sum"):
        raise ValueError(f'reduction must be "mean" or "sum", got {reduction!r}')
    error = _SquaredError.forward if target.requires_grad else _SquaredError.apply
    result: Tensor = error(value, target, reduction)
    return result


def inverse_length(vectors: Tensor, dark: float) -> Tensor:
    """``1 / sqrt(‖v‖² + dark)`` of vectors ``(N, C, …)``: ``(N, 1, …)``."""
    return (vectors.square().sum(1, keepdim=True) + dark).rsqrt()


def cosine_distance(value: Tensor, target: Tensor, dark: float) -> Tensor:
    """Mean over all places of 1 - cosine of ``(N, C, …)`` with unit vectors ``(N or 1, C, …)``.

    To the value's squared lengths ``dark`` is added, so that a place of length 0 has a gradient.
    The gradient lies in memory as the value does.

    Raises:
        ValueError: If the shapes differ, as when the target is of a picture of another size.
    """
    check_same_shape(value, target)
    result: Tensor = _CosineDistance.apply(value, target, dark)[0]
    return result


def self_product(flat: Tensor, scale: float) -> Tensor:
    """``scale · A·Aᵀ`` of ``(N, C, P)``: ``(N, C, C)``, in float32 at least."""
    # Autocast would round the result of the product to half precision.
    with torch.autocast(device_type=flat.device.type, enabled=False):
        product: Tensor = _SelfProduct.apply(flat, scale)
    return product


def mean_and_covariance(flat: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``(N, C)`` and covariance ``(N, C, C)`` of ``(N, C, P)``, in float32 at least."""
    with torch.autocast(device_type=flat.device.type, enabled=False):
        mean, covariance = _Moments.apply(at_least_single(flat))
    return mean, covariance


def weighted_sum(weights: Sequence[float], values: Sequence[Tensor]) -> Tensor:
    """Return the weighted sum of tensors of one shape; of one tensor alone in its memory layout."""
    if len(values) == 1:
        return weights[0] * values[0]
    return torch.stack([w * v for w, v in zip(weights, values, strict=True)]).sum(0)


def at_size_of(mask: Tensor, features: HasShape) -> Tensor:
    """Return ``(1, R, H, W)`` at the size of features by averaging: edges as soft as these."""
    return F.adaptive_avg_pool2d(mask, (features.shape[-2], features.shape[-1]))


def least_at_size_of(mask: Tensor, features: HasShape) -> Tensor:
    """Return ``(1, 1, H, W)`` at the size of features, of each place the least that is in it."""
    return -F.adaptive_max_pool2d(-mask, (features.shape[-2], features.shape[-1]))


class _SquaredError(torch.autograd.Function):
    """``mse_loss`` whose gradient lies in memory as the value does.

    torch's own comes back in NCHW even from channels-last features. That, and what everything
    before it in the network then has to lay out anew, takes a fifth of an evaluation on a CPU.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        single = at_least_single(target).expand_as(value)
        return F.mse_loss(at_least_single(value), single, reduction=reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Reduction], output: Tensor) -> None:
        value, target, reduction = inputs
        ctx.save_for_backward(value, target)
        ctx.factor = 2.0 / value.numel() if reduction == "mean" else 2.0

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (grad,) = grads
        value, target = ctx.saved_tensors
        return ((value - target) * (grad * ctx.factor)).to(value.dtype), None, None


class _CosineDistance(torch.autograd.Function):
    """One minus the cosine; autograd would lay the gradient out anew, as of `_SquaredError`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, target: Tensor, dark: float) -> tuple[Tensor, Tensor, Tensor]:
        inverse = inverse_length(value, dark)  # (N, 1, …)
        cosine = (value * target).sum(1, keepdim=True) * inverse
        return 1 - cosine.mean(), cosine, inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Any) -> None:
        value, target, _ = inputs
        _, cosine, inverse = output
        ctx.mark_non_differentiable(cosine, inverse)
        ctx.save_for_backward(value, target, cosine, inverse)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        value, target, cosine, inverse = ctx.saved_tensors
        factor = grads[0] * inverse / inverse.numel()
        return (value * (factor * cosine * inverse)).sub_(target * factor), None, None


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
        single = at_least_single(flat)
        return torch.bmm(single, single.mT) * scale

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        flat, ctx.scale = inputs
        ctx.save_for_backward(flat)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (flat,), (grad,) = ctx.saved_tensors, grads  # (N, C, P), (N, C, C)
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
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (flat, mean), (grad_mean, grad_covariance) = ctx.saved_tensors, grads
        # (N, C, C) and (N, C, 1)
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
    runs = places // _PLACES_A_RUN
    if runs < _FEWEST_RUNS or not _places_first(flat):
        single = flat.float()
        return torch.bmm(single, single.mT)
    # (N·runs, 512, C), a view: the places lie one after another; then (N, runs, C, C).
    whole = flat.mT[:, : runs * _PLACES_A_RUN].reshape(pictures * runs, _PLACES_A_RUN, channels)
    parts = torch.bmm(whole.mT, whole).view(pictures, runs, channels, channels)
    rest = flat[:, :, runs * _PLACES_A_RUN :].float()
    return torch.baddbmm(parts.sum(1, dtype=torch.float32), rest, rest.mT)


def _places_first(flat: Tensor) -> bool:
    """Say whether ``(N, C, P)`` lies channels-last in memory; its gradient should too.

    The gradient is added to the one that comes from deeper layers, and adding tensors of different
    layouts is several times slower than adding equal ones.
    """
    return flat.stride(1) == 1 and flat.shape[1] > 1
