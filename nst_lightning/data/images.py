"""Load a picture: from any source to float sRGB of the size that was asked for."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image
from torch import Tensor

from nst_lightning.checks import typed
from nst_lightning.data.colour import to_srgb
from nst_lightning.data.decoding import (
    decode,
    given,
    is_turned,
    open_header,
    pillow_as_shipped,
)
from nst_lightning.data.resizing import resized
from nst_lightning.data.sides import check_sides, check_size, fit_long_side, wholly_transparent
from nst_lightning.data.sources import open_source
from nst_lightning.errors import InputError

Picture = str | os.PathLike[str] | Image.Image
PICTURE = "a path, an address, sample:NAME or a Pillow picture (Image.fromarray makes one)"
"""What is said where something else was given."""
SizeOf = Callable[[int, int], int]
"""A rule: ``(width, height)`` of a picture as displayed -> its long side in pixels."""

# A picture is first shrunk in 8 bits to this many times the size wanted, which saves memory.
_FIRST_SHRINK_TO = 4
# A JPEG of more pixels is not decoded whole if that many times the size wanted is at most half.
_DRAFT_ABOVE = 2**24


@dataclass
class LoadedImage:
    """A picture ready for the network.

    Attributes:
        pixels: Shape (1, 3, H, W), float32, sRGB in [0, 1]; not premultiplied, and wholly
            transparent pixels have the mean colour of the visible ones.
        alpha: Shape (1, 1, H, W) in [0, 1], or None where every pixel is opaque.
        name: The source, without secrets.
        original_size: ``(width, height)`` before resizing, as displayed.
        notes: One-line remarks for the user.
    """

    pixels: Tensor
    alpha: Tensor | None
    name: str
    original_size: tuple[int, int]
    notes: list[str] = field(default_factory=list)


@typed(source=PICTURE)
@pillow_as_shipped()
def load_image(
    source: Picture,
    size: int | SizeOf | None = None,
    *,
    role: str = "content",
) -> LoadedImage:
    """Load a picture as float sRGB.

    The EXIF orientation is applied, an embedded ICC profile converted to sRGB, transparency kept
    apart. Only the first frame or page is read. Resizing is bicubic with antialiasing, in sRGB
    values, and premultiplied where there is transparency.

    Args:
        source: A path, a URL of any fsspec file system, ``sample:NAME``, or a Pillow picture.
        size: The long side in pixels (16 to 16384), or a function of the picture's width and height
            that returns it; enlarges too. None keeps the picture's own size.
        role: What the picture is for; it begins the messages.

    Raises:
        InputError: If it cannot be found, read or decoded, is too large, or has a side under 16
            pixels before or after resizing.
    """
    try:
        if size is not None and not callable(size):
            size = check_size(size)
        if isinstance(source, Image.Image):
            name = "the picture given"
            picture = given(source, name)
        else:
            data, name = open_source(source)
            picture = open_header(data, name)
            del data  # Pillow lets go of it once the pixels are decoded.
        # Before decoding: a strip or a dot is refused without spending memory on it.
        check_sides(name, *picture.size)
        whole = _draft(picture, size)
        picture, notes = decode(picture, name)
        width, height = whole or picture.size
        long_side = check_size(size(width, height)) if callable(size) else size
        check_sides(name, width, height, long_side)
        target = (height, width) if long_side is None else fit_long_side(width, height, long_side)
        picture = _shrink(picture, target)
        rows = to_srgb(picture, name)
        if rows.transparent and not any(bool((alpha > 0).any()) for alpha in rows.alphas()):
            raise wholly_transparent(name, notes)
    except InputError as error:
        raise InputError(f"{role} picture: {error}") from error.__cause__
    pixels, alpha = resized(rows, target)
    if alpha is not None and role in ("style", "init"):  # a content's is the result's
        notes = [*notes, f"{name} is transparent in places; they count as its mean colour"]
    return LoadedImage(pixels, alpha, name, (width, height), notes + rows.notes)


def _draft(image: Image.Image, size: int | SizeOf | None) -> tuple[int, int] | None:
    """Let a large JPEG be decoded at a half, a quarter or an eighth of its sides.

    Returns:
        Width and height of the whole as displayed; None for a picture to be decoded as it is.
    """
    large = image.width * image.height > _DRAFT_ABOVE
    if size is None or not large or image.format not in ("JPEG", "MPO"):
        return None
    turned = is_turned(image)
    width, height = image.size[::-1] if turned else image.size
    long_side = check_size(size(width, height)) if callable(size) else size
    wanted = [_FIRST_SHRINK_TO * side for side in fit_long_side(width, height, long_side)]
    # As in the file: width and height.
    image.draft(None, (wanted[0], wanted[1]) if turned else (wanted[1], wanted[0]))
    return width, height


def _shrink(image: Image.Image, target: tuple[int, int]) -> Image.Image:
    height, width = (_FIRST_SHRINK_TO * side for side in target)
    large = image.width >= 2 * width and image.height >= 2 * height
    if not large or image.has_transparency_data:
        return image
    if image.mode in ("1", "P"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if image.mode not in ("L", "RGB", "CMYK"):
        return image
    smaller = image.resize((width, height), Image.Resampling.LANCZOS)
    smaller.info = dict(image.info)
    return smaller
