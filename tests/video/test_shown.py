"""Colours by the tags, turned pictures, pixels that are not square."""

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.clips import error, make, smooth, to_yuv
from PIL import Image

from nst_lightning.video.reading import open_clip

av = pytest.importorskip("av")


def write_planes(path: Path, levels: np.ndarray, matrix: int, full: bool, bits: int) -> Path:
    """Write levels without loss, as planes by the formula, with tags of that matrix and range."""
    pixels = "yuv444p" if bits == 8 else "yuv444p10le"
    height, width = levels.shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        context = stream.codec_context
        if matrix:
            context.colorspace = matrix
            context.color_range = 2 if full else 1
        for index in range(3):
            frame = av.VideoFrame(width, height, pixels)
            for plane, values in zip(
                frame.planes, to_yuv(levels, matrix or 6, full, bits), strict=True
            ):
                kind = np.uint8 if bits == 8 else np.uint16
                rows = np.zeros((height, plane.line_size // kind().itemsize), kind)
                rows[:, :width] = values
                plane.update(rows.tobytes())
            frame.pts, frame.time_base = index, Fraction(1, 25)
            if matrix:
                frame.colorspace, frame.color_range = matrix, 2 if full else 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


COLOURS = np.array(
    [
        *([255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [128, 128, 128]),
        *([200, 30, 90], [12, 160, 220], [250, 200, 10], [90, 70, 60], [33, 66, 99], [240, 9, 230]),
    ],
    np.uint8,
)
PATCHES = np.kron(COLOURS.reshape(3, 4, 3), np.ones((16, 16, 1), np.uint8))


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", [1, 6, 9], ids=["BT.709", "BT.601", "BT.2020"])
def test_colours_by_the_tags(matrix: int, full: bool, bits: int, tmp_path: Path) -> None:
    clip = open_clip(write_planes(tmp_path / "a.mp4", PATCHES, matrix, full, bits))
    picture = np.asarray(next(iter(clip)).picture, int)
    assert np.abs(picture - PATCHES).max() <= 1


def test_without_tags_a_small_picture_is_bt_601_of_limited_range(tmp_path: Path) -> None:
    clip = open_clip(write_planes(tmp_path / "a.mp4", PATCHES, 0, False, 8))
    assert np.abs(np.asarray(next(iter(clip)).picture, int) - PATCHES).max() <= 2


def pq(signal: float) -> float:
    """Return nits by BT.2100, table 4."""
    power = signal ** (1 / 78.84375)
    return 10_000 * ((power - 0.8359375) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)


def hlg(signal: float) -> float:
    """Return the scene's light by BT.2100, table 5."""
    if signal <= 0.5:
        return signal**2 / 3
    return (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12


@pytest.mark.parametrize("transfer", [16, 18], ids=["PQ", "HLG"])
def test_hdr_is_brought_into_the_usual_range_with_a_note(transfer: int, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, transfer
        context.color_range = 1
        for index in range(2):
            frame = av.VideoFrame.from_image(Image.new("RGB", (64, 48), (130, 130, 130)))
            frame = frame.reformat(format="yuv420p10le", dst_colorspace=9)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    clip = open_clip(path)
    assert any("HDR" in note for note in clip.info.notes)
    grey = np.asarray(next(iter(clip)).picture, int)
    assert np.ptp(grey) <= 6  # it stays grey
    # White is 203 nits (BT.2408), which a screen shows by the power 2.4 of its levels.
    light = pq(130 / 255) / 203 if transfer == 16 else (hlg(130 / 255) / hlg(0.75)) ** 1.2
    assert grey.mean() == pytest.approx(255 * light ** (1 / 2.4), abs=6)


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a, b, c, d of a display matrix into an MP4's track header, as a phone does."""
    data = bytearray(path.read_bytes())
    begin = data.index(b"tkhd") + 4 + 4 + 5 * 4 + 8 + 8  # version, times and numbers, layer
    a, b, c, d = (value * 65536 for value in matrix)
    data[begin : begin + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 2**30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("matrix", "as_shown"),
    [
        ((1, 0, 0, 1), lambda a: a),
        ((0, 1, -1, 0), lambda a: np.rot90(a, -1)),  # a phone held upright: by the clock
        ((-1, 0, 0, -1), lambda a: np.rot90(a, 2)),
        ((0, -1, 1, 0), lambda a: np.rot90(a, 1)),
        ((-1, 0, 0, 1), lambda a: a[:, ::-1]),  # a selfie
        ((0, 1, 1, 0), lambda a: np.swapaxes(a, 0, 1)),
    ],
)
def test_a_phones_video_is_turned(matrix: tuple, as_shown: object, tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", sound="aac")
    expected = Image.fromarray(np.ascontiguousarray(as_shown(np.asarray(smooth(0)))))  # type: ignore[operator]
    clip = open_clip(turned(path, matrix))
    assert clip.info.size == expected.size
    assert error(next(iter(clip)).picture, expected) < 4


def test_pixels_that_are_not_square_are_shown_as_wide_as_they_are(tmp_path: Path) -> None:
    pictures = [smooth(index, (64, 64)) for index in range(3)]
    clip = open_clip(make(tmp_path / "a.mp4", pictures, aspect=Fraction(3, 2)))
    assert clip.info.size == (96, 64)
    assert error(next(iter(clip)).picture, smooth(0, (64, 64)).resize((96, 64))) < 4
