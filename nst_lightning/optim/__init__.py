"""Optimisers that keep the picture a picture."""

from nst_lightning.optim.bounded_lbfgs import BoundedLBFGS
from nst_lightning.optim.preconditioner import FixedFourier, Preconditioner
from nst_lightning.optim.protocols import AsksToRefine, FollowsObjective, Resettable
from nst_lightning.optim.scaled_lbfgs import ScaledLBFGS
from nst_lightning.optim.secant_fourier import SecantFourier

__all__ = [
    "AsksToRefine",
    "BoundedLBFGS",
    "FixedFourier",
    "FollowsObjective",
    "Preconditioner",
    "Resettable",
    "ScaledLBFGS",
    "SecantFourier",
]
