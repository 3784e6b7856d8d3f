"""What a picture is measured by: ``torchmetrics`` classes, and the pure formulas behind them.

The names are loaded when they are first used, so that ``import nst_lightning.metrics`` costs
nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nst_lightning.metrics.colour import ColourDistance
    from nst_lightning.metrics.evaluate import PictureMetrics, evaluate_picture
    from nst_lightning.metrics.high_frequency import HighFrequencyDeltas, TotalVariation
    from nst_lightning.metrics.improvement import error_improvement, score_improvement
    from nst_lightning.metrics.perceptual import DISTS, LPIPS
    from nst_lightning.metrics.pixel_error import MSE, PSNR, RMSE
    from nst_lightning.metrics.structural_similarity import MSSSIM, SSIM
    from nst_lightning.metrics.style_distance import StyleDistance

__all__ = [
    "DISTS",
    "LPIPS",
    "MSE",
    "MSSSIM",
    "PSNR",
    "RMSE",
    "SSIM",
    "ColourDistance",
    "HighFrequencyDeltas",
    "PictureMetrics",
    "StyleDistance",
    "TotalVariation",
    "error_improvement",
    "evaluate_picture",
    "score_improvement",
]

_WHERE = {
    "DISTS": "perceptual",
    "LPIPS": "perceptual",
    "MSE": "pixel_error",
    "MSSSIM": "structural_similarity",
    "PSNR": "pixel_error",
    "RMSE": "pixel_error",
    "SSIM": "structural_similarity",
    "ColourDistance": "colour",
    "HighFrequencyDeltas": "high_frequency",
    "PictureMetrics": "evaluate",
    "StyleDistance": "style_distance",
    "TotalVariation": "high_frequency",
    "error_improvement": "improvement",
    "evaluate_picture": "evaluate",
    "score_improvement": "improvement",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
