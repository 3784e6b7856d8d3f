"""The temporal term against NumPy and float64 differences; without other frames it is zero."""

import numpy as np
import pytest
import torch

from nst_lightning.errors import InputError
from nst_lightning.losses import TemporalLoss
from nst_lightning.losses.temporal import temporal_loss


def other(seed: int, height: int = 7, width: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    made = torch.rand(1, 4, height, width, generator=random, dtype=torch.float64)
    return made[:, :3], made[:, 3:]


def test_formula() -> None:
    picture, _ = other(0)
    warped, mask = other(1)
    x, w, c = (part.numpy() for part in (picture, warped, mask))
    wanted = sum(
        c[0, 0, i, j] * (x[0, k, i, j] - w[0, k, i, j]) ** 2
        for k in range(3)
        for i in range(7)
        for j in range(9)
    ) / (3 * 7 * 9)
    assert float(temporal_loss(picture, warped, mask)) == pytest.approx(wanted, rel=1e-12)


def test_gradient_of_several_frames() -> None:
    term = TemporalLoss()
    term.look_back([other(1), other(2)])
    picture = other(0)[0].requires_grad_()
    assert torch.autograd.gradcheck(term, [picture])
    (gradient,) = torch.autograd.grad(term(picture), picture)
    assert float(gradient.abs().max()) > 0


def test_a_coarser_picture_is_compared_with_means_where_all_is_reliable() -> None:
    term = TemporalLoss()
    warped, mask = other(1, 8, 12)
    term.look_back([(warped, mask)])
    picture = other(0, 4, 6)[0]
    blocks = [part.numpy().reshape(1, -1, 4, 2, 6, 2) for part in (warped, mask)]
    wanted = np.mean(blocks[1].min((3, 5)) * (picture.numpy() - blocks[0].mean((3, 5))) ** 2)
    assert float(term(picture)) == pytest.approx(wanted, rel=1e-12)
    # And at full size again, as a run that climbs asks for it.
    full = other(0, 8, 12)[0]
    assert float(term(full)) == pytest.approx(float(temporal_loss(full, warped, mask)), rel=1e-12)


def test_another_frame_replaces_the_one_before() -> None:
    term = TemporalLoss()
    picture, _ = other(0)
    assert float(term(picture)) == 0
    term.look_back([other(1)])
    first = float(term(picture))
    term.look_back([other(2)])
    assert float(term(picture)) != first
    term.look_back([])
    assert float(term(picture)) == 0


def test_a_weight_below_zero() -> None:
    with pytest.raises(InputError, match="TemporalLoss: weight"):
        TemporalLoss(weight=-1)
