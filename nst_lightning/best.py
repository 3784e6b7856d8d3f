"""The best picture of a run, taken where its loss is computed."""

import torch
from torch import Tensor


class BestPicture:
    """Keeps a copy of the picture with the lowest finite loss seen.

    A monitor that looks after the optimiser's step is off by one: the loss it reads belongs to the
    picture before the step. This one is fed inside the closure, with the picture whose loss it is.

    The comparison stays on the picture's device, so a GPU is not made to wait for the host.
    """

    def __init__(self) -> None:
        self.loss: Tensor | None = None
        self.picture: Tensor | None = None

    @torch.no_grad()
    def update(self, loss: Tensor, picture: Tensor) -> None:
        """Take ``picture`` if ``loss`` is finite and lower than every loss before.

        Args:
            loss: Scalar loss of ``picture``.
            picture: Shape ``(1, 3, H, W)``; copied.
        """
        loss = loss.detach()
        if self.loss is None or self.picture is None:
            self.loss = torch.where(torch.isfinite(loss), loss, torch.full_like(loss, torch.inf))
            self.picture = picture.detach().clone()
            return
        better = loss < self.loss  # False for NaN
        if better.device.type == "cpu":
            if better:
                self.loss = loss.clone()
                self.picture.copy_(picture.detach())
            return
        self.loss = torch.where(better, loss, self.loss)
        torch.where(better, picture.detach(), self.picture, out=self.picture)

    def clear(self) -> None:
        """Forget everything, as when the objective changes and losses are no longer comparable."""
        self.loss = self.picture = None

    def state_dict(self) -> dict[str, Tensor | None]:
        """Return what a checkpoint needs."""
        return {"loss": self.loss, "picture": self.picture}

    def load_state_dict(self, state: dict[str, Tensor | None], device: torch.device) -> None:
        """Restore from :meth:`state_dict`."""
        loss, picture = state["loss"], state["picture"]
        self.loss = None if loss is None else loss.to(device)
        self.picture = None if picture is None else picture.to(device)
