"""Grain and checkerboards: total variation and the report's high-frequency deltas."""

from typing import Any, Literal

from torch import Tensor

from nst_lightning.metrics.functional import mean_absolute_deltas, total_variation_per_pixel
from nst_lightning.metrics.picture_metric import PictureMetric


class TotalVariation(PictureMetric):
    """Anisotropic total variation per pixel and channel: the same for every size of picture."""

    higher_is_better = False
    is_differentiable = True
    plot_lower_bound = 0.0

    def measure(self, picture: Tensor) -> Tensor:
        """Return one value a picture."""
        return total_variation_per_pixel(picture)


class HighFrequencyDeltas(PictureMetric):
    """Mean absolute difference of neighbouring pixels in one direction (the report's figure 8).

    Args:
        direction: "horizontal": pixels side by side; "vertical": pixels one above the other.
    """

    higher_is_better = False
    is_differentiable = True
    plot_lower_bound = 0.0

    def __init__(
        self, direction: Literal["horizontal", "vertical"] = "horizontal", **kwargs: Any
    ) -> None:
        if direction not in ("horizontal", "vertical"):
            raise ValueError(f"direction must be horizontal or vertical, not {direction!r}")
        super().__init__(state_name=f"{direction}_deltas", **kwargs)
        self.direction = direction

    def measure(self, picture: Tensor) -> Tensor:
        """Return one value a picture."""
        return mean_absolute_deltas(picture)[self.direction == "vertical"]
