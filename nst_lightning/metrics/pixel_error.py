"""Errors of single pixels: MSE, RMSE, PSNR."""

from torch import Tensor

from nst_lightning.metrics.functional import (
    mean_squared_error,
    peak_signal_noise_ratio,
    root_mean_squared_error,
)
from nst_lightning.metrics.picture_metric import ReferenceMetric


class MSE(ReferenceMetric):
    """Mean squared error against a reference; pixel values in [0, 1]."""

    higher_is_better = False
    is_differentiable = True
    plot_lower_bound = 0.0

    def measure(self, picture: Tensor, reference: Tensor) -> Tensor:
        """Return one value a picture."""
        return mean_squared_error(picture, reference)


class RMSE(ReferenceMetric):
    """Root mean squared error against a reference, in units of the pixel values."""

    higher_is_better = False
    is_differentiable = True
    plot_lower_bound = 0.0

    def measure(self, picture: Tensor, reference: Tensor) -> Tensor:
        """Return one value a picture."""
        return root_mean_squared_error(picture, reference)


class PSNR(ReferenceMetric):
    """Peak signal-to-noise ratio against a reference, in decibels; infinite for equal pictures."""

    higher_is_better = True
    is_differentiable = True

    def measure(self, picture: Tensor, reference: Tensor) -> Tensor:
        """Return one value a picture."""
        return peak_signal_noise_ratio(picture, reference)
