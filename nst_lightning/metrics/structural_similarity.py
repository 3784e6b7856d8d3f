"""Structural similarity, at one scale and at several.

SSIM to the content rewards doing nothing: read it beside the style distance.
"""

from torch import Tensor

from nst_lightning.metrics.functional import (
    multiscale_structural_similarity,
    structural_similarity,
)
from nst_lightning.metrics.picture_metric import ReferenceMetric


class SSIM(ReferenceMetric):
    """Structural similarity to a reference, equal to scikit-image's with the paper's settings."""

    higher_is_better = True
    is_differentiable = True
    plot_upper_bound = 1.0

    def measure(self, picture: Tensor, reference: Tensor) -> Tensor:
        """Return one value a picture."""
        return structural_similarity(picture, reference)


class MSSSIM(ReferenceMetric):
    """Multi-scale structural similarity to a reference; fewer than 5 scales under 176 pixels."""

    higher_is_better = True
    is_differentiable = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def measure(self, picture: Tensor, reference: Tensor) -> Tensor:
        """Return one value a picture."""
        return multiscale_structural_similarity(picture, reference)
