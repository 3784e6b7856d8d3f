"""Video files, through PyAV: which frames there are, when they are shown, and any of them."""

import contextlib
import io
import itertools
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import TYPE_CHECKING

from PIL import Image

from nst_lightning.errors import InputError
from nst_lightning.video.clip import ClipInfo
from nst_lightning.video.shown import Shown

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

# None that opens other files or addresses (HLS, concat), or draws any text as pictures (tty).
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,flv,asf,mxf,nut,ivf,h264,"
    "hevc,m4v,obu,av1,dv,gxf,wtv,rm,y4m,yuv4mpegpipe,h263,vc1,aac,ac3,aiff,amr,au,caf,flac,mp3,wav"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
# Codecs and files of which a packet is a frame, with its time; of others all is decoded to know.
_FRAME_A_PACKET = frozenset(
    ("h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg", "prores", "dnxhd", "ffv1", "qtrle", "png")
)
_EXACT_FILES = frozenset(("mov", "mp4", "matroska", "webm"))
_UNSHOWN = ("attached_pic", "timed_thumbnails", "still_image", "dependent")
_KEPT = ("title", "creation_time")
# A file that says it is so many seconds longer than what is in it was cut off.
_SHORT = Fraction(1, 5)


def library() -> ModuleType:
    """Return PyAV, or say what to install."""
    try:
        import av
    except ImportError as error:
        what = "video files need PyAV: pip install 'nst-lightning[video]'"
        raise InputError(f"{what}, or give a folder of frames, a GIF or a WebP") from error
    av.logging.set_level(None)  # its errors are ours to say
    return av


