"""The exponential average of the pictures of a run."""

from typing import Any

import torch
from torch import Tensor

from nst_lightning.errors import InputError


class Average:
    """An exponential moving average, free of the bias of its first steps (as in Adam).

    crowsonkb/style-transfer-pytorch shows the average of Adam's pictures with a decay of 0.99.

    Args:
        decay: Share of the average that each step keeps, in [0, 1).

    Raises:
        InputError: If it is not.
    """

    def __init__(self, decay: float) -> None:
        if not 0 <= decay < 1:
            raise InputError(f"model.average: {decay} is not in [0, 1)")
        self.decay = decay
        self._sum: Tensor | None = None
        self._steps = 0

    @torch.no_grad()
    def add(self, picture: Tensor) -> None:
        """Take in one picture, shape ``(1, 3, H, W)``."""
        if self._sum is None:
            self._sum = torch.zeros_like(picture)
        self._sum.lerp_(picture.detach(), 1 - self.decay)
        self._steps += 1

    def picture(self) -> Tensor | None:
        """Return the average, shape ``(1, 3, H, W)``; None if no picture was added yet."""
        # The sum starts from zero; dividing by the weights' sum undoes that.
        return None if self._sum is None else self._sum / (1 - self.decay**self._steps)

    def clear(self) -> None:
        """Forget every picture, as when another one is put in place."""
        self._sum, self._steps = None, 0

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs."""
        return {"sum": self._sum, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Restore from :meth:`state_dict`."""
        total = state["sum"]
        self._sum = None if total is None else total.to(device)
        self._steps = state["steps"]
