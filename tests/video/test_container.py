"""Video files: their pictures and times, any frame, and files that are damaged."""

import itertools
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.clips import error, make, smooth

from nst_lightning.errors import InputError
from nst_lightning.video.reading import open_clip

av = pytest.importorskip("av")


ODD = [smooth(index, (95, 63)) for index in range(24)]
KINDS = {
    "h264": ("a.mp4", {}),
    "h264, 10 bits": ("a.mp4", {"pixels": "yuv420p10le"}),
    "hevc, 10 bits": ("a.mov", {"codec": "libx265", "pixels": "yuv420p10le"}),
    "vp9": ("a.webm", {"codec": "libvpx-vp9"}),
    "vp8": ("a.mkv", {"codec": "libvpx"}),
    "av1": ("a.mp4", {"codec": "libsvtav1"}),
    "mpeg-4 in avi": ("a.avi", {"codec": "mpeg4", "options": {"b": "4000000"}}),
    "transport stream": ("a.ts", {}),
    "odd sides": (
        "a.mkv",
        {
            "codec": "ffv1",
            "pixels": "yuv444p",
            "pictures": [smooth(i, (95, 63)) for i in range(24)],
        },
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_of_a_file_at_its_time(kind: str, tmp_path: Path) -> None:
    name, options = KINDS[kind]
    clip = open_clip(make(tmp_path / name, **options))
    frames = list(clip)
    assert [frame.index for frame in frames] == list(range(24))
    assert [frame.time for frame in frames] == [Fraction(i, 25) for i in range(24)]
    assert list(clip.info.times) == [frame.time for frame in frames]
    assert clip.info.duration == Fraction(24, 25)
    assert clip.info.rate == 25
    assert clip.ended_early is None
    size = clip.info.size
    assert all(error(frame.picture, smooth(frame.index, size)) < 4 for frame in frames)
    # The right one, not its neighbour.
    assert error(frames[20].picture, smooth(20, size)) < error(frames[20].picture, smooth(14, size))


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"x264-params": "keyint=6:open-gop=1:bframes=3"}),
        ("a.mp4", "libx264", {"g": "1000"}),
        ("a.mkv", "libx264", {"x264-params": "keyint=8:intra-refresh=1"}),
        ("a.mp4", "libx265", {"x265-params": "keyint=6:open-gop=1:bframes=3:log-level=none"}),
        ("a.webm", "libvpx-vp9", {"g": "7"}),
        ("a.ts", "libx264", {"g": "6"}),
    ],
)
def test_from_any_frame_on_the_same_pictures(
    name: str, codec: str, options: dict[str, str], tmp_path: Path
) -> None:
    clip = open_clip(make(tmp_path / name, codec=codec, options=options))
    whole = [frame.picture.tobytes() for frame in clip]
    for first in (0, 1, 5, 6, 7, 11, 17, 23):
        rest = list(clip.frames(first))
        assert [frame.index for frame in rest] == list(range(first, 24))
        assert [frame.picture.tobytes() for frame in rest] == whole[first:]


def test_a_variable_rate_keeps_every_time(tmp_path: Path) -> None:
    gaps = itertools.cycle([Fraction(1, 30), Fraction(1, 60), Fraction(7, 100)])
    times = [Fraction(0), *itertools.accumulate(itertools.islice(gaps, 23))]
    clip = open_clip(make(tmp_path / "a.mp4", times=times))
    assert [frame.time for frame in clip] == times
    assert abs(clip.info.duration - times[-1] - Fraction(1, 25)) < Fraction(1, 20)


def test_a_cover_is_no_video_and_the_default_one_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for size in ((64, 48), (32, 24)):
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            streams.append(stream)
        streams[0].disposition = av.stream.Disposition(0)
        streams[1].disposition = av.stream.Disposition.default
        for index in range(3):
            for stream in streams:
                frame = av.VideoFrame.from_image(smooth(index, (stream.width, stream.height)))
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    assert open_clip(path).info.size == (32, 24)
    covered = tmp_path / "song.m4a"
    with av.open(str(covered), "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=48000)
        cover = container.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 4096), np.float32), "fltp", "stereo")
        frame.sample_rate = 48000
        container.mux(cover.encode(av.VideoFrame.from_image(smooth(0, (64, 48)))))
        container.mux(cover.encode(None))
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    with pytest.raises(InputError, match="holds sound only"):
        open_clip(covered)


@pytest.mark.parametrize("between", ["0", "3"])
def test_a_video_that_was_trimmed_on_the_phone(between: str, tmp_path: Path) -> None:
    """Its file holds more than is shown: an edit list says where it begins."""
    path = make(tmp_path / "a.mp4", options={"bf": between, "g": "12"})
    with av.open(str(path)) as container:
        skipped = round(Fraction(5, 25) / container.streams.video[0].time_base)
    data = bytearray(path.read_bytes())
    place = data.index(b"elst") + 12
    lasts, begin, rate = struct.unpack(">IiI", data[place : place + 12])
    data[place : place + 12] = struct.pack(">IiI", lasts - 200, begin + skipped, rate)
    path.write_bytes(data)
    clip = open_clip(path)
    frames = list(clip)
    assert len(frames) == clip.info.count == 19
    for frame in frames:
        near = [error(frame.picture, smooth(index)) for index in range(24)]
        assert int(np.argmin(near)) == frame.index + 5


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
        ("a.mkv", {"live": "1"}),  # its length is not said
    ],
)
def test_files_that_do_not_say_how_long_they_are(
    name: str, options: dict[str, str], tmp_path: Path
) -> None:
    clip = open_clip(make(tmp_path / name, options={"g": "6"}, file_options=options))
    assert (len(list(clip)), clip.info.duration, clip.ended_early) == (24, Fraction(24, 25), None)


def packets_of(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mp4", "libx265"), ("a.avi", "mpeg4")]
)
def test_a_damaged_picture_ends_the_clip_with_a_note(
    name: str, codec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path / name, codec=codec, options={"bf": "0"})
    whole = [frame.picture.tobytes() for frame in open_clip(path)]
    place, size = packets_of(path)[12]
    data = bytearray(path.read_bytes())
    data[place + 10 : place + size] = bytes([0x5A]) * (size - 10)
    path.write_bytes(data)
    clip = open_clip(path)
    frames = [frame.picture.tobytes() for frame in clip]
    assert 11 <= len(frames) <= 12
    assert frames == whole[: len(frames)]
    assert clip.ended_early == Fraction(len(frames), 25)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"note: {name} breaks off at 0:00.{4 * len(frames)} (the next picture is damaged); "
        "the clip ends there"
    ]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_file_that_was_cut_off_gives_what_is_there(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"movflags": "+faststart"} if name == "a.mp4" else {}
    path = make(tmp_path / name, file_options=options)
    places = packets_of(path)
    path.write_bytes(path.read_bytes()[: places[11][0] + 5])
    clip = open_clip(path)
    assert clip.ended_early is not None
    assert 5 < len(list(clip)) == clip.info.count < 12
    # Some that are shown earlier lie behind the cut: none after them is kept.
    assert clip.info.times == tuple(Fraction(n, 25) for n in range(clip.info.count))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"{name} breaks off at" in said[0]
    # What is asked for is all there.
    assert open_clip(path, end=0.08).ended_early is None
