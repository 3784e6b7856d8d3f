"""ScaledLBFGS against torch's own on a picture that really is in the other units."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.optim import LBFGS

from nst_lightning.errors import InputError
from nst_lightning.optim import ScaledLBFGS

SCALE = 255.0


def rough(x: Tensor) -> Tensor:
    """Not quadratic, badly scaled, with negative curvature here and there."""
    scales = torch.logspace(0, 3, x.numel(), dtype=x.dtype)
    return (scales * (x - 0.3) ** 2).sum() + 5 * torch.cos(7 * x).sum() + (x**4).sum()


def start() -> Tensor:
    return torch.rand(30, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def trace(optimizer: LBFGS, variable: Tensor, loss_of: Callable[[Tensor], Tensor]) -> list[float]:
    losses = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(variable)
        loss.backward()
        losses.append(float(loss.detach()))
        return loss

    for _ in range(25):
        optimizer.step(closure)
    return losses


@pytest.mark.parametrize(
    "arguments", [{}, {"line_search_fn": "strong_wolfe", "max_eval": 26}, {"lr": 0.5}]
)
def test_equals_torch_in_those_units(arguments: dict) -> None:
    ours = start().requires_grad_()
    losses = trace(ScaledLBFGS([ours], scale=SCALE, **arguments), ours, rough)

    theirs = (start() * SCALE).requires_grad_()
    torchs = LBFGS([theirs], max_iter=1, **arguments)
    expected = trace(torchs, theirs, lambda y: rough(y / SCALE))

    assert len(losses) == len(expected)
    assert losses == pytest.approx(expected, rel=1e-7)
    torch.testing.assert_close(ours.detach() * SCALE, theirs.detach(), rtol=1e-6, atol=1e-6)


def test_scale_one_is_torch() -> None:
    ours, theirs = start().requires_grad_(), start().requires_grad_()
    losses = trace(ScaledLBFGS([ours], scale=1), ours, rough)
    assert losses == trace(LBFGS([theirs], max_iter=1), theirs, rough)


def test_state_resumes() -> None:
    first = start().requires_grad_()
    optimizer = ScaledLBFGS([first])
    trace(optimizer, first, rough)
    second = first.detach().clone().requires_grad_()
    resumed = ScaledLBFGS([second])
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert trace(resumed, second, rough) == trace(optimizer, first, rough)


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_refuses_a_scale_that_is_none(scale: float) -> None:
    with pytest.raises(InputError, match="scale"):
        ScaledLBFGS([start().requires_grad_()], scale=scale)