def opened(file: Path | bytes, name: str) -> "InputContainer":
    """Open a file, or the bytes of one, that opens no other; messages call it by its name.

    Raises:
        InputError: If it is no video or sound, or is damaged.
    """
    av = library()
    source = io.BytesIO(file) if isinstance(file, bytes) else os.fspath(file)
    options = dict(_OPTIONS)
    if isinstance(source, io.BytesIO):
        del options["protocol_whitelist"]  # the bytes are a protocol of PyAV's own
    try:
        container: InputContainer = av.open(source, options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        why = _why_not(file) if not isinstance(error, PermissionError) else "may not be read"
        raise InputError(f"{name} {why}") from error
    return container


def _why_not(file: Path | bytes) -> str:
    if isinstance(file, bytes):
        data = file[:4096]
    else:
        with file.open("rb") as handle:
            data = handle.read(4096)
    if not data:
        return "is empty (0 bytes)"
    if data[4:8] in (b"ftyp", b"mdat", b"wide", b"free") or data.startswith(b"\x1aE\xdf\xa3"):
        return "is truncated or damaged: the list of its frames is missing; copy it again"
    if data.lstrip().startswith((b"#EXTM3U", b"ffconcat")):
        return "is a playlist; give the video file itself"
    return "is no video file; give MP4, MOV, MKV, WebM or AVI, a GIF, or a folder of frames"


@dataclass
class _Packets:
    """What a file's packets say, in the stream's time base."""

    stamps: list[int] = field(default_factory=list)  # of the frames, in the order shown
    keys: list[tuple[int, int]] = field(default_factory=list)  # of key frames: shown at, decoded at
    last: int = 0  # ticks that the last frame is shown
    exact: bool = True  # every packet is a frame
    whole: bool = True


class VideoFile:
    """One file's pictures; a `nst_lightning.video.clip.Source`.

    Args:
        file: Its path, or its bytes.
        name: What messages call it.

    Raises:
        InputError: If it cannot be read, or has no pictures.
    """

    def __init__(self, file: Path | bytes, name: str) -> None:
        self._av = library()
        self._file, self._name = file, name
        self.lost = ""
        self.paths: Sequence[str] = ()
        with opened(self._file, self._name) as container:
            stream = self._stream(container)
            packets = self._demuxed(container, stream)
            base = stream.time_base or Fraction(1, 90_000)
        if not packets.exact:
            packets = self._decoded_stamps(packets)
        first = self._first(packets)
        if packets.exact and first is None:  # it is damaged: go by those that are not
            packets = self._decoded_stamps(packets)
            first = self._first(packets)
        if first is None:
            what = "no frame of it can be decoded" if packets.keys else "there is no frame in it"
            raise InputError(f"{name}: {what}; it is damaged, encrypted or empty")
        self._stamps, self._keys = packets.stamps, sorted(packets.keys) if packets.exact else []
        self._exact = packets.exact
        self._shown = first[0]
        if not packets.whole:
            self.lost = self.lost or "the file is cut off"
        times = tuple((stamp - self._stamps[0]) * base for stamp in self._stamps)
        self.info = ClipInfo(
            name,
            self._shown.size,
            times,
            times[-1] + self._lasts(packets, base, first[1]),
            has_sound=first[2],
            origin=self._stamps[0] * base,
            metadata=first[3],
            notes=tuple(f"{name} {note}" for note in self._shown.notes),
        )

    def read(self, wanted: Sequence[int]) -> Iterator[Image.Image]:
        """Yield the pictures of these ascending indices, up to the first that is damaged."""
        if not wanted:
            return
        given = 0
        for key in self._starts(wanted[0]):
            for frame in self._frames(wanted, key):
                given += 1
                yield self._shown.picture(frame)
            if given:  # a place to begin from that gives nothing may only have been a bad one
                return

    def _starts(self, index: int) -> list[int | None]:
        """Return where decoding may begin for a frame, best first; None is the beginning."""
        place = bisect_right(self._keys, (self._stamps[index], 2**63)) - 1
        return [self._keys[place][1], None] if place > 0 else [None]

    def _frames(self, wanted: Sequence[int], key: int | None) -> Iterator["av.VideoFrame"]:
        by_stamp = {stamp: index for index, stamp in enumerate(self._stamps)}
        chosen, due = set(wanted), wanted[0]
        with opened(self._file, self._name) as container:
            stream = self._stream(container)
            if key is not None:
                container.seek(key, stream=stream)
            for count, frame in enumerate(self._decoded(container, stream)):
                index = by_stamp.get(frame.pts or 0, -1) if self._exact else count
                if index < due:
                    continue
                if index > due:
                    return
                if index in chosen:
                    yield frame
                due += 1
                if due > wanted[-1]:
                    return

    def _decoded(
        self, container: "InputContainer", stream: "VideoStream"
    ) -> Iterator["av.VideoFrame"]:
        """Yield frames in the order shown, up to the first damage and what was whole before it."""
        # Nothing is guessed in the place of what is damaged. PyAV decodes without threads by frame,
        # so that an error comes with its own packet.
        stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
        begun = False
        self._broke = False
        for packet in _packets(self._av, container, stream):
            try:
                for frame in packet.decode():
                    if frame.is_corrupt and begun:
                        self._broke = True
                        return
                    # A recording may begin between two key frames.
                    if not frame.is_corrupt:
                        begun = True
                        yield frame
            except self._av.FFmpegError:
                if not begun:
                    continue
                self._broke = True
                with contextlib.suppress(self._av.FFmpegError):
                    yield from stream.decode(None)
                return

    def _stream(self, container: "InputContainer") -> "VideoStream":
        """Return the stream that a player would show."""
        streams = [
            stream
            for stream in container.streams.video
            if not any(_has(stream, kind) for kind in _UNSHOWN)
        ]
        if not streams:
            if container.streams.audio:
                raise InputError(f"{self._name} holds sound only; give a file with pictures")
            raise InputError(f"{self._name} holds no video; give a file with pictures")
        best = container.streams.best("video")
        chosen = next((stream for stream in streams if best and stream.index == best.index), None)
        stream = chosen or max(streams, key=lambda stream: _has(stream, "default"))
        if stream.codec_context is None or stream.codec_tag in ("encv", "drmi"):
            what = "is encrypted, or of an unknown kind; give a copy without protection, in H.264"
            raise InputError(f"{self._name} {what}")
        return stream

    def _demuxed(self, container: "InputContainer", stream: "VideoStream") -> _Packets:
        """Read what the packets say without decoding them."""
        found = _Packets()
        lasts: dict[int, int] = {}
        read, before_key, until = 0, False, Fraction(0)
        try:
            for packet in container.demux():
                if packet.pts is not None and packet.time_base:
                    until = max(until, (packet.pts + (packet.duration or 0)) * packet.time_base)
                if packet.stream_index != stream.index or not packet.size:
                    continue
                read += 1
                found.whole &= not packet.is_corrupt
                if packet.pts is None or packet.pts in lasts:
                    found.exact = False
                elif not packet.is_discard and not packet.is_corrupt:
                    lasts[packet.pts] = packet.duration or 0
                    if packet.is_keyframe:
                        dts = packet.pts if packet.dts is None else packet.dts
                        found.keys.append((packet.pts, dts))
                    # What is shown before the first key frame may not be decodable.
                    before_key |= bool(found.keys) and packet.pts < found.keys[0][0]
                    before_key |= not found.keys
        except self._av.FFmpegError:
            found.whole = False
        formats = set(container.format.name.split(","))
        found.whole &= not (formats & {"mov"} and 0 < read < stream.frames)
        # A transport stream is packets of 188 bytes, with times 192, and says nothing of its end.
        found.whole &= "mpegts" not in formats or not (
            container.size % 188 and container.size % 192
        )
        if "matroska" in formats and container.duration:
            found.whole &= Fraction(container.duration, 10**6) - until < _SHORT
        codec = stream.codec_context.codec.canonical_name
        found.exact &= not before_key and bool(formats & _EXACT_FILES) and codec in _FRAME_A_PACKET
        found.stamps = sorted(lasts) if found.whole else _before_a_hole(sorted(lasts))
        found.last = lasts[found.stamps[-1]] if lasts else 0
        return found

    def _decoded_stamps(self, packets: _Packets) -> _Packets:
        """Find the frames of a file whose packets do not say by decoding them all."""
        stamps: list[int] = []
        last = 0
        with opened(self._file, self._name) as container:
            stream = self._stream(container)
            step = round(1 / (_rate(stream) * (stream.time_base or Fraction(1, 90_000)))) or 1
            for frame in self._decoded(container, stream):
                stamp = frame.pts
                if stamp is None or (stamps and stamp <= stamps[-1]):
                    stamp = stamps[-1] + step if stamps else 0
                # AVI says one tick, whatever that is.
                gap = stamp - stamps[-1] if stamps else step
                last = frame.duration if 2 * (frame.duration or 0) >= gap else gap
                stamps.append(stamp)
        if self._broke:
            self.lost = "the next picture is damaged"
        stamps = stamps if packets.whole else _before_a_hole(stamps)
        return _Packets(stamps, packets.keys, last, exact=False, whole=packets.whole)

    def _first(self, packets: _Packets) -> tuple[Shown, Fraction, bool, dict[str, str]] | None:
        """Return what the first frame and the file say; None if that frame cannot be had."""
        with opened(self._file, self._name) as container:
            stream = self._stream(container)
            frame = next(self._decoded(container, stream), None) if packets.stamps else None
            if frame is None or (packets.exact and frame.pts != packets.stamps[0]):
                return None
            kept = {key: container.metadata[key] for key in _KEPT if key in container.metadata}
            shown = Shown(frame, stream.sample_aspect_ratio)
            return shown, _rate(stream), bool(container.streams.audio), kept

    def _lasts(self, packets: _Packets, base: Fraction, rate: Fraction) -> Fraction:
        """Return the seconds that the last frame is shown."""
        return packets.last * base or 1 / rate


def _before_a_hole(stamps: list[int]) -> list[int]:
    """Return the frames of a file that is cut off up to the first that is missing.

    Frames that lie late in the file are shown before some that lie early: up to 16 in H.264.
    """
    gaps = [after - before for before, after in itertools.pairwise(stamps)]
    first = max(0, len(gaps) - 16)
    holes = (n for n in range(first, len(gaps)) if gaps[n] > 1.5 * median(gaps))
    return stamps[: next(holes, len(gaps)) + 1]


def _has(stream: "VideoStream", kind: str) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition[kind])


def _rate(stream: "VideoStream") -> Fraction:
    return stream.average_rate or stream.guessed_rate or Fraction(25)


def _packets(
    av: ModuleType, container: "InputContainer", stream: "VideoStream"
) -> Iterator["av.Packet[VideoStream]"]:
    with contextlib.suppress(av.FFmpegError):  # where the file ends in the middle of one
        yield from container.demux(stream)
