"""Optimisation-based neural style transfer as a Lightning framework.

>>> from nst_lightning import stylize
>>> stylize("cat.jpg", "klimt.jpg", size=384).save("golden_cat.png")  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nst_lightning.data.image_pair import ImagePair
    from nst_lightning.encoder import VGG19Encoder
    from nst_lightning.errors import InputError
    from nst_lightning.losses import LossTerm
    from nst_lightning.module import NeuralStyleTransfer
    from nst_lightning.notebook import stylize
    from nst_lightning.optim import BoundedLBFGS

__version__ = "0.2.0"
"""The one place of the version: pyproject.toml reads it, and a job that has only the source."""

__all__ = [
    "BoundedLBFGS",
    "ImagePair",
    "InputError",
    "LossTerm",
    "NeuralStyleTransfer",
    "VGG19Encoder",
    "stylize",
]

_WHERE = {
    "BoundedLBFGS": "optim",
    "ImagePair": "data.image_pair",
    "InputError": "errors",
    "LossTerm": "losses",
    "NeuralStyleTransfer": "module",
    "VGG19Encoder": "encoder",
    "stylize": "notebook",
}


def __getattr__(name: str) -> Any:
    # Loaded when first used: torch and Lightning take seconds to import.
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    # Importing nst_lightning.notebook puts the module here under the function's name: replace it.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
