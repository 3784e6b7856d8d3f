"""What a picture begins as."""

import torch
from torch import Tensor

from nst_lightning.data.resizing import resize_to

STARTS = ("content", "blurred", "style", "noise", "grey")
"""What ``init`` may be besides a file."""


def start_from(init: str, content: Tensor, style: Tensor, noise: float) -> Tensor:
    """Return the picture to start from, of the content's shape.

    Args:
        init: One of `STARTS`.
        content: Shape ``(1, 3, H, W)``, values in [0, 1].
        style: The first style, ``(1, 3, h, w)``.
        noise: Standard deviation of the noise around mid-grey.
    """
    if init == "content":
        return content
    if init == "blurred":
        small = [-(-side // 4) for side in content.shape[-2:]]  # rounded up
        return resize_to(resize_to(content, small), content.shape[-2:])
    if init == "style":
        return resize_to(style, content.shape[-2:])
    spread = noise * torch.randn_like(content) if init == "noise" else 0.0
    return (torch.full_like(content, 0.5) + spread).clamp(0, 1)
