import io

import pytest
import torch

from nst_lightning.optim.secant_memory import SecantMemory


def dense_bfgs(pairs, initial):
    """The inverse BFGS update, one full matrix after another."""
    h = initial.clone()
    eye = torch.eye(len(h), dtype=h.dtype)
    for s, y in pairs:
        rho = 1 / (s @ y)
        left = eye - rho * torch.outer(s, y)
        h = left @ h @ left.T + rho * torch.outer(s, s)
    return h


def random_pairs(number, size=12):
    generator = torch.Generator().manual_seed(4)
    factor = torch.randn((size, size), generator=generator, dtype=torch.float64)
    hessian = factor @ factor.T + torch.eye(size, dtype=torch.float64)
    steps = torch.randn((number, size), generator=generator, dtype=torch.float64)
    return [(s, hessian @ s) for s in steps]


def spd(size=12):
    generator = torch.Generator().manual_seed(5)
    factor = torch.randn((size, size), generator=generator, dtype=torch.float64)
    return factor @ factor.T + torch.eye(size, dtype=torch.float64)


@pytest.mark.parametrize("number", [0, 1, 3, 5, 6, 9, 10, 13])
def test_multiply_is_the_dense_update_of_the_kept_pairs(number):
    p = spd()
    memory = SecantMemory(torch.zeros(12, dtype=torch.float64), 5)
    pairs = random_pairs(number)
    for s, y in pairs:
        memory.push(s, y)
    kept = pairs[-5:]
    gamma = kept[-1][0] @ kept[-1][1] / (kept[-1][1] @ p @ kept[-1][1]) if kept else 1.0
    gradient = torch.randn(12, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    expected = dense_bfgs(kept, gamma * p) @ gradient
    found = memory.multiply(gradient, lambda v: p @ v)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)


def test_newest_pairs_come_oldest_first():
    memory = SecantMemory(torch.zeros(12, dtype=torch.float64), 4)
    pairs = random_pairs(7)
    for s, y in pairs:
        memory.push(s, y)
    steps, changes = memory.newest(3)
    assert torch.equal(torch.stack(steps), torch.stack([s for s, _ in pairs[-3:]]))
    assert torch.equal(torch.stack(changes), torch.stack([y for _, y in pairs[-3:]]))
    assert len(memory.newest(99)[0]) == len(memory) == 4
    memory.clear()
    assert len(memory) == len(memory.newest(2)[0]) == 0


@pytest.mark.parametrize("number", [1, 5, 7])
def test_rounded_pairs_are_the_dense_update_of_what_was_kept(number):
    p = spd().float()
    memory = SecantMemory(torch.zeros(12), 5, half=True)
    rounded = [(s.bfloat16(), y.bfloat16()) for s, y in random_pairs(number)]
    for s, y in random_pairs(number):
        memory.push(s.float(), y.float())
    kept = [(s.double(), y.double()) for s, y in rounded[-5:]]
    gamma = kept[-1][0] @ kept[-1][1] / (kept[-1][1] @ p.double() @ kept[-1][1])
    gradient = torch.randn(12, generator=torch.Generator().manual_seed(6))
    expected = dense_bfgs(kept, gamma * p.double()) @ gradient.double()
    # The rounded pairs are of no one Hessian, and the compact form takes S·Yᵀ to be a triangle's.
    found = memory.multiply(gradient, lambda v: p @ v)
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-3)
    assert memory.state_dict()["steps"].dtype == torch.bfloat16


@pytest.mark.parametrize("number", [0, 2, 4, 6])
def test_a_checkpoint_is_as_large_as_what_is_known(number):
    memory = SecantMemory(torch.zeros(10_000), 4)
    for _ in range(number):
        memory.push(torch.rand(10_000), torch.rand(10_000))
    file = io.BytesIO()
    torch.save(memory.state_dict(), file)
    assert len(file.getvalue()) < 2 * min(number, 4) * 40_000 + 4_000
