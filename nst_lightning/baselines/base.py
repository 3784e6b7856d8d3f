"""The interface of a baseline, and what all of them need; imports torch when a picture is made."""

import importlib.util
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from nst_lightning.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


class Baseline(ABC):
    """A feed-forward style transfer: content and style in, picture of the content's size out.

    For a model of your own write a subclass with :meth:`stylize`, in a file anywhere, and name it
    in YAML by its ``class_path``. A call checks the images, loads the model once, and brings what
    ``stylize`` returns to the content's size, range, precision and device::

        class Negative(Baseline):
            name = "negative"

            def stylize(self, content, style):
                return 1 - content
    """

    name: str = ""
    """What reports call it; the class's name if empty."""

    _loaded = False

    def __call__(self, content: "Tensor", style: "Tensor") -> "Tensor":
        """Make the picture of a content (1, 3, H, W) and a style (1, 3, h, w), both in [0, 1].

        It has the content's shape, precision and device.

        Raises:
            InputError: If the model cannot be had, or a picture holds NaN.
            ValueError: If an image has another shape, or the model returns another one.
        """
        import torch

        from nst_lightning.data.resizing import resize_to
        from nst_lightning.metrics.pictures import check_picture

        check_picture(content, "content")
        check_picture(style, "style")
        self.ensure_loaded()
        with torch.no_grad():
            picture = self.stylize(content.float(), style.to(content.device).float())
        if picture.ndim != 4 or picture.shape[:2] != (1, 3):
            raise ValueError(
                f"{self.label} returned the shape {tuple(picture.shape)} instead of (1, 3, H, W)"
            )
        if not bool(torch.isfinite(picture).all()):
            raise InputError(f"{self.label} returned a picture with NaN or infinite values")
        height, width = content.shape[-2:]
        with torch.no_grad():
            picture = resize_to(picture.to(content).clamp(0, 1), (height, width))
        return picture.clone() if picture is content else picture

    @property
    def label(self) -> str:
        """What reports and messages call it."""
        return self.name or type(self).__name__

    def ensure_loaded(self) -> None:
        """Load the model now if it is not loaded yet, to fail before the work rather than after.

        Raises:
            InputError: If the model cannot be had.
        """
        if not self._loaded:
            self.load()
            self._loaded = True

    def load(self) -> None:  # noqa: B027 - many models need nothing
        """Read the model; called once, before the first picture. Does nothing unless overridden."""

    @abstractmethod
    def stylize(self, content: "Tensor", style: "Tensor") -> "Tensor":
        """Make a picture (1, 3, any, any), which is resized to the content's size.

        The content is (1, 3, H, W), the style (1, 3, h, w), both float32 in [0, 1].
        """


def require_packages(what: str, extra: str, *modules: str) -> None:
    """Say how ``what`` gets the modules of an extra if one is missing; imports nothing.

    Raises:
        InputError: If one is missing.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise InputError(
            f"{what} needs {' and '.join(missing)}, which {verb} not installed: run with "
            f'`uv run --extra {extra}`, or pip install "nst-lightning[{extra}]"'
        )


def central_square(style: "Tensor", size: int) -> "Tensor":
    """Crop the middle square of a style image and resize it, as Magenta's examples do."""
    from nst_lightning.data.resizing import resize_to

    height, width = style.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize_to(style[..., top : top + side, left : left + side], (size, size))


def to_channels_last(image: "Tensor") -> "Tensor":
    """(1, 3, H, W) -> contiguous (1, H, W, 3) in main memory, as TensorFlow lays images out."""
    return image.permute(0, 2, 3, 1).contiguous().cpu()
