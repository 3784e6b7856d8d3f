"""Learned measures, LPIPS and DISTS, where their networks' weights are on this machine.

Both come from torchmetrics, which carries their own small weights, but stand on an ImageNet network
whose weights torchvision would fetch. Nothing is fetched here: if they are not in torchvision's
cache, :func:`why_unavailable` says so.
"""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from nst_lightning.errors import InputError
from nst_lightning.metrics.picture_metric import ReferenceMetric

#: Measure -> torchvision's network. LPIPS uses the AlexNet variant, its authors' choice as a
#: metric.
_NETWORKS = {"lpips": "alexnet", "dists": "vgg16"}
#: AlexNet's and VGG-16's poolings leave nothing of smaller pictures.
_MINIMUM_SIZE = 32


def _cached_weights(network: str) -> Path:
    from torchvision.models import get_model_weights

    url: str = get_model_weights(network).DEFAULT.url  # type: ignore[attr-defined]
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]


def why_unavailable(measure: Literal["lpips", "dists"]) -> str | None:
    """Say in one line why a measure cannot be had, or return None if it can.

    Looks at the disk only; never at the network.

    Args:
        measure: "lpips" or "dists".

    Raises:
        ValueError: If there is no such measure.
    """
    if measure not in _NETWORKS:
        raise ValueError(f"there is no measure {measure!r}, only {', '.join(_NETWORKS)}")
    network = _NETWORKS[measure]
    path = _cached_weights(network)
    if path.is_file():
        return None
    return (
        f"{measure.upper()} needs torchvision's {network} weights as {path}; to fetch them: "
        f"python -c \"import torchvision; torchvision.models.{network}(weights='DEFAULT')\""
    )


def _require(measure: Literal["lpips", "dists"]) -> None:
    reason = why_unavailable(measure)
    if reason:
        raise InputError(reason)


def _unreadable(measure: str, error: Exception) -> InputError:
    path = _cached_weights(_NETWORKS[measure])
    return InputError(f"{measure.upper()} cannot read {path}, delete it to fetch it again: {error}")


def _check_size(picture: Tensor, measure: str) -> None:
    height, width = picture.shape[-2:]
    if min(height, width) < _MINIMUM_SIZE:
        raise InputError(
            f"{measure.upper()} needs a picture of {_MINIMUM_SIZE} pixels or more a side, "
            f"this one is {width}x{height}"
        )


class LPIPS(ReferenceMetric):
    """Learned perceptual image patch similarity (Zhang et al., 2018), with AlexNet.

    Raises:
        InputError: If the weights are not on this machine, or cannot be read.
    """

    higher_is_better = False
    is_differentiable = True
    plot_lower_bound = 0.0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _require("lpips")
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        try:
            self.net = LearnedPerceptualImagePatchSimilarity("alex", normalize=True).net
        except Exception as error:
            raise _unreadable("lpips", error) from error

    def measure(self, picture: Tensor, reference: Tensor) -> Tensor:
        """Return one value a picture."""
        _check_size(picture, "lpips")
        return self.net(picture.float(), reference.float(), normalize=True).reshape(-1)


class DISTS(ReferenceMetric):
    """Deep image structure and texture similarity (Ding et al., 2020), with VGG-16.

    Raises:
        InputError: If the weights are not on this machine, or cannot be read.
    """

    higher_is_better = False
    is_differentiable = True
    plot_lower_bound = 0.0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _require("dists")
        # torchmetrics' own class builds the whole network again at every update.
        from torchmetrics.functional.image.dists import DISTSNetwork

        try:
            self.net = DISTSNetwork().eval()
        except Exception as error:
            raise _unreadable("dists", error) from error

    def measure(self, picture: Tensor, reference: Tensor) -> Tensor:
        """Return one value a picture."""
        _check_size(picture, "dists")
        picture, reference = picture.float(), reference.float()
        return self.net(picture, reference, require_grad=picture.requires_grad).reshape(-1)
