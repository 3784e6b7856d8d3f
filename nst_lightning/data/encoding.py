"""From float pixels or frames to the bytes of a picture file, in bands where the whole is large."""

import io
import struct
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo, putchunk
from torch import Tensor

from nst_lightning.data.decoding import PNG_KEYWORD
from nst_lightning.data.metadata import SOFTWARE
from nst_lightning.data.rows import bands

JPEG_TEXT = 60_000
"""Bytes of a text that a JPEG takes; its EXIF block ends at 65,535."""
_PALETTE_FRAMES = 8  # frames, spread over the run, that the palette of a GIF is drawn from
_PALETTE_SIDE = 256
_CLASSIC_TIFF = 2**32 - 2**25  # bytes; its offsets have 32 bits, and there is more than pixels

Samples = NDArray[Any]
"""Whole levels, (H, W, 3) or with alpha (H, W, 4), uint8 or uint16."""


def quantise(pixels: Tensor, alpha: Tensor | None, bits: int, *, on_white: bool = False) -> Samples:
    """Round to whole levels of 8 or 16 bits, halves up, after clamping to [0, 1].

    Pixels have the shape (1, 3, H, W) or (3, H, W), alpha (1, 1, H, W), (1, H, W) or (H, W);
    ``on_white`` leaves no alpha but lays the pixels on white by it.

    Raises:
        ValueError: If the shapes do not fit, or a value is not finite or no float.
    """
    planes = (pixels.squeeze(0) if pixels.ndim == 4 else pixels).detach()
    if planes.ndim != 3 or planes.shape[0] != 3:
        raise ValueError(f"pixels must have shape (1, 3, H, W), not {tuple(pixels.shape)}")
    if not planes.is_floating_point():
        raise ValueError(f"pixels must be floats in [0, 1], not {planes.dtype}")
    height, width = planes.shape[-2:]
    opacity = None
    if alpha is not None:
        if tuple(alpha.shape[-2:]) != (height, width) or alpha.numel() != height * width:
            size = (height, width)
            raise ValueError(f"alpha of shape {tuple(alpha.shape)} does not fit pixels of {size}")
        opacity = alpha.detach().reshape(1, height, width)
    channels = 3 if opacity is None or on_white else 4
    levels = np.empty((height, width, channels), np.uint8 if bits == 8 else np.uint16)
    for rows in bands(height, width):
        band = planes[:, rows]
        if opacity is not None and on_white:
            band = torch.lerp(torch.ones_like(band), band, opacity[:, rows].to(band))
        # Doubles: a float32 near 65535 has too few digits left for the half.
        band = band.to("cpu", torch.float64)
        if opacity is not None and not on_white:
            band = torch.cat([band, opacity[:, rows].to("cpu", torch.float64)])
        if not bool(band.sum().isfinite()):  # a NaN or an infinity makes the sum one
            raise ValueError("the picture holds values that are not finite (NaN or infinity)")
        whole = whole_levels(band, bits).permute(1, 2, 0)  # (3 or 4, h, W) -> (h, W, 3 or 4)
        torch.from_numpy(levels[rows]).copy_(whole)
    return levels


def whole_levels(values: Tensor, bits: int) -> Tensor:
    """Return values in [0, 1], doubles of any shape, as whole levels: halves up, clamped."""
    return values.clamp(0, 1).mul_(2**bits - 1).add_(0.5).floor_()


@cache
def srgb_profile() -> bytes:
    """Return an sRGB ICC profile, the same bytes on every call and day."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # Bytes 24 to 35 are the date of its creation, which is now; identical pictures shall give
    # identical files. Bytes 84 to 99 are an optional checksum: zero means that there is none.
    data[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    data[84:100] = bytes(16)
    return bytes(data)


def encode_png(levels: Samples, text: str | None, file: BinaryIO) -> None:
    """Write 8 or 16 bits a channel, with an sRGB profile and the settings as text."""
    if levels.dtype == np.uint16:
        _png16(levels, text, file)
        return
    _pillow(levels, "PNG", file, pnginfo=_png_info(text), optimize=False, compress_level=6)


def as_pillow(levels: Samples, text: str) -> Image.Image:
    """Return levels of 8 bits as a Pillow picture that takes its settings along when it is saved.

    They are its ``info["nst_lightning"]``, too, which its copies keep.
    """
    picture: Any = Image.fromarray(levels)
    picture.info |= {"icc_profile": srgb_profile(), PNG_KEYWORD: text}
    # What `Image.save` takes into the file by itself, from Pillow 11.1 on.
    picture.encoderinfo = {"pnginfo": _png_info(text), "icc_profile": srgb_profile()}
    if len(text) <= JPEG_TEXT:
        picture.encoderinfo["exif"] = _exif(text)
    return picture  # type: ignore[no-any-return]


def encode_jpeg(levels: Samples, text: str | None, file: BinaryIO, quality: int) -> None:
    """Write at full colour resolution (4:4:4)."""
    # To memory first, compressed: of a file's full disk Pillow says only "encoder error".
    buffer = io.BytesIO()
    # Not optimize=True: Pillow then guesses the size of its buffer, too small for a busy picture.
    _pillow(levels, "JPEG", buffer, quality=quality, subsampling=0, exif=_exif(text))
    file.write(buffer.getbuffer())


def encode_webp(levels: Samples, text: str | None, file: BinaryIO, quality: int) -> None:
    """Write; quality 100 is lossless, WebP's only way to keep the full colour resolution."""
    lossless = quality == 100
    _pillow(levels, "WEBP", file, quality=quality, lossless=lossless, exif=_exif(text))


