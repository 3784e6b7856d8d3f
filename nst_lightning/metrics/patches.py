"""What a picture is made of: its patches and its features as distributions, without their places.

Features are those of one picture, (1, C, h, w); the two pictures' sizes may differ.
"""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from nst_lightning.losses.sliced_wasserstein import ascending, wasserstein_1d

_NUMBERS_AT_ONCE = 2**24  # 64 MB in float32
_DIRECTIONS = 64


def patch_distance(features: Tensor, reference: Tensor) -> Tensor:
    """Cosine distance of the 3 × 3 patches of features to the nearest of the other picture.

    Mean of both ways: what is in the picture should be in the painting, and what is in the painting
    should be in the picture. Nearest patches are what CNNMRF (Li & Wand 2016) minimises; as a
    measure they see strokes where distributions of features see none (docs/measures.md). Places at
    the border have a patch, too, continued by repetition.

    Returns:
        A scalar: 0 if every patch is in the other picture, 1 for patches that have nothing alike.
    """
    ours, theirs = _patches(features), _patches(reference)
    nearest, nearest_ours = [], theirs.new_full((len(theirs),), -1.0)
    for part in torch.split(ours, max(1, _NUMBERS_AT_ONCE // len(theirs))):
        likeness = part @ theirs.mT
        nearest.append(likeness.amax(1))
        nearest_ours = torch.maximum(nearest_ours, likeness.amax(0))
    return 1 - (torch.cat(nearest).mean() + nearest_ours.mean()) / 2


def _patches(features: Tensor) -> Tensor:
    """Return every place's 3 × 3 patch as a row of length 1: (h·w, 9·C)."""
    around = F.pad(features, (1, 1, 1, 1), mode="replicate")
    return F.normalize(F.unfold(around, 3)[0].mT, dim=1)


def sliced_wasserstein(features: Tensor, reference: Tensor) -> Tensor:
    """Distance of the distributions of features, in units of the reference's root mean square.

    Mean over 64 directions, drawn once and for all, of the Wasserstein-1 distance of the features
    projected on them (Rabin et al. 2011; as a loss Heitz et al. 2021).

    Returns:
        A scalar, 0 for the same distribution.
    """
    scale = reference.square().mean().sqrt()
    directions = _directions(features.shape[1]).to(features)
    ours, theirs = (ascending(directions @ f[0].flatten(1)) for f in (features, reference))
    distance = wasserstein_1d(ours, theirs).mean()
    # 0/0 means "equal", not "unknown".
    return torch.where(distance == 0, torch.zeros_like(distance), distance / scale)


@functools.cache
def _directions(channels: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return F.normalize(torch.randn(_DIRECTIONS, channels, generator=generator), dim=1)
