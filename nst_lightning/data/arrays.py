"""Pictures that are NumPy arrays or torch tensors: what their numbers mean, and nothing guessed."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from nst_lightning.data.rows import Rows
from nst_lightning.errors import InputError

Array = NDArray[Any] | Tensor
"""(H, W) or (H, W, C) in NumPy, (H, W), (C, H, W) or (1, C, H, W) in torch; C is 1 to 4."""

_CHANNELS = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}
_ROUNDING = 1e-4
"""How far a float may be outside of [0, 1] before it is no rounding."""


def from_array(source: Array, name: str) -> Image.Image | Rows:
    """Read whole numbers of 8 bits as the Pillow picture that they are, all else as it stands.

    Args:
        source: uint8 (0 to 255), uint16 (0 to 65535) or floats (0 to 1), sRGB, not premultiplied.
        name: What messages call it.

    Raises:
        InputError: If shape, type or a value is another.
    """
    samples = _channels_last(source, name)
    if samples.dtype == np.uint8:
        flat = samples[..., 0] if samples.shape[-1] == 1 else samples
        return Image.fromarray(np.ascontiguousarray(flat))
    if samples.dtype == np.uint16:
        full = 65535.0
    elif samples.dtype.kind == "f":
        full = 1.0
        _check_floats(samples, name)
    else:
        raise InputError(
            f"{name} is of {samples.dtype}; give uint8 from 0 to 255, uint16 to 65535, or floats "
            "from 0 to 1"
        )
    height, width, channels = samples.shape

    transparent = channels in (2, 4) and bool((samples[..., -1] < full).any())

    def read(rows: slice) -> tuple[Tensor, Tensor | None]:
        part = np.ascontiguousarray(samples[rows], np.float32) / np.float32(full)
        planes = torch.from_numpy(part).clamp(0, 1).permute(2, 0, 1)[None]  # (1, C, h, W)
        colours, alpha = (planes[:, :-1], planes[:, -1:]) if channels in (2, 4) else (planes, None)
        return colours.expand(1, 3, -1, -1).contiguous(), alpha if transparent else None

    return Rows(height, width, transparent, read, [])


def _channels_last(source: Array, name: str) -> NDArray[Any]:
    """Return an array (H, W, C)."""
    shape = tuple(source.shape)
    if isinstance(source, Tensor):
        planes = source.detach().cpu()
        planes = planes.to(torch.float32) if planes.dtype == torch.bfloat16 else planes
        planes = planes.squeeze(0) if planes.ndim == 4 and shape[0] == 1 else planes
        planes = planes[None] if planes.ndim == 2 else planes
        if planes.ndim != 3 or planes.shape[0] not in _CHANNELS:
            last = planes.ndim == 3 and planes.shape[-1] in _CHANNELS
            how = "permute(2, 0, 1) puts its channels first" if last else "give (C, H, W)"
            raise InputError(f"{name} has the shape {shape}; {how}, {_names()}")
        samples: NDArray[Any] = planes.permute(1, 2, 0).numpy()
    else:
        samples = source[..., None] if source.ndim == 2 else source
        if samples.ndim != 3 or samples.shape[-1] not in _CHANNELS:
            first = samples.ndim == 3 and samples.shape[0] in _CHANNELS
            how = "transpose(1, 2, 0) puts its channels last" if first else "give (H, W, C)"
            raise InputError(f"{name} has the shape {shape}; {how}, {_names()}")
    if 0 in samples.shape:
        raise InputError(f"{name} has the shape {shape}: there is nothing in it")
    return samples


def _names() -> str:
    return ", ".join(f"C = {number} {word}" for number, word in _CHANNELS.items())


def _check_floats(samples: NDArray[Any], name: str) -> None:
    if not np.isfinite(samples).all():
        raise InputError(f"{name} holds values that are not finite (NaN or infinity)")
    low, high = float(samples.min()), float(samples.max())
    if low >= -_ROUNDING and high <= 1 + _ROUNDING:
        return
    how = "divide it by 255" if low >= 0 and 2 < high <= 255 else "clip it, or scale it"
    raise InputError(f"{name} holds values from {low:g} to {high:g}, where 0 to 1 is meant; {how}")
