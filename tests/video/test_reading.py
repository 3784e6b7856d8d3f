"""A part of a clip, and what is no clip."""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.clips import make, smooth

from nst_lightning.errors import InputError
from nst_lightning.video.reading import open_clip

av = pytest.importorskip("av")


def test_a_part_and_each_third(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", sound="aac")
    with open_clip(path, 0.2, "0:00.8", every=3) as clip:
        frames = list(clip)
    assert [frame.time for frame in frames] == [Fraction(i, 25) for i in (0, 3, 6, 9, 12)]
    assert clip.info.start == clip.info.origin == Fraction(1, 5)
    assert clip.info.duration == Fraction(3, 5)
    assert clip.info.has_sound
    whole = list(open_clip(path))
    assert [f.picture.tobytes() for f in frames] == [
        whole[i].picture.tobytes() for i in (5, 8, 11, 14, 17)
    ]


def bad(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "clip.mp4"
    if kind == "truncated":
        whole = make(tmp_path / "whole.mp4").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "sound":
        path = tmp_path / "song.mp3"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mp3", rate=48000)
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 4608), np.float32), "fltp", "stereo")
            frame.sample_rate = 48000
            container.mux([*stream.encode(frame), *stream.encode(None)])
    elif kind == "encrypted":
        whole = make(path).read_bytes()
        path.write_bytes(whole.replace(b"avc1", b"encv", 2).replace(b"encv", b"avc1", 1))
    elif kind == "no frame":
        with av.open(str(path), "w", options={"movflags": "empty_moov"}) as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            container.start_encoding()
    elif kind == "picture":
        path = tmp_path / "cat.jpg"
        smooth(0).save(path)
    elif kind == "still gif":
        path = tmp_path / "cat.gif"
        smooth(0).save(path)
    else:
        content = {
            "empty": b"",
            "text": b"a text that FFmpeg would draw as pictures\n" * 99,
            "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n",
        }
        path.write_bytes(content[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("truncated", "clip.mp4 is truncated or damaged.*copy it again"),
        ("sound", "song.mp3 holds sound only"),
        ("encrypted", "clip.mp4.*encrypted"),
        ("no frame", "clip.mp4.*no frame"),
        ("picture", "cat.jpg is one picture.*nst fit"),
        ("still gif", "cat.gif is one picture.*nst fit"),
        ("empty", r"clip.mp4 is empty \(0 bytes\)"),
        ("text", "clip.mp4 is no video file"),
        ("playlist", "clip.mp4 is a playlist"),
    ],
)
def test_bad_input_is_one_line(kind: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words) as caught:
        open_clip(bad(tmp_path, kind))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": 0.5, "end": 0.5}, r"the end \(0:00.5\) must be after the start"),
        ({"start": 2}, "ends at 0:00.96"),
        ({"start": 0.41, "end": 0.42}, "no picture begins between"),
        ({"start": "soon"}, "start: 'soon' is no time"),
        ({"every": 0}, "every must be 1 or more"),
        ({"fps": 10}, "fps is for folders"),
    ],
)
def test_a_part_that_is_not_there_is_one_line(options: dict, words: str, tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4")
    with pytest.raises(InputError, match=words):
        open_clip(path, **options)


def test_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"no such file or folder: .*; write a pattern as frame"):
        open_clip(tmp_path / "frame_%04d.png")
    path = make(tmp_path / "a.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"pip install 'nst-lightning\[video\]'"):
        open_clip(path)
