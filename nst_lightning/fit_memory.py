"""A run's memory at each of its scales."""

import torch
from torch import Tensor
from torch.optim import Optimizer

from nst_lightning.budget import Budget
from nst_lightning.data.image_pair import ImagePair
from nst_lightning.encoder import Stepwise
from nst_lightning.errors import InputError
from nst_lightning.memory import give_back_large
from nst_lightning.objective import Objective
from nst_lightning.optim.protocols import KeepsPairs
from nst_lightning.peak import Job


def fit_memory(
    budget: Budget,
    objective: Objective,
    pair: ImagePair,
    image: Tensor,
    steps: float,
    optimizer: Optimizer | None,
    first: bool = True,
    refined: bool = False,
) -> None:
    """Choose how pictures of the present scale are computed within the memory.

    Args:
        budget: What the run may take.
        objective: Is told how pictures are cut.
        pair: Pictures at the present scale.
        image: The picture, ``(1, 3, H, W)``.
        steps: Of the whole run.
        optimizer: Is told how many secant pairs to keep, if it keeps such; before its first step.
        first: Whether the run begins here: then its last scale is planned too, and one line said.
        refined: Whether it goes on in float32 from here; the optimiser's pairs stay as they are.

    Raises:
        InputError: If the last scale does not fit.
    """
    encoder, keeper = objective.encoder, optimizer if isinstance(optimizer, KeepsPairs) else None
    if not isinstance(encoder, Stepwise):
        budget.refuse_uncut(encoder)
        return
    if not encoder.taps:
        return
    with torch.enable_grad():
        half = encoder.in_half(image)
    kept = keeper.pairs_kept if keeper is not None else 0
    at_scale = pair.steps_left(0, int(min(steps, 2**31)))

    def job(scale: int) -> Job:
        pairs = min(kept, at_scale[scale])
        return Job(encoder, objective.terms, *pair.sizes(scale), half, pairs)

    largest = job(len(pair.scales)) if first else None
    try:
        plan = budget.plan(job(pair.scale), largest, image.device)
    except InputError:
        if refined:
            return  # better too much than no end
        raise
    objective.tiles = plan.tiles if plan is not None else None
    if objective.tiles is not None and image.device.type == "cpu":
        give_back_large()
    if keeper is not None and plan is not None and plan.half_pairs and not refined:
        keeper.keep_pairs(plan.pairs, half=True)
