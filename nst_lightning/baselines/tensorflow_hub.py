"""The fast style transfer of TensorFlow Hub, the report's baseline."""

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nst_lightning.baselines.base import (
    Baseline,
    central_square,
    require_packages,
    to_channels_last,
)
from nst_lightning.errors import InputError
from nst_lightning.files import expanded

if TYPE_CHECKING:
    from torch import Tensor

#: The model of the TensorFlow Hub tutorial.
MAGENTA = "google/magenta/arbitrary-image-stylization-v1-256/2"
_HUB = "https://tfhub.dev/"
_STYLE_SIZE = 256
_TIMEOUT_SECONDS = 30.0


class TensorFlowHubStylizer(Baseline):
    """A style transfer from TensorFlow Hub, or any SavedModel with the same signature.

    Fed as in the Hub's tutorial: the style's middle square at 256 pixels, smoothed by a 3 x 3 mean
    (unlike in the tutorial, it is resized with antialiasing); the content at its own size. The
    model is called with both, NHWC in [0, 1], and its first output is the picture. It runs on the
    CPU: TensorFlow would take all of a GPU's memory from torch.

    Downloads are kept in the folder that the environment variable ``TFHUB_CACHE_DIR`` names;
    without it tensorflow-hub uses a folder that is lost at the next start of the machine.

    Args:
        handle: ``publisher/model/version`` on TensorFlow Hub, a full URL (https:// or gs://), or a
            folder with a ``saved_model.pb``.

    Raises:
        InputError: If TensorFlow or tensorflow-hub is not installed, the folder holds no
            SavedModel, or (when the first picture is made) the model cannot be fetched or has
            another signature.
    """

    name = "fast style transfer (TensorFlow Hub)"

    def __init__(self, handle: str = MAGENTA) -> None:
        super().__init__()
        require_packages("TensorFlowHubStylizer", "tensorflow", "tensorflow", "tensorflow_hub")
        self.handle = handle
        self._resolved = resolve_handle(handle)
        self._model: Any = None

    def load(self) -> None:
        """Fetch the model, or take it from the cache, and read it."""
        hub = import_tensorflow_hub()
        try:
            with _socket_timeout(_TIMEOUT_SECONDS):
                folder = hub.resolve(self._resolved)
        except Exception as error:
            message = f"cannot get the TensorFlow Hub model {self.handle}: {_first_line(error)}"
            if self._resolved.startswith(_HUB):
                message += (
                    f"; where there is a network, download {self._resolved}?tf-hub-format="
                    "compressed, unpack it into a folder and give the folder as the handle, or "
                    "copy a TFHUB_CACHE_DIR that has it"
                )
            raise InputError(message) from error
        try:
            self._model = hub.load(folder)
        except Exception as error:
            raise InputError(
                f"cannot read the TensorFlow model {self.handle} in {folder}: {_first_line(error)}"
            ) from error

    def stylize(self, content: "Tensor", style: "Tensor") -> "Tensor":
        """Make the picture at the content's size."""
        import tensorflow as tf
        import torch
        import torch.nn.functional as F

        height, width = content.shape[-2:]
        # The network halves the size twice; a multiple of 4 comes back as it went in.
        content = F.pad(content, (0, -width % 4, 0, -height % 4), mode="replicate")
        style = central_square(style, _STYLE_SIZE)
        style = F.avg_pool2d(style, 3, stride=1, padding=1, count_include_pad=False)
        images = [tf.constant(to_channels_last(image).numpy()) for image in (content, style)]
        try:
            picture = self._run(*images)
        except Exception as error:
            raise InputError(
                f"the TensorFlow model {self.handle} does not take a content and a style image "
                f"as {MAGENTA} does: {_first_line(error)}"
            ) from error
        picture = torch.from_numpy(picture.numpy().copy())
        if picture.ndim != 4 or picture.shape[-1] != 3:
            raise InputError(
                f"the TensorFlow model {self.handle} returns the shape {tuple(picture.shape)}, "
                "not a picture (1, H, W, 3)"
            )
        picture = picture.permute(0, 3, 1, 2)
        whole = picture.shape[-2:] == content.shape[-2:]
        return picture[..., :height, :width] if whole else picture

    def _run(self, content: Any, style: Any) -> Any:
        if callable(self._model):
            outputs = self._model(content, style)
        else:
            signature = self._model.signatures["serving_default"]
            # placeholder and placeholder_1: content and style, in this order.
            names = sorted(signature.structured_input_signature[1])
            outputs = signature(**dict(zip(names, (content, style), strict=True)))
        if isinstance(outputs, dict):
            outputs = [outputs[name] for name in sorted(outputs)]
        return outputs[0] if isinstance(outputs, list | tuple) else outputs


def resolve_handle(handle: str) -> str:
    """Return what tensorflow-hub understands: a URL or an existing folder.

    tensorflow-hub takes a bare ``publisher/model/version`` for a path; on the Hub it is an address.

    Raises:
        InputError: If it is a folder or an absolute path without a SavedModel, or empty.
    """
    if not handle.strip():
        raise InputError("the TensorFlow Hub handle is empty")
    if "://" in handle:
        return handle
    folder = expanded(handle)
    if folder.is_dir():
        if any((folder / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt")):
            return str(folder.resolve())
        raise InputError(f"the folder {handle} holds no SavedModel: saved_model.pb is missing")
    if folder.is_absolute() or handle.startswith((".", "~")):
        raise InputError(f"there is no folder {handle} with a SavedModel")
    return _HUB + handle.strip("/")


def import_tensorflow_hub() -> Any:
    """Import TensorFlow and tensorflow-hub so that torch survives it, and return the latter.

    TensorFlow from 2.20 on and triton, which torchvision and Lightning import through torch, crash
    the process if TensorFlow comes first. So triton is imported here first.

    Raises:
        InputError: If one of them cannot be imported.
    """
    if "tensorflow" not in sys.modules:
        with contextlib.suppress(ImportError):
            import triton  # noqa: F401
    # Its information lines say nothing to a painter.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf
        import tensorflow_hub
    except ImportError as error:
        why = _first_line(error)
        if "pkg_resources" in str(error):
            why += '; tensorflow-hub needs pip install "setuptools<82"'
        raise InputError(f"cannot import TensorFlow Hub: {why}") from error
    with contextlib.suppress(RuntimeError):
        # Refused once TensorFlow has begun to use a GPU: then it is too late.
        tf.config.set_visible_devices([], "GPU")
    return tensorflow_hub


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Give up on a silent network: tensorflow-hub itself would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
