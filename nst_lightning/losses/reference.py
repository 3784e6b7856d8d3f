"""What targets are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Reference:
    """A picture that targets are taken from, and what the encoder sees in it.

    Attributes:
        image: ``(1, 3, H, W)``, values in [0, 1].
        features: Layer name → features ``(1, C, h, w)``; of a large picture a
            `nst_lightning.losses.places.LayerInTiles`.
        weight: Share in a blend of several styles.
        mask: ``(1, R, H, W)`` in [0, 1], one channel a region, for a term that is ``guided``; the
            others refuse one.
    """

    image: Tensor
    features: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    mask: Tensor | None = None
