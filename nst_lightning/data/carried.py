"""What a frame of a film takes over from the frames before it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nst_lightning.data.resizing import resize_to
from nst_lightning.losses.products import least_at_size_of


@dataclass(frozen=True)
class Carried:
    """Another frame's painting, moved to this frame's places.

    Attributes:
        painting: As the optimiser left it, at the size of the result: shape ``(1, 3, H, W)``,
            values in [0, 1].
        mask: Where it is taken over: ``(1, 1, H, W)``, values in [0, 1].
        palette_of: The painting of the scene's first frame, in whose terms colours are moved to
            the painter's palette: one mapping for the scene. Shape ``(1, 3, h, w)``.
    """

    painting: Tensor
    mask: Tensor
    palette_of: Tensor

    def onto(self, picture: Tensor) -> Tensor:
        """Lay the painting on a picture of any size, ``(1, 3, h, w)``."""
        mask = least_at_size_of(self.mask.to(picture), picture)
        return torch.lerp(picture, resize_to(self.painting.to(picture), picture.shape[-2:]), mask)
