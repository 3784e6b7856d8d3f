"""The exponential average against a NumPy transcription of its formula."""

import math

import numpy as np
import pytest
import torch

from nst_lightning.average import Average
from nst_lightning.errors import InputError


def pictures(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.rand(1, 3, 5, 4, generator=generator) for _ in range(count)]


def transcription(seen: list[torch.Tensor], decay: float) -> np.ndarray:
    """Return the weighted mean: each picture weighs ``decay`` times what the next one does."""
    weights = decay ** np.arange(len(seen))[::-1]
    stacked = np.stack([picture.double().numpy() for picture in seen])
    return np.tensordot(weights / weights.sum(), stacked, 1)


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("count", [1, 2, 7, 60])
def test_against_numpy(decay: float, count: int) -> None:
    average, seen = Average(decay), pictures(count)
    for picture in seen:
        average.add(picture)
    shown = average.picture()
    assert shown is not None
    assert shown.shape == (1, 3, 5, 4)
    assert np.abs(shown.numpy() - transcription(seen, decay)).max() < 2e-6


def test_equal_pictures_are_their_own_average() -> None:
    average = Average(0.99)
    for _ in range(3):
        average.add(torch.full((1, 3, 2, 2), 0.7))
    assert torch.allclose(average.picture(), torch.full((1, 3, 2, 2), 0.7), atol=1e-5)


def test_nothing_added_and_everything_forgotten() -> None:
    average, seen = Average(0.9), pictures(4)
    assert average.picture() is None
    for picture in seen[:3]:
        average.add(picture)
    average.clear()
    assert average.picture() is None
    average.add(seen[3])
    assert torch.allclose(average.picture(), seen[3], atol=1e-6)  # nothing of the others is left


def test_neither_the_pictures_nor_their_gradients_are_touched() -> None:
    average = Average(0.5)
    picture = torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    before = picture.detach().clone()
    average.add(picture)
    shown = average.picture()
    assert not shown.requires_grad
    shown.zero_()  # what is handed out is the caller's own
    average.add(picture)
    assert torch.equal(picture.detach(), before)
    assert torch.allclose(average.picture(), before, atol=1e-6)


@pytest.mark.parametrize("added", [0, 3])
def test_a_restored_average_goes_on_exactly(added: int) -> None:
    whole, first, second = Average(0.8), Average(0.8), Average(0.8)
    seen = pictures(6)
    for picture in seen[:added]:
        whole.add(picture)
        first.add(picture)
    state = first.state_dict()
    assert set(state) == {"sum", "steps"}
    second.load_state_dict(state, torch.device("cpu"))
    for picture in seen[added:]:
        whole.add(picture)
        second.add(picture)
    assert torch.equal(second.picture(), whole.picture())


@pytest.mark.parametrize("decay", [1.0, -0.1, math.nan, 2.0])
def test_decay_out_of_range(decay: float) -> None:
    with pytest.raises(InputError, match=r"model\.average: .* is not in \[0, 1\)"):
        Average(decay)
