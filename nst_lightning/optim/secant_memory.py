"""The last secant pairs of a run, and the inverse Hessian that they make."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Apply = Callable[[Tensor], Tensor]


class SecantMemory:
    """Ring buffer of secant pairs with the compact form of the L-BFGS inverse Hessian.

    With the pairs as the rows of ``S`` (steps) and ``Y`` (gradient changes), oldest first, ``P``
    the preconditioner, ``R`` the upper triangle of ``S Yᵀ`` and ``D`` its diagonal, both loops of
    Nocedal's recursion become triangular solves ::

        R α = S g,   r = γ P (g - Yᵀ α),   Rᵀ c = D α - Y r,   H g = r + Sᵀ c

    with γ = sᵀy / yᵀPy of the newest pair: four products with the pictures in place of some eighty
    small operations, and nothing that makes a GPU's host wait. Nothing stored depends on P, so P
    may change at any time. Products of pictures are taken in their own precision, everything of
    size ``capacity`` × ``capacity`` in float64.

    The memory costs ``2 * capacity`` pictures, half of that in bfloat16. Rounded pairs are used as
    they were rounded everywhere, so the compact form stays that of a positive definite matrix.

    Args:
        like: Flat tensor of the length, type and device of the picture.
        capacity: Number of pairs that are kept.
        half: Keep them in bfloat16.
    """

    def __init__(self, like: Tensor, capacity: int, half: bool = False) -> None:
        self.capacity = capacity
        self._count = 0  # pairs ever pushed; the next one goes to slot count % capacity
        self._kind = like.dtype
        kept = torch.bfloat16 if half else like.dtype
        # Not zeros: on a CPU no memory is taken before a pair is written there.
        self._steps = like.new_empty((capacity, like.numel()), dtype=kept)
        self._changes = like.new_empty((capacity, like.numel()), dtype=kept)
        self._sy = torch.zeros((capacity, capacity), dtype=torch.float64, device=like.device)

    def __len__(self) -> int:
        return min(self._count, self.capacity)

    def clear(self) -> None:
        """Forget all pairs."""
        self._count = 0

    def push(self, step: Tensor, change: Tensor) -> None:
        """Add a pair, in place of the oldest if the memory is full."""
        slot = self._count % self.capacity
        self._count += 1
        self._steps[slot] = step
        self._changes[slot] = change
        change = self._changes[slot].to(self._kind)
        # Products of the new step with older changes belong below the diagonal: never read.
        steps, _ = self._filled()
        self._sy[: len(self), slot] = _along(steps, change).double()

    def newest(self, number: int) -> tuple[list[Tensor], list[Tensor]]:
        """Return the newest (at most ``number``) steps and their gradient changes, flat.

        They are views of this memory's, in the precision that it keeps them in.
        """
        number = min(number, len(self))
        slots = [(self._count - number + i) % self.capacity for i in range(number)]
        return [self._steps[slot] for slot in slots], [self._changes[slot] for slot in slots]

    def multiply(self, gradient: Tensor, precondition: Apply) -> Tensor:
        """Apply the inverse Hessian; ``precondition`` applies the initial one, up to its scale.

        Without pairs it is ``precondition(gradient)``.
        """
        if not len(self):
            return precondition(gradient)
        steps, changes = self._filled()
        size = len(self)
        # The slot to be overwritten next holds the oldest pair: rolling puts the pairs in order of
        # age.
        oldest = self._count % self.capacity if size == self.capacity else 0
        sy = self._sy[:size, :size].roll((-oldest, -oldest), (0, 1))
        upper, diagonal = sy.triu(), sy.diagonal()
        newest = self._changes[(self._count - 1) % self.capacity].to(self._kind)
        gamma = diagonal[-1] / newest.dot(precondition(newest)).double()

        # Below, (m,) are the pairs in order of age, (m, length) their pictures by slot.
        kind = gradient.dtype
        along = _along(steps, gradient).double().roll(-oldest)
        alpha = torch.linalg.solve_triangular(upper, along[:, None], upper=True)[:, 0]
        bent = precondition(gradient - _sum(alpha.roll(oldest).to(kind), changes)) * gamma.to(kind)
        right = diagonal * alpha - _along(changes, bent).double().roll(-oldest)
        weights = torch.linalg.solve_triangular(upper.mT, right[:, None], upper=False)[:, 0]
        return bent + _sum(weights.roll(oldest).to(kind), steps)

    def state_dict(self) -> dict[str, Any]:
        """Return the filled part of the memory; where all is filled its tensors are views."""
        size = len(self)
        steps, changes = self._filled()
        if size < self.capacity:
            # torch.save writes all that a view is a part of.
            steps, changes = steps.clone(), changes.clone()
        return {
            "count": self._count,
            "capacity": self.capacity,
            "steps": steps,
            "changes": changes,
            "sy": self._sy[:size, :size],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Copy a state in, of a picture of this size. Another capacity gives its newest pairs."""
        size = len(state["steps"])
        if state["capacity"] == self.capacity:
            # The same slots again: the order of summation, and with it every bit, stays.
            self._count = int(state["count"])
            slots = list(range(size))
        else:
            newest = int(state["count"]) % size if size == state["capacity"] else 0
            slots = [(newest + i) % size for i in range(size)][-self.capacity :] if size else []
            self._count = len(slots)
        filled = len(slots)
        self._steps[:filled] = state["steps"][slots].to(self._steps)
        self._changes[:filled] = state["changes"][slots].to(self._changes)
        self._sy[:filled, :filled] = state["sy"][slots][:, slots].to(self._sy)

    def _filled(self) -> tuple[Tensor, Tensor]:
        return self._steps[: len(self)], self._changes[: len(self)]


def _along(rows: Tensor, vector: Tensor) -> Tensor:
    """Return ``rows @ vector``; of rows in half precision one after another, in the vector's."""
    if rows.dtype == vector.dtype:
        return rows @ vector
    return torch.stack([row.to(vector.dtype) @ vector for row in rows])


def _sum(weights: Tensor, rows: Tensor) -> Tensor:
    """Return ``weights @ rows``, likewise."""
    if rows.dtype == weights.dtype:
        return weights @ rows
    total = rows.new_zeros(rows.shape[1], dtype=weights.dtype)
    for weight, row in zip(weights, rows, strict=True):
        total.addcmul_(weight, row.to(weights.dtype))
    return total
