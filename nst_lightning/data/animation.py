"""Encode a sequence of pictures as an animated GIF or WebP; nothing is written here."""

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

_PALETTE_FRAMES = 8  # frames, spread over the run, that the palette of a GIF is drawn from
_PALETTE_SIDE = 256


def frame_times(count: int, fps: float, hold: float) -> list[int]:
    """Return milliseconds a frame; GIF counts in hundredths of a second, two at the least."""
    step = max(20, 10 * round(100 / fps))
    return [step] * (count - 1) + [max(step, round(1000 * hold))]


def encode_gif(pictures: Sequence[Image.Image], times: Sequence[int]) -> bytes:
    """Encode with one palette of 256 colours for all frames, so that still areas do not flicker."""
    palette = _common_palette(pictures)
    return _encode([picture.quantize(palette=palette) for picture in pictures], "GIF", times)


def encode_webp(pictures: Sequence[Image.Image], times: Sequence[int]) -> bytes:
    """Encode in full colour, lossy at quality 90."""
    return _encode(pictures, "WEBP", times, quality=90)


def _encode(
    pictures: Sequence[Image.Image], format_: str, times: Sequence[int], **options: Any
) -> bytes:
    buffer = io.BytesIO()
    duration = list(times) if len(times) > 1 else times[0]
    options |= {"append_images": pictures[1:], "duration": duration, "loop": 0}
    pictures[0].save(buffer, format_, save_all=True, **options)
    return buffer.getvalue()


def _common_palette(pictures: Sequence[Image.Image]) -> Image.Image:
    count = min(_PALETTE_FRAMES, len(pictures))
    chosen = [pictures[i * (len(pictures) - 1) // max(1, count - 1)].copy() for i in range(count)]
    for picture in chosen:
        picture.thumbnail((_PALETTE_SIDE, _PALETTE_SIDE))
    montage = Image.new("RGB", (chosen[0].width, sum(p.height for p in chosen)))
    for index, picture in enumerate(chosen):
        montage.paste(picture, (0, index * picture.height))
    return montage.quantize(256, Image.Quantize.MEDIANCUT)
