"""A decoded frame as it is shown: its matrix, range, depth, pixels' shape and turn."""

import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    import av

# As ITU-T H.273 numbers them.
_BT709, _UNKNOWN, _BT601 = 1, 2, (5, 6)
_RGB, _FCC, _SMPTE240, _BT2020 = 0, 4, 7, (9, 10)
_PQ, _HLG = 16, 18
_WIDE = (9, 11, 12)  # primaries of BT.2020, DCI-P3 and Display P3
_LIMITED, _FULL = 1, 2
# Where no matrix is said, players take that of high definition from here on.
_HD_WIDTH, _HD_HEIGHT = 1280, 577

_TURNS = {
    (1, 0, 0, 1): None,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,  # Pillow turns against the clock
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}
_SIDEWAYS = (
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
)


class Shown:
    """Makes pictures of a stream's frames, all of the first one's size and turn.

    Args:
        frame: The first.
        aspect: Width of a pixel over its height; None or 0 where it is not said.

    Attributes:
        size: ``(width, height)`` as shown.
        notes: What the user should know, each a part of a sentence.
    """

    def __init__(self, frame: "av.VideoFrame", aspect: Fraction | None) -> None:
        from av.video.reformatter import VideoReformatter

        # It keeps its tables, which take seconds for wide colours.
        self._convert = VideoReformatter()
        self._width, self._height = frame.width, frame.height
        if aspect and aspect > 0 and aspect != 1:
            self._width = max(1, round(frame.width * aspect))
        self._turn = turn_of(frame)
        sideways = self._turn in _SIDEWAYS
        whole = (self._width, self._height)
        self.size = whole[::-1] if sideways else whole
        self.notes: list[str] = []
        if frame.color_trc in (_PQ, _HLG):
            kind = "PQ" if frame.color_trc == _PQ else "HLG"
            self.notes.append(f"is HDR ({kind}); its colours are brought into the usual range")
        if frame.interlaced_frame:
            self.notes.append("is interlaced: moving edges are combs; deinterlace it first")

    def picture(self, frame: "av.VideoFrame") -> Image.Image:
        """Return a frame as RGB of 8 bits a channel."""
        from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc

        options: dict[str, Any] = {}
        if frame.color_trc in (_PQ, _HLG) or frame.color_primaries in _WIDE:
            options |= {
                "dst_color_trc": ColorTrc.BT709,
                "dst_color_primaries": ColorPrimaries.BT709,
            }
        rgb = self._convert.reformat(
            frame,
            self._width,
            self._height,
            "rgb24",
            src_colorspace=_matrix(frame),
            src_color_range=_range(frame),
            dst_color_range=ColorRange.JPEG,
            interpolation=exact(),
            **options,
        )
        picture = Image.fromarray(rgb.to_ndarray())
        return picture if self._turn is None else picture.transpose(self._turn)


def exact() -> int:
    """Return swscale's flags for colours within one level of the formula's."""
    from av.video.reformatter import Interpolation as How

    return int(How.BICUBIC | How.ACCURATE_RND | How.FULL_CHR_H_INT | How.BITEXACT)


def turn_of(frame: "av.VideoFrame") -> Image.Transpose | None:
    """Return how a frame is to be turned or mirrored by its display matrix, to quarter turns."""
    from av.sidedata.sidedata import Type

    data: Any
    for data in frame.side_data:  # a mapping by number, of which iteration gives the values
        if getattr(data, "type", None) == Type.DISPLAYMATRIX:
            matrix = struct.unpack("=9i", bytes(data)[:36])
            signs = [round(matrix[place] / 65536) for place in (0, 1, 3, 4)]
            return _TURNS.get((signs[0], signs[1], signs[2], signs[3]))
    return None


def _matrix(frame: "av.VideoFrame") -> int | None:
    """Return swscale's number for a frame's matrix, guessed by its size as players do."""
    from av.video.reformatter import Colorspace

    space = int(frame.colorspace)
    if space in _BT2020:
        return int(Colorspace.BT2020)
    if space == _BT709:
        return int(Colorspace.ITU709)
    if space == _SMPTE240:
        return int(Colorspace.SMPTE240M)
    if space == _FCC:
        return int(Colorspace.FCC)
    if space in _BT601:
        return int(Colorspace.ITU601)
    if space == _RGB and frame.format.is_rgb:
        return None
    large = frame.width >= _HD_WIDTH or frame.height >= _HD_HEIGHT
    return int(Colorspace.ITU709 if large else Colorspace.ITU601)


def _range(frame: "av.VideoFrame") -> int:
    if int(frame.color_range) in (_LIMITED, _FULL):
        return int(frame.color_range)
    full = (
        frame.format.is_rgb or frame.format.name.startswith("yuvj") or "gray" in frame.format.name
    )
    return _FULL if full else _LIMITED
