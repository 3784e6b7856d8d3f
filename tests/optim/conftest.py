"""Small objectives of a picture, in torch and as plain numpy functions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

FG = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass
class Objective:
    """A loss of a flat vector with its gradient worked out by hand in numpy."""

    torch_loss: Callable[[Tensor], Tensor]
    numpy_loss: FG
    start: np.ndarray


@pytest.fixture
def bumpy() -> Objective:
    """Badly scaled, coupled, not convex, with its minimum outside [0, 1] in many places."""
    rng = np.random.default_rng(0)
    size = 60
    mix = rng.normal(size=(size, size)) / np.sqrt(size) * np.logspace(0, 1.5, size)
    target = rng.normal(0.5, 1.0, size)
    mix_t, target_t = torch.tensor(mix), torch.tensor(target)

    def torch_loss(x: Tensor) -> Tensor:
        r = mix_t.to(x) @ (x.reshape(-1) - target_t.to(x))
        return (r**2).sum() / 2 + torch.sin(3 * x).sum()

    def numpy_loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        r = mix @ (x - target)
        return float(r @ r / 2 + np.sin(3 * x).sum()), mix.T @ r + 3 * np.cos(3 * x)

    return Objective(torch_loss, numpy_loss, rng.uniform(0, 1, size))


@pytest.fixture
def blurry() -> Callable[[Tensor], Tensor]:
    """A picture's loss whose curvature falls with the frequency, minimum partly outside [0, 1]."""

    def loss(x: Tensor) -> Tensor:
        shape = x.shape
        generator = torch.Generator().manual_seed(3)
        goal = torch.randn(shape, generator=generator, dtype=torch.float64).to(x) * 0.6 + 0.5
        r = x - goal
        flat = r.reshape(-1, *shape[-2:])
        smooth = (flat + flat.roll(1, 1) + flat.roll(1, 2) + flat.roll((1, 1), (1, 2))) / 4
        return 50 * (smooth**2).sum() + (r**2).sum() / 2 + 0.1 * (r**4).sum()

    return loss
