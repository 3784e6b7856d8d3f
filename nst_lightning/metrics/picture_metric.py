"""The bases of the metric classes: the mean over pictures of one number a picture."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from nst_lightning.metrics.pictures import check_picture, fit_reference


class MeanOverPictures(Metric):
    """Mean over all pictures seen since the last reset.

    Every picture counts the same, whatever its size: also for RMSE and PSNR, which torchmetrics
    pools over pixels before the root or logarithm.

    Args:
        state_name: What its states are called, if not by the class. MetricCollection merges metrics
            whose states have equal names and values into one, for good; and on equal pictures every
            error is 0. So metrics of different meaning need different names.
        kwargs: As torchmetrics.Metric.
    """

    full_state_update = False

    def __init__(self, *, state_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        name = state_name or type(self).__name__.lower()
        self._sum_name, self._count_name = f"{name}_sum", f"{name}_count"
        self.add_state(self._sum_name, torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state(self._count_name, torch.tensor(0), dist_reduce_fx="sum")

    def _add(self, values: Tensor) -> None:
        total: Tensor = getattr(self, self._sum_name)
        count: Tensor = getattr(self, self._count_name)
        setattr(self, self._sum_name, total + values.sum().to(total))
        setattr(self, self._count_name, count + values.numel())

    def compute(self) -> Tensor:
        """Return the mean, a scalar (NaN before the first update)."""
        return getattr(self, self._sum_name) / getattr(self, self._count_name)


class PictureMetric(MeanOverPictures):
    """A measure of pictures by themselves."""

    def update(self, picture: Tensor) -> None:
        """Add pictures of shape (N, 3, H, W), values in [0, 1].

        Raises:
            InputError: If a picture holds NaN or values outside [0, 1].
        """
        self._add(self.measure(check_picture(picture)))

    def measure(self, picture: Tensor) -> Tensor:
        """Return one value a picture, shape (N,)."""
        raise NotImplementedError


class ReferenceMetric(MeanOverPictures):
    """A measure of pictures against references, pixel by pixel.

    A reference of another size than the picture's, as a style image has, is resized to the
    picture's (see :func:`nst_lightning.metrics.pictures.fit_reference`).
    """

    def update(self, picture: Tensor, reference: Tensor) -> None:
        """Add pictures of shape (N, 3, H, W) and their references, values in [0, 1].

        Args:
            picture: Shape (N, 3, H, W).
            reference: Shape (N or 1, 3, h, w).

        Raises:
            InputError: If one holds NaN or values outside [0, 1], or is too small.
        """
        picture = check_picture(picture)
        reference = fit_reference(check_picture(reference, "reference"), picture)
        self._add(self.measure(picture, reference))

    def measure(self, picture: Tensor, reference: Tensor) -> Tensor:
        """Return one value a picture, shape (N,); both have the shape (N, 3, H, W)."""
        raise NotImplementedError
