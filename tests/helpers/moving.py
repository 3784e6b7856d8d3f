"""A photograph under a known camera, with something that moves before it."""

import numpy as np
import torch
from PIL import Image

from nst_lightning.data.images import load_image
from nst_lightning.video.painting import as_frame

OCCLUDER = 24  # pixels, square


def moving(
    count: int,
    *,
    size: tuple[int, int] = (128, 88),
    pan: float = 1.5,
    zoom: float = 1.0,
    occluder: float = 3.0,
    photograph: str = "sample:starry",
) -> tuple[list[Image.Image], list[np.ndarray]]:
    """Make frames, and the true flow from each to the one before it.

    Args:
        count: Frames.
        size: Width and height.
        pan: Pixels a frame that the camera goes to the right.
        zoom: Factor a frame.
        occluder: Pixels a frame that a square goes to the right; 0 for none.
        photograph: Of what.

    Returns:
        Frames, RGB; of each ``(2, H, W)``, in pixels, NaN where the place was hidden.
    """
    whole = Image.fromarray(as_frame(load_image(photograph, 420).pixels))
    square = whole.resize((OCCLUDER, OCCLUDER)).transpose(Image.Transpose.ROTATE_180)
    width, height = size
    frames, flows = [], []
    rows, columns = np.mgrid[:height, :width].astype(float)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    for number in range(count):
        factor = 1 / zoom**number
        offset = np.array([40 + pan * number, 60.0])
        corner = offset + middle - factor * middle
        # Pillow's transforms speak of corners of pixels, ours of their middles.
        shift = corner + 0.5 - 0.5 * factor
        frame = whole.transform(
            size,
            Image.Transform.AFFINE,
            (factor, 0, shift[0], 0, factor, shift[1]),
            Image.Resampling.BICUBIC,
        )
        at = round(10 + occluder * number)
        if occluder:
            frame.paste(square, (at, 30))
        frames.append(frame)
        before = zoom  # a place was so much nearer the middle
        flow = np.stack(
            [
                (columns - middle[0]) / before + middle[0] + pan * zoom ** (number - 1) - columns,
                (rows - middle[1]) / before + middle[1] - rows,
            ]
        )
        if occluder:
            was = round(10 + occluder * (number - 1))
            inside = (columns >= at) & (columns < at + OCCLUDER) & (rows >= 30) & (rows < 54)
            there = columns + flow[0], rows + flow[1]
            hidden = (there[0] > was - 1) & (there[0] < was + OCCLUDER)
            hidden &= (there[1] > 29) & (there[1] < 54)
            flow[:, hidden] = np.nan
            flow[0][inside], flow[1][inside] = was - at, 0
        flows.append(flow)
    return frames, flows


def endpoint_error(found: np.ndarray, true: np.ndarray) -> float:
    """Return the median distance, in pixels, of a flow to the truth where that is known."""
    error = np.hypot(*(found - true))
    return float(np.median(error[np.isfinite(error)]))


def stack(frames: list[Image.Image]) -> torch.Tensor:
    """Return frames as ``(N, 3, H, W)``, values in [0, 1]."""
    return (
        torch.stack([torch.from_numpy(np.array(f)).permute(2, 0, 1) for f in frames]).float() / 255
    )
