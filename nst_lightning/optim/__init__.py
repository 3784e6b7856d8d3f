"""Optimisers that keep the picture a picture."""

from nst_lightning.optim.bounded_lbfgs import BoundedLBFGS
from nst_lightning.optim.preconditioner import FixedFourier, Preconditioner, SecantFourier

__all__ = ["BoundedLBFGS", "FixedFourier", "Preconditioner", "SecantFourier"]
