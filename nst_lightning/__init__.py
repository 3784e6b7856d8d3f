"""Optimisation-based neural style transfer as a Lightning framework.

>>> from nst_lightning import stylize
>>> stylize("cat.jpg", "klimt.jpg", size=384).save("golden_cat.png")  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

import lazy_loader

__version__ = "0.2.0"
"""The one place of the version: pyproject.toml reads it, and a job that has only the source."""

if TYPE_CHECKING:
    from nst_lightning.data.image_pair import ImagePair as ImagePair
    from nst_lightning.encoder import VGG19Encoder as VGG19Encoder
    from nst_lightning.errors import InputError as InputError
    from nst_lightning.losses import LossTerm as LossTerm
    from nst_lightning.module import NeuralStyleTransfer as NeuralStyleTransfer
    from nst_lightning.notebook import stylize as stylize
    from nst_lightning.optim import BoundedLBFGS as BoundedLBFGS
    from nst_lightning.session import open_run as open_run

# Loaded when first used: torch and Lightning take seconds to import.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "data.image_pair": ["ImagePair"],
        "encoder": ["VGG19Encoder"],
        "errors": ["InputError"],
        "losses": ["LossTerm"],
        "module": ["NeuralStyleTransfer"],
        "notebook": ["stylize"],
        "optim": ["BoundedLBFGS"],
        "session": ["open_run"],
    },
)
