"""Made-up features: smooth, non-negative and of unequal channels, as those after a ReLU are."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from nst_lightning.losses import Reference

MakeReference = Callable[..., Reference]


def _features(channels: int, height: int, width: int, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    mixed = np.einsum(
        "cd,dhw->chw",
        rng.normal(size=(channels, channels)),
        rng.normal(size=(channels, height, width)),
    )
    return torch.from_numpy(np.maximum(mixed + rng.normal(size=(channels, 1, 1)), 0))[None]


@pytest.fixture
def made_features() -> Callable[[int, int, int, int], torch.Tensor]:
    """Make features ``(1, C, H, W)`` in float64 of channels, height, width and seed."""
    return _features


@pytest.fixture
def reference() -> MakeReference:
    """Make a Reference: float64, a size, a seed, and features for layers of given channels."""

    def make(
        seed: int,
        height: int = 8,
        width: int = 6,
        weight: float = 1.0,
        layers: dict[str, int] | None = None,
    ) -> Reference:
        layers = layers or {"relu1_1": 3, "relu2_1": 5}
        features = {
            name: _features(channels, height, width, seed + 100 * i)
            for i, (name, channels) in enumerate(layers.items())
        }
        image = torch.from_numpy(np.random.default_rng(seed).random((1, 3, height, width)))
        return Reference(image, features, weight)

    return make
