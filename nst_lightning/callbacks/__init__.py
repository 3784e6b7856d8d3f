"""What happens around the steps: pictures on the way, guards, progress, the closing summary."""

from nst_lightning.callbacks.graceful_stop import GracefulStop
from nst_lightning.callbacks.image_checkpoint import ImageCheckpoint
from nst_lightning.callbacks.loss_explosion import LossExplosion
from nst_lightning.callbacks.progress import StyleProgressBar
from nst_lightning.callbacks.run_checkpoint import RunCheckpoint
from nst_lightning.callbacks.summary import RunSummary
from nst_lightning.callbacks.weight_schedule import (
    ConstantWeight,
    CosineWeight,
    EpochWeights,
    LinearWeight,
    WeightSchedule,
)

__all__ = [
    "ConstantWeight",
    "CosineWeight",
    "EpochWeights",
    "GracefulStop",
    "ImageCheckpoint",
    "LinearWeight",
    "LossExplosion",
    "RunCheckpoint",
    "RunSummary",
    "StyleProgressBar",
    "WeightSchedule",
]
