"""Learned measures, LPIPS and DISTS, where their networks' weights are on this machine.

Both come from torchmetrics, which carries their own small weights, but stand on an ImageNet network
whose weights torchvision would fetch. Nothing is fetched here: if they are not in torchvision's
cache, :func:`why_unavailable` says so.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from nst_lightning.errors import InputError
from nst_lightning.metrics.pictures import check_side

Name = Literal["lpips", "dists"]
Measure = Callable[[Tensor, Tensor], Tensor]
"""(picture, reference), both of shape (1, 3, H, W) with values in [0, 1] -> one number."""

#: Measure -> torchvision's network. LPIPS uses the AlexNet variant, its authors' choice as a
#: metric.
_NETWORKS: dict[Name, str] = {"lpips": "alexnet", "dists": "vgg16"}
#: AlexNet's and VGG-16's poolings leave nothing of smaller pictures.
_MINIMUM_SIZE = 32


def learned_measures(device: torch.device) -> tuple[dict[str, Measure], dict[str, str]]:
    """Load the measures that can be had; and say, in one line each, why the others cannot."""
    measures: dict[str, Measure] = {}
    unavailable: dict[str, str] = {}
    for name in _NETWORKS:
        try:
            measures[name] = load_measure(name, device)
        except InputError as error:
            unavailable[name] = str(error)
    return measures, unavailable


def load_measure(name: Name, device: torch.device | str = "cpu") -> Measure:
    """Load a measure's networks.

    ``lpips``: learned perceptual image patch similarity (Zhang et al., 2018), with AlexNet;
    ``dists``: deep image structure and texture similarity (Ding et al., 2020), with VGG-16. Less is
    nearer. Pictures under 32 pixels are refused with an InputError.

    Raises:
        InputError: If the weights are not on this machine, or cannot be read.
    """
    reason = why_unavailable(name)
    if reason:
        raise InputError(reason)
    try:
        network: torch.nn.Module
        if name == "lpips":
            from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

            network = LearnedPerceptualImagePatchSimilarity("alex", normalize=True)
        else:
            # torchmetrics' metric builds the whole network again at every update.
            from torchmetrics.functional.image.dists import DISTSNetwork

            network = DISTSNetwork().eval()
    except Exception as error:
        path = _cached_weights(name)
        raise InputError(
            f"{name.upper()} cannot read {path}, delete it to fetch it again: {error}"
        ) from error
    network = network.to(device)

    def measure(picture: Tensor, reference: Tensor) -> Tensor:
        check_side(picture, _MINIMUM_SIZE, name.upper())
        value: Tensor = network(picture.float(), reference.float())
        return value

    return measure


def why_unavailable(name: Name) -> str | None:
    """Say in one line why a measure cannot be had, or return None if it can.

    Looks at the disk only; never at the network.

    Raises:
        ValueError: If there is no such measure.
    """
    if name not in _NETWORKS:
        raise ValueError(f"there is no measure {name!r}, only {', '.join(_NETWORKS)}")
    network, path = _NETWORKS[name], _cached_weights(name)
    if path.is_file():
        return None
    return (
        f"{name.upper()} needs torchvision's {network} weights as {path}; to fetch them: "
        f"python -c \"import torchvision; torchvision.models.{network}(weights='DEFAULT')\""
    )


def _cached_weights(name: Name) -> Path:
    from torchvision.models import get_model_weights

    url: str = get_model_weights(_NETWORKS[name]).DEFAULT.url
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
