"""Distance of colour histograms."""

from torch import Tensor

from nst_lightning.metrics.functional import colour_distance
from nst_lightning.metrics.picture_metric import MeanOverPictures
from nst_lightning.metrics.pictures import check_picture


class ColourDistance(MeanOverPictures):
    """Sliced Wasserstein-1 distance of a picture's colours to those of a reference, sizes free."""

    higher_is_better = False
    is_differentiable = True
    plot_lower_bound = 0.0

    def update(self, picture: Tensor, reference: Tensor) -> None:
        """Add pictures of shape (N, 3, H, W) and their references, values in [0, 1].

        Args:
            picture: Shape (N, 3, H, W).
            reference: Shape (N or 1, 3, h, w), of any size.

        Raises:
            InputError: If one holds NaN or values outside [0, 1].
        """
        self._add(colour_distance(check_picture(picture), check_picture(reference, "reference")))
