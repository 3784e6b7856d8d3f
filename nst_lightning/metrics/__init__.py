"""What a picture is measured by: :class:`PictureMetrics`, made of torchmetrics' functions and ours.

The names are loaded when they are first used: importing this package imports no torch.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from nst_lightning.metrics.evaluate import PictureMetrics
    from nst_lightning.metrics.improvement import error_improvement, score_improvement

__all__ = ["PictureMetrics", "error_improvement", "score_improvement"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluate": ["PictureMetrics"],
        "improvement": ["error_improvement", "score_improvement"],
    },
)
