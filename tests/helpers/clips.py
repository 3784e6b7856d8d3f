"""Clips that the tests make for themselves, and what is known of them without reading them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

RATE = 48_000

# Luma's weights of red and blue, by the number of the matrix in ITU-T H.273.
WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def smooth(index: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Return a picture without edges, which moves by two pixels with each index."""
    width, height = size
    x = (np.arange(width)[None, :] + 2 * index) / width
    y = np.arange(height)[:, None] / height
    red = 200 - 150 * x + 0 * y
    green = 40 + 170 * y + 0 * x
    blue = 120 + 80 * np.sin(3 * x + 2 * y)
    return Image.fromarray(np.clip(np.stack([red, green, blue], -1), 0, 255).astype(np.uint8))


def error(picture: Image.Image, expected: Image.Image) -> float:
    """Return the mean difference of two pictures of one size, in levels."""
    assert picture.size == expected.size
    return float(np.abs(np.asarray(picture, float) - np.asarray(expected, float)).mean())


def make(
    path: Path,
    pictures: Sequence[Image.Image] | None = None,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: Fraction | int = 25,
    times: Sequence[Fraction] | None = None,
    options: dict[str, str] | None = None,
    sound: str | None = None,
    file_options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a clip, of 24 smooth pictures if none are given, and as long a tone that rises."""
    import av

    pictures = pictures if pictures is not None else [smooth(index) for index in range(24)]
    times = times or [index / Fraction(rate) for index in range(len(pictures))]
    base = Fraction(1, 30_000)
    # x265 speaks for itself.
    options = {"x265-params": "log-level=none"} | (options or {}) if "265" in codec else options
    with av.open(str(path), "w", options=file_options or {}) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = pixels
        stream.codec_context.time_base = base
        if aspect:
            stream.sample_aspect_ratio = aspect
        audio = container.add_stream(sound, rate=RATE) if sound else None
        if audio:
            audio.layout = "stereo"
        for time, picture in zip(times, pictures, strict=True):
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = round(time / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            count = round((times[-1] + 1 / Fraction(rate)) * RATE)
            for start in range(0, count, 1024):
                moments = np.arange(start, min(count, start + 1024)) / RATE
                wave = rising(moments).astype(np.float32)
                part = av.AudioFrame.from_ndarray(np.stack([wave, wave]), "fltp", "stereo")
                part.sample_rate, part.pts, part.time_base = RATE, start, Fraction(1, RATE)
                container.mux(audio.encode(part))
            container.mux(audio.encode(None))
    return path


def rising(moments: np.ndarray) -> np.ndarray:
    """Return a tone that rises, so that each moment sounds unlike the others."""
    return np.sin(2 * np.pi * (300 * moments + 400 * moments**2)) / 2


def heard(path: Path, began: float = 0) -> tuple[str, float, float, float]:
    """Return a file's sound: its codec, when it begins and ends, and by how many ms it is late.

    Args:
        path: The file.
        began: Seconds of the source, as `make` makes it, before the file's beginning.
    """
    import av
    from scipy.signal import correlate

    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler("fltp", "mono", RATE)
        frames = [f for frame in container.decode(stream) for f in resampler.resample(frame)]
        frames += resampler.resample(None)
        begin = float(frames[0].pts * frames[0].time_base)
        wave = np.concatenate([frame.to_ndarray()[0] for frame in frames])
        name = stream.codec_context.codec.canonical_name
    middle = wave[RATE // 10 : -RATE // 10]
    most = RATE // 20  # 50 ms
    moments = begin + began + (np.arange(-most, len(middle) + most) + RATE // 10) / RATE
    match = correlate(rising(moments), middle, mode="valid", method="fft")
    return name, begin, begin + len(wave) / RATE, 1000 * (most - int(np.argmax(match))) / RATE


def to_yuv(levels: np.ndarray, matrix: int, full: bool, bits: int) -> list[np.ndarray]:
    """Return the planes of (H, W, 3) levels by the formulas of BT.601, BT.709 and BT.2020."""
    red_weight, blue_weight = WEIGHTS[matrix]
    red, green, blue = (levels[..., channel] / 255 for channel in range(3))
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    chroma = (blue - luma) / (2 - 2 * blue_weight), (red - luma) / (2 - 2 * red_weight)
    most, unit = 2**bits - 1, 2 ** (bits - 8)
    if full:
        planes = [luma * most, *(part * most + 2 ** (bits - 1) for part in chroma)]
    else:
        planes = [(16 + 219 * luma) * unit, *((128 + 224 * part) * unit for part in chroma)]
    return [np.clip(np.round(plane), 0, most) for plane in planes]
