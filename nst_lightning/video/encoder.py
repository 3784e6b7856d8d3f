"""Pictures and a clip's sound become a video file, through PyAV."""

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from nst_lightning.errors import InputError
from nst_lightning.video.clip import ClipInfo, Timed, in_rgb
from nst_lightning.video.container import library
from nst_lightning.video.shown import exact
from nst_lightning.video.sound import Sound

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

# x264's macroblock tree reads what lies beside a small picture in memory: the same pictures gave
# up to eight different files of sixty.
_H264 = ("libx264", {"preset": "slow", "crf": "16", "x264-params": "mbtree=0"})
_VP9 = ("libvpx-vp9", {"crf": "18", "b": "0", "deadline": "good", "cpu-used": "2", "row-mt": "1"})
_MP4 = {"movflags": "+faststart"}
# Its file format, its video, and that format's options.
VIDEO: dict[str, tuple[str, tuple[str, dict[str, str]], dict[str, str]]] = {
    ".mp4": ("mp4", _H264, _MP4),
    ".m4v": ("mp4", _H264, _MP4),
    ".mov": ("mov", _H264, _MP4),
    ".mkv": ("matroska", _H264, {}),
    ".webm": ("webm", _VP9, {}),
}
"""Suffixes of video files that can be written."""

_FINEST = 10**6  # ticks a second; times that need more are rounded to these
_BT709, _LIMITED = 1, 1


def encode(
    part: Path,
    timed: Iterable[Timed],
    info: ClipInfo,
    sound_from: str | os.PathLike[str] | None,
) -> list[str]:
    """Write a video file of pictures that are shown each until the next.

    Returns:
        What the user should know of it, each a part of a sentence.

    Raises:
        InputError: If FFmpeg's libraries cannot write it.
        OSError: If the file system refuses.
    """
    av = library()
    format_, (codec, options), container_options = VIDEO[part.suffix.lower()]
    # Neither dates nor random numbers: the same pictures give the same bytes.
    container_options = container_options | {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}
    frames = iter(timed)
    first = next(frames)
    width, height = in_rgb(first[1]).size
    notes = []
    if codec == "libx264" and (width % 2 or height % 2):
        even = f"{width + width % 2} x {height + height % 2}"
        notes.append(f"is {even} pixels: H.264 wants even sides, so the edge's pixels are repeated")
    try:
        with av.open(os.fspath(part), "w", format_, options=container_options) as container:
            container.metadata.update(info.metadata)
            base = _time_base((*info.times, info.duration))
            rate = info.rate.limit_denominator(2**16)
            stream = container.add_stream(codec, rate=rate, options=options)
            stream.width, stream.height = width + width % 2, height + height % 2
            if codec != "libx264":
                stream.width, stream.height = width, height
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = base
            for tag in ("colorspace", "color_primaries", "color_trc"):
                setattr(stream.codec_context, tag, _BT709)
            stream.codec_context.color_range = _LIMITED
            with closing(Sound(av, container, format_, info, sound_from)) as sound:
                end = Fraction(0)
                for packet in _packets(stream, chain([first], frames), info, base):
                    begin = (packet.pts or 0) * base
                    end = max(end, begin + (packet.duration or 0) * base)
                    # A player reads both together, and so they are written.
                    container.mux(sound.until(begin))
                    container.mux(packet)
                # Where fewer pictures came than the clip has, the sound ends with them.
                container.mux(sound.until(end))
                notes += sound.notes
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise InputError(f"the clip cannot be encoded: {error}") from error
    return notes


def _packets(
    stream: "VideoStream", timed: Iterable[Timed], info: ClipInfo, base: Fraction
) -> Iterator["av.Packet[VideoStream]"]:
    """Yield what the encoder makes of the pictures, each with the time that it is shown."""
    lasts: dict[int, int] = {}
    begin, count = -1, 0
    for time, picture in timed:
        now = round(time / base)
        if begin >= 0:
            lasts[begin] = now - begin
        begin, count = now, count + 1
        frame = _frame(in_rgb(picture), stream.width, stream.height)
        frame.pts, frame.time_base = begin, base
        for packet in stream.encode(frame):
            yield _lasting(packet, lasts)
    lasts[begin] = max(1, round(info.end_after(count) / base) - begin)
    for packet in stream.encode(None):
        yield _lasting(packet, lasts)


def _lasting(packet: Any, lasts: dict[int, int]) -> Any:
    # An encoder that holds nothing back gives a picture before the next is known.
    packet.duration = lasts.pop(packet.pts, packet.duration)
    return packet


def _frame(picture: Image.Image, width: int, height: int) -> "av.VideoFrame":
    import av
    from av.video.reformatter import ColorRange, Colorspace

    levels = np.asarray(picture)
    below, right = height - picture.height, width - picture.width
    if below or right:
        levels = np.pad(levels, ((0, below), (0, right), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(levels), "rgb24")
    shown = frame.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=exact(),
    )
    shown.color_primaries = shown.color_trc = _BT709
    return shown


def _time_base(times: Iterable[Fraction]) -> Fraction:
    """Return a tick of which all times are whole multiples, where there is one."""
    ticks = 1
    for time in times:
        ticks = math.lcm(ticks, time.denominator)
        if ticks > _FINEST:
            return Fraction(1, _FINEST)
    # Of at least a millisecond: an encoder has to tell times apart.
    return Fraction(1, ticks * -(-1000 // ticks))