def encode_tiff(levels: Samples, text: str | None, file: BinaryIO) -> None:
    """Write 8 or 16 bits a channel, losslessly compressed; BigTIFF where 4 GB may not do."""
    import tifffile

    tifffile.imwrite(
        file,
        levels,
        bigtiff=levels.nbytes > _CLASSIC_TIFF,
        photometric="rgb",
        extrasamples=["unassalpha"] if levels.shape[-1] == 4 else None,
        compression="zlib",
        iccprofile=srgb_profile(),
        description=text,
        software=SOFTWARE,
        # No shape comment of tifffile's own: the description holds the settings.
        metadata=None,
    )


def _pillow(levels: Samples, format_: str, file: BinaryIO, **options: Any) -> None:
    Image.fromarray(levels).save(file, format_, icc_profile=srgb_profile(), **options)


def _png_info(text: str | None) -> PngInfo:
    info = PngInfo()
    info.add_text("Software", SOFTWARE)
    if text is not None:
        info.add_itxt(PNG_KEYWORD, text)
    return info


def _exif(text: str | None) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = SOFTWARE
    if text is not None:
        exif[ExifTags.Base.ImageDescription] = text
    return exif


def _png16(levels: Samples, text: str | None, file: BinaryIO) -> None:
    """Write a PNG of 16 bits a channel chunk by chunk: Pillow writes colour at 8 bits only."""
    height, width, channels = levels.shape
    header = struct.pack(">2I5B", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    file.write(b"\x89PNG\r\n\x1a\n")
    putchunk(file, b"IHDR", header)
    putchunk(file, b"iCCP", b"sRGB\0\0" + zlib.compress(srgb_profile(), 9))
    putchunk(file, b"tEXt", b"Software\0" + SOFTWARE.encode("latin-1"))
    if text is not None:
        # Keyword, not compressed, no language, no translated keyword.
        putchunk(file, b"iTXt", PNG_KEYWORD.encode() + b"\0\0\0\0\0" + text.encode())
    stream = zlib.compressobj(6)
    above = np.zeros_like(levels[:1])
    for rows in bands(height, width):
        putchunk(file, b"IDAT", stream.compress(_filter_paeth(levels[rows], above)))
        above = levels[rows][-1:]
    putchunk(file, b"IDAT", stream.flush())
    putchunk(file, b"IEND", b"")


def _filter_paeth(levels: Samples, above: Samples) -> bytes:
    """Replace each byte by its difference to the best of left, up and upper left (PNG filter 4)."""
    height, width, channels = levels.shape
    step = channels * 2
    padded = np.zeros((height + 1, (width + 1) * step), np.int16)
    whole = np.concatenate([above, levels]).astype(">u2").view(np.uint8)
    padded[:, step:] = whole.reshape(height + 1, width * step)
    raw = padded[1:, step:]
    left, up, corner = padded[1:, :-step], padded[:-1, step:], padded[:-1, :-step]
    estimate = left + up - corner
    to_left, to_up, to_corner = (np.abs(estimate - p) for p in (left, up, corner))
    nearest = np.where(to_up <= to_corner, up, corner)
    nearest = np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)
    lines = np.empty((height, 1 + raw.shape[1]), np.uint8)
    lines[:, 0] = 4
    lines[:, 1:] = (raw - nearest) & 0xFF
    return lines.tobytes()


def frame_times(count: int, fps: float, hold: float) -> list[int]:
    """Return milliseconds a frame; GIF counts in hundredths of a second, two at the least."""
    step = max(20, 10 * round(100 / fps))
    return [step] * (count - 1) + [max(step, round(1000 * hold))]


def animate_gif(pictures: Sequence[Image.Image], times: Sequence[int], plays: int = 0) -> bytes:
    """Encode with one palette of 256 colours for all frames, so that still areas do not flicker.

    Args:
        pictures: RGB, of one size; each is asked for twice at most.
        times: Milliseconds of each.
        plays: How often it is played; 0 is endlessly.
    """
    palette = _common_palette(pictures)
    # Which says how often it is repeated, and nothing where it is not.
    options = {} if plays == 1 else {"loop": max(0, plays - 1)}
    quantised = [picture.quantize(palette=palette) for picture in pictures]
    return _animate(quantised, "GIF", times, **options)


def animate_webp(pictures: Sequence[Image.Image], times: Sequence[int], plays: int = 0) -> bytes:
    """Encode an animation in full colour, lossy at quality 90; as `animate_gif`."""
    return _animate(pictures, "WEBP", times, loop=plays, quality=90)


def animate_png(pictures: Sequence[Image.Image], times: Sequence[int], plays: int = 0) -> bytes:
    """Encode an animated PNG, without loss; as `animate_gif`."""
    return _animate(pictures, "PNG", times, loop=plays)


def _animate(
    pictures: Sequence[Image.Image], format_: str, times: Sequence[int], **options: Any
) -> bytes:
    buffer = io.BytesIO()
    duration = list(times) if len(times) > 1 else times[0]
    options |= {"append_images": pictures[1:], "duration": duration}
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
    # Small patches of a colour of their own are kept, which a median cut gives to the sky.
    return montage.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1)
