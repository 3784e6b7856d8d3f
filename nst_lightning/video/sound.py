"""A clip's sound, cut to it: copied where the new file can hold it, else encoded anew."""

import os
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nst_lightning.data.sources import is_url, open_source, public_name
from nst_lightning.files import expanded
from nst_lightning.video.clip import ClipInfo, spoken
from nst_lightning.video.container import opened

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer

_EVERYWHERE = ("aac", "mp3", "ac3", "eac3", "alac")
_PCM = ("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_f32le")
# What players of a format play; anything else is encoded.
_COPIED = {
    "mp4": (*_EVERYWHERE, "opus", "flac"),
    "mov": (*_EVERYWHERE, *_PCM),
    "matroska": (*_EVERYWHERE, *_PCM, "opus", "vorbis", "flac", "dts"),
    "webm": ("opus", "vorbis"),
}
# Packets of a tenth of a second; without loss, so that encoding anew cuts within one at no cost.
_LONG = ("flac", "alac")
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_ENCODED = {"webm": ("libopus", 128_000)}
_AAC = ("aac", 192_000)
_OPUS_RATE = 48_000
_PREPARING = 4  # packets, of which a decoder may need some before one
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


class Sound:
    """The packets of a clip's sound, for one output.

    Args:
        av: PyAV.
        container: What is being written; the sound becomes a stream of it.
        format_: Its format.
        info: The clip's: where its sound begins and ends.
        source: The clip's source; None for no sound.

    Attributes:
        notes: What the user should know, each a part of a sentence.
    """

    def __init__(
        self,
        av: ModuleType,
        container: "OutputContainer",
        format_: str,
        info: ClipInfo,
        source: str | os.PathLike[str] | None,
    ) -> None:
        self.notes: list[str] = []
        self._av, self._format, self._info = av, format_, info
        self._input: InputContainer | None = None
        self._packets: Iterator[Any] = iter(())
        self._held: Any = None
        if source is None or not info.has_sound:
            return
        text = os.fspath(source)
        file = open_source(text)[0] if is_url(text) else expanded(text)
        self._input = opened(file, public_name(text))
        found: Any = self._input.streams.best("audio")
        if found is None or found.codec_context is None:
            self.notes.append("has no sound: its source's is of an unknown kind")
            return
        name = found.codec_context.codec.canonical_name
        lossless = name.startswith("pcm_") or (name in _LONG and info.start > 0)
        if name in _COPIED[format_] and not lossless:
            self._packets = self._copied(found, container.add_stream_from_template(found))
            return
        codec, bits = _ENCODED.get(format_, _AAC)
        if lossless and name in _COPIED[format_]:
            codec = name
        rate = found.codec_context.sample_rate
        if codec == "libopus":
            rate = _OPUS_RATE
        elif codec == "aac" and rate not in _AAC_RATES:
            rate = max((known for known in _AAC_RATES if known < rate), default=_AAC_RATES[0])
        target: Any = container.add_stream(codec, rate=rate)
        target.bit_rate = bits
        target.layout = _LAYOUTS.get(found.codec_context.channels, "stereo")
        self._packets = self._encoded(found, target, rate)

    def until(self, time: Fraction) -> list["av.Packet[Any]"]:
        """Return the packets, not returned yet, that begin before a time."""
        taken: list[av.Packet[Any]] = []
        while True:
            packet = self._held or next(self._packets, None)
            self._held = None
            if packet is None:
                return taken
            if (packet.pts or 0) * packet.time_base >= time:
                self._held = packet
                return taken
            taken.append(packet)

    def close(self) -> None:
        """Let go of the source."""
        if self._input is not None:
            self._input.close()

    def _copied(self, found: "AudioStream", target: Any) -> Iterator["av.Packet[Any]"]:
        """Yield the packets that are heard during the clip, at its times.

        In MP4 and MOV the first may begin before the clip, by which the decoder is ready when it
        begins: the file says that this much is skipped. Elsewhere it begins with the clip or after.
        """
        base = found.time_base or Fraction(1, 1)
        begin, length = self._info.origin / base, self._info.duration / base
        skips = self._format in ("mp4", "mov")
        if self._format in ("matroska", "webm") and found.codec_context.name == "opus":
            # A file's own first samples, which its header says are skipped.
            begin_allowed = Fraction(0) if self._info.start else -Fraction(1, 10) / base
        else:
            begin_allowed = Fraction(0)
        before: av.Packet[Any] | None = None
        for packet in _lasting(self._whole(found)):
            place = packet.pts - begin
            if place >= length:
                break
            packet.pts = round(place)
            packet.dts = packet.pts
            packet.stream = target
            if place + packet.duration <= 0 and skips:
                before = packet  # the last of these prepares the decoder
                continue
            if not skips and place < begin_allowed:
                continue
            if before is not None:
                yield before
                before = None
            packet.duration = min(packet.duration, max(1, round(length - place)))
            yield packet

    def _whole(self, found: "AudioStream") -> Iterator[Any]:
        """Yield packets, but not a last one of which a file that is cut off has a part alone."""
        held: Any = None
        lately: deque[bytes] = deque(maxlen=_PREPARING)
        for packet in self._demuxed(found):
            if packet.pts is None:
                continue
            if held is not None:
                yield held
            held = packet
            lately.append(bytes(packet))
        failed = False
        for data in lately:  # those before it have the decoder ready
            try:
                found.codec_context.decode(self._av.Packet(data))
                failed = False
            except self._av.FFmpegError:
                failed = True
        if held is not None and not failed:
            yield held

    def _encoded(self, found: "AudioStream", target: Any, rate: int) -> Iterator["av.Packet[Any]"]:
        """Yield the sound of the clip, to a sample, encoded anew."""
        layout = target.layout
        resampler = self._av.AudioResampler("fltp", layout, rate)
        length = round(self._info.duration * rate)
        for frame in _resampled(self._frames(found), resampler):
            if frame.pts is None or frame.time_base is None:
                continue
            place = round((frame.pts * frame.time_base - self._info.origin) * rate)
            samples = frame.to_ndarray()[:, max(0, -place) : max(0, length - place)]
            if not samples.shape[1]:
                if place >= length:
                    break
                continue
            part = self._av.AudioFrame.from_ndarray(samples.copy(), "fltp", layout.name)
            part.sample_rate, part.time_base = rate, Fraction(1, rate)
            part.pts = max(0, place)
            yield from target.encode(part)
        yield from target.encode(None)

    def _frames(self, found: "AudioStream") -> Iterator["av.AudioFrame"]:
        for packet in self._demuxed(found):
            try:
                yield from packet.decode()
            except self._av.FFmpegError:
                self._broken(packet)
                return

    def _demuxed(self, found: "AudioStream") -> Iterator["av.Packet[AudioStream]"]:
        assert self._input is not None
        if self._info.start > 2:
            # Some seconds early: seeking is not exact in every format.
            place = round((self._info.origin - 2) / (found.time_base or 1))
            self._input.seek(place, stream=found)
        last = None
        try:
            for packet in self._input.demux(found):
                last = packet
                yield packet
        except self._av.FFmpegError:
            self._broken(last)

    def _broken(self, packet: Any) -> None:
        place = Fraction(0)
        if packet is not None and packet.pts is not None and packet.time_base:
            place = max(place, packet.pts * packet.time_base - self._info.origin)
        self.notes.append(f"is silent from {spoken(place)} on: its source's sound is damaged there")


def _lasting(packets: Iterator["av.Packet[AudioStream]"]) -> Iterator[Any]:
    """Yield the packets that have a time, each with how long it lasts, which not all files say."""
    held: Any = None
    gap = 1
    for packet in packets:
        if held is not None:
            gap = held.duration or max(1, packet.pts - held.pts)
            held.duration = gap
            yield held
        held = packet
    if held is not None:
        held.duration = held.duration or gap
        yield held


def _resampled(frames: Iterator["av.AudioFrame"], resampler: Any) -> Iterator["av.AudioFrame"]:
    """Yield all that a resampler makes of frames, and what it holds back."""
    for frame in frames:
        yield from resampler.resample(frame)
    yield from resampler.resample(None)
