"""Pictures and a small encoder, made here, for the tests of this folder."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nst_lightning.losses.term import STD5
from nst_lightning.metrics.views import MEASURED_LAYERS


def draw_picture(height: int = 40, width: int = 56, seed: int = 0, number: int = 1) -> Tensor:
    """Flat areas, edges, a gradient and grain: what pictures are made of."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(number, 3, 4, 5, generator=generator)
    picture = F.interpolate(coarse, (height, width), mode="nearest")
    picture[..., : width // 2] += torch.linspace(-0.3, 0.3, width // 2)
    grain = torch.rand(number, 3, height, width, generator=generator) - 0.5
    grain[..., : height // 3, :] = 0
    return (picture + 0.2 * grain).clamp(0, 1)


class SmallEncoder(torch.nn.Module):
    """Five random layers with the names of VGG-19's style layers, halving the size each time.

    The other layers that are measured are those of their block, seen from another side.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        channels = (3, 4, 5, 6, 7, 8)
        for number, (before, after) in enumerate(pairwise(channels)):
            kernel = torch.randn(after, before, 3, 3, generator=generator) / before
            self.register_buffer(f"kernel{number}", kernel, persistent=False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features, x = {}, image
        for number, name in enumerate(STD5):
            x = F.conv2d(x, getattr(self, f"kernel{number}"), padding=1).relu()
            features[name] = x
            for other in MEASURED_LAYERS:
                if other[:5] == name[:5] and other != name:
                    features[other] = x.roll(int(other[-1]), 1) + x
            x = F.avg_pool2d(x, 2, ceil_mode=True)
        return features


@pytest.fixture
def make_picture() -> Callable[..., Tensor]:
    return draw_picture


@pytest.fixture
def encoder() -> SmallEncoder:
    return SmallEncoder()


@pytest.fixture
def make_features() -> Callable[..., Tensor]:
    """Features (1, C, h, w) as after a ReLU, by channels, height, width and seed."""

    def make(channels: int, height: int, width: int, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(1, channels, height, width, generator=generator).abs() * 2

    return make
