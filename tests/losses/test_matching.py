"""Which rows are taken out of many."""

import pytest
import torch
from torch import Tensor

from nst_lightning.losses.matching import evenly


class Numbered:
    """So many rows that each tell their number, and take no memory."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: Tensor) -> Tensor:
        assert 0 <= int(index.min()) <= int(index.max()) < self.number
        return index


@pytest.mark.parametrize("number", [8193, 2**24, 2**24 + 2, 6144 * 6144, 2**31 + 7])
def test_rows_of_a_painting_of_any_size_are_evenly_spread(number: int) -> None:
    found = evenly(Numbered(number), 8192)
    assert (int(found[0]), int(found[-1])) == (0, number - 1)
    exact = [i * (number - 1) // 8191 for i in range(8192)]
    assert float((found - torch.tensor(exact)).abs().max()) <= 1
