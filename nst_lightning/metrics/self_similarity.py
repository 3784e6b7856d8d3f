"""Whether what belongs together in the photograph still does: relations between places.

Features are those of one picture, (1, C, h, w); both pictures must have the same size. Colour and
stroke may change all features; as long as they change alike places alike, the relations stay.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nst_lightning.losses.self_similarity import relation_distance, relations

_NUMBERS_AT_ONCE = 2**24  # 64 MB in float32


def self_similarity_distance(features: Tensor, reference: Tensor) -> Tensor:
    """Difference of the cosine distances between places (STROTSS, Kolkin et al. 2019).

    `relations` holds the cosine distances of all pairs of the n places, each column divided by its
    sum; the distance is n · mean |relations(features) - relations(reference)|, which does not grow
    with n.

    Returns:
        A scalar from 0, the same relations, to 2.
    """
    ours, theirs = (relations(f.flatten(2).mT) for f in (features, reference))  # (1, n, n)
    return relation_distance(ours, theirs)


def content_feature_structural_distance(features: Tensor, reference: Tensor) -> Tensor:
    """Divergence of the places' likeness to one another (CFSD of StyleID, Chung et al. 2024).

    With F the features, divided by their number of channels, P = softmax(Fᵀ F) says for each place
    how alike all others are; the distance is KL(P(reference) ‖ P(features)), the mean over the
    places. The paper takes the sum, which grows with the picture.

    Returns:
        A scalar, 0 or more, in thousandths of a nat: with features divided by their channels no
        place is much more alike than another. 0 for the same relations.
    """
    ours, theirs = (f[0].flatten(1) / f.shape[1] for f in (features, reference))  # (C, n)
    total = ours.new_zeros(())
    for parts in zip(*(torch.split(f, _block(f), dim=1) for f in (ours, theirs)), strict=True):
        log_ours, log_theirs = (
            (part.mT @ every).log_softmax(1)
            for every, part in zip((ours, theirs), parts, strict=True)
        )  # (rows, n)
        total += F.kl_div(log_ours, log_theirs, reduction="sum", log_target=True)
    return 1000 * total.clamp(min=0) / ours.shape[1]


def _block(features: Tensor) -> int:
    return max(1, _NUMBERS_AT_ONCE // features.shape[1])
