"""Clips in and out: pictures, times, sound, sizes, and files that are written whole."""

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.clips import error, heard, make, smooth, to_yuv
from helpers.disks import small_disk
from PIL import Image

from nst_lightning.errors import InputError
from nst_lightning.video.clip import ClipInfo
from nst_lightning.video.reading import open_clip
from nst_lightning.video.writing import check_out, write_clip

av = pytest.importorskip("av")

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif", ".webp", ".png", ".apng", "")


def timed(count: int = 24, size: tuple[int, int] = (96, 64), rate: int = 25) -> list:
    return [(Fraction(index, rate), smooth(index, size)) for index in range(count)]


def told(frames: list, **more: object) -> ClipInfo:
    """Return what is known of a clip of these frames, the last as long as the first."""
    times = tuple(time for time, _ in frames)
    end = times[-1] + (times[1] if len(times) > 1 else 1)
    return ClipInfo("a.mp4", frames[0][1].size, times, end, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size", [(96, 64), (95, 63)], ids=["even", "odd"])
def test_out_and_in_again(suffix: str, size: tuple[int, int], tmp_path: Path) -> None:
    frames = timed(size=size)
    out = tmp_path / f"out{suffix}"
    assert write_clip(out, frames, told(frames)) == out
    clip = open_clip(out)
    found = list(clip)
    assert [frame.time for frame in found] == [time for time, _ in frames]
    assert clip.info.duration == Fraction(24, 25)
    # H.264 holds even sides alone: the edge is repeated.
    padded = size if suffix in (".webm", ".gif", ".webp", ".png", ".apng", "") else (96, 64)
    assert clip.info.size == padded
    shown = [frame.picture.crop((0, 0, *size)) for frame in found]
    if padded != size:
        edge = np.asarray(found[0].picture, float)[:, -2:]
        assert np.abs(edge[:, 0] - edge[:, 1]).mean() < 4  # 90 where it is black
    worst = 0 if suffix in (".png", ".apng", "") else 6 if suffix == ".gif" else 3
    assert max(error(a, b) for a, (_, b) in zip(shown, frames, strict=True)) <= worst
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("suffix", "kind"), [(".mp4", "h264"), (".webm", "vp9")])
def test_colours_are_bt_709_of_limited_range_and_say_so(
    suffix: str, kind: str, tmp_path: Path
) -> None:
    colour = np.array([200, 40, 90])
    picture = Image.new("RGB", (64, 48), tuple(colour.tolist()))
    frames = [(Fraction(index, 25), picture) for index in range(3)]
    out = write_clip(tmp_path / f"a{suffix}", frames, told(frames))
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
        assert container.streams.video[0].codec_context.codec.canonical_name == kind
        tags = [frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc]
        assert [int(tag) for tag in tags] == [1, 1, 1, 1]
        assert frame.format.name == "yuv420p"
        planes = [np.frombuffer(bytes(plane), np.uint8)[0] for plane in frame.planes]
    expected = [plane.item() for plane in to_yuv(colour[None, None], 1, full=False, bits=8)]
    assert np.abs(np.array(planes, int) - expected).max() <= 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_variable_rate_stays_one(suffix: str, tmp_path: Path) -> None:
    gaps = itertools.cycle([Fraction(1, 30), Fraction(1, 60), Fraction(7, 100)])
    times = [Fraction(0), *itertools.accumulate(itertools.islice(gaps, 11))]
    frames = [(time, smooth(2 * index)) for index, time in enumerate(times)]
    info = told(frames)
    clip = open_clip(write_clip(tmp_path / f"a{suffix}", frames, info))
    exact = suffix in (".mp4", ".m4v", ".mov", "")
    step = 0 if exact else Fraction(1, 100) if suffix == ".gif" else Fraction(1, 1000)
    found = clip.info.times
    assert len(found) == 12
    assert max(abs(a - b) for a, b in zip(found, times, strict=True)) <= step / 2
    assert abs(clip.info.duration - info.duration) < (Fraction(1, 30) if exact else step)


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(24000, 1001), 50, 12])
def test_the_usual_rates_are_exact(rate: Fraction | int, tmp_path: Path) -> None:
    clip = open_clip(
        make(tmp_path / "in.mov", rate=rate, times=[i / Fraction(rate) for i in range(24)])
    )
    frames = [(frame.time, frame.picture) for frame in clip]
    again = open_clip(write_clip(tmp_path / "out.mp4", frames, clip.info))
    assert again.info.times == clip.info.times
    assert again.info.duration == clip.info.duration


def test_more_than_fifty_pictures_a_second_are_thinned_for_a_gif(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = timed(24, rate=120)
    clip = open_clip(write_clip(tmp_path / "a.gif", frames, told(frames)))
    assert clip.info.duration == Fraction(20, 100)
    assert all(
        later - time >= Fraction(2, 100) for time, later in itertools.pairwise(clip.info.times)
    )
    assert "none can be shown so briefly" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "codec", "sound", "suffix", "expected"),
    [
        ("in.mp4", "libx264", "aac", ".mp4", "aac"),
        ("in.mp4", "libx264", "aac", ".mkv", "aac"),
        ("in.webm", "libvpx-vp9", "libopus", ".webm", "opus"),
        ("in.mkv", "libx264", "libmp3lame", ".mov", "mp3"),
        ("in.mkv", "libx264", "alac", ".mp4", "alac"),  # whose packets say no duration
    ],
)
def test_sound_is_copied_where_it_can_be(
    source: str, codec: str, sound: str, suffix: str, expected: str, tmp_path: Path
) -> None:
    path = make(tmp_path / source, codec=codec, sound=sound)
    clip = open_clip(path)
    frames = [(frame.time, frame.picture) for frame in clip]
    out = write_clip(tmp_path / f"out{suffix}", frames, clip.info, sound_from=path)
    name, begin, end, late = heard(out)
    assert name == expected
    assert abs(begin) < 0.04
    assert abs(end - 0.96) < 0.04
    assert abs(late) < 1.1

    def payload(file: Path) -> list[bytes]:
        with av.open(str(file)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    copied, whole = payload(out), payload(path)
    assert len(copied) > 10
    assert any(whole[skip : skip + len(copied)] == copied for skip in range(4))


@pytest.mark.parametrize(
    ("sound", "suffix", "expected", "exact"),
    [
        ("aac", ".mp4", "aac", False),
        ("aac", ".mov", "aac", False),
        ("aac", ".mkv", "aac", False),
        ("aac", ".webm", "opus", True),
        ("libopus", ".mp4", "opus", False),
        ("libopus", ".mov", "aac", False),
        ("libopus", ".webm", "opus", False),
        ("pcm_s16le", ".mov", "pcm_s16le", True),
        ("pcm_s16le", ".mp4", "aac", False),
        ("flac", ".mkv", "flac", True),
    ],
)
def test_sound_is_cut_to_the_part(
    sound: str, suffix: str, expected: str, exact: bool, tmp_path: Path
) -> None:
    path = make(tmp_path / "in.mkv", sound=sound)
    clip = open_clip(path, 0.2, 0.72)
    frames = [(frame.time, frame.picture) for frame in clip]
    out = write_clip(tmp_path / f"out{suffix}", frames, clip.info, sound_from=path)
    name, begin, end, late = heard(out, began=0.2)
    assert name == expected
    assert abs(begin) < (0.001 if exact else 0.04)
    assert abs(end - 0.52) < (0.001 if exact else 0.04)
    assert abs(late) < 1.1


def test_a_long_clips_sound_is_found_again(tmp_path: Path) -> None:
    """Sound is looked for from some seconds before the part on, not from the beginning."""
    pictures = [Image.new("RGB", (32, 32), (index * 5, 80, 80)) for index in range(50)]
    path = make(tmp_path / "in.mp4", pictures, rate=5, sound="aac")
    clip = open_clip(path, 7, 9)
    frames = [(frame.time, frame.picture) for frame in clip]
    out = write_clip(tmp_path / "out.mp4", frames, clip.info, sound_from=path)
    _, begin, end, late = heard(out, began=7)
    assert (round(begin, 3), abs(late) < 0.1) == (0, True)
    assert abs(end - 2) < 0.04


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_pictures_that_begin_after_their_sound_stay_in_step(suffix: str, tmp_path: Path) -> None:
    times = [Fraction(3, 10) + Fraction(index, 25) for index in range(24)]
    path = make(tmp_path / "in.mp4", times=times, sound="aac")
    clip = open_clip(path)
    assert clip.info.origin == Fraction(3, 10)
    frames = [(frame.time, frame.picture) for frame in clip]
    out = write_clip(tmp_path / f"out{suffix}", frames, clip.info, sound_from=path)
    _, begin, end, late = heard(out, began=0.3)
    assert (abs(begin) < 0.04, abs(end - 0.96) < 0.04, abs(late) < 1.1) == (True, True, True)


def test_what_holds_no_sound_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make(tmp_path / "in.mp4", sound="aac")
    clip = open_clip(path)
    frames = [(frame.time, frame.picture) for frame in clip]
    out = write_clip(tmp_path / "out.gif", frames, clip.info, sound_from=path)
    assert capsys.readouterr().err == "note: out.gif holds no sound, which is left out\n"
    assert open_clip(out).info.count == 24
    silent = make(tmp_path / "silent.mp4")
    write_clip(tmp_path / "b.mp4", frames, open_clip(silent).info, sound_from=silent)
    assert not open_clip(tmp_path / "b.mp4").info.has_sound
    assert capsys.readouterr().err == ""


def test_the_title_is_kept_and_the_place_is_not(tmp_path: Path) -> None:
    metadata = {
        "title": "A walk",
        "creation_time": "2024-05-06T07:08:09.000000Z",
        "location": "+48.5+009.1/",
        "comment": "private",
    }
    path = make(tmp_path / "in.mp4", metadata=metadata)
    clip = open_clip(path)
    frames = [(frame.time, frame.picture) for frame in clip]
    out = write_clip(tmp_path / "out.mp4", frames, clip.info)
    with av.open(str(out)) as container:
        kept = dict(container.metadata)
    assert kept["title"] == "A walk"
    assert kept["creation_time"] == metadata["creation_time"]
    assert not {"location", "comment"} & set(kept)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_fewer_pictures_end_the_clip_where_the_next_would_begin(
    suffix: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "in.mp4", sound="aac")
    clip = open_clip(path)
    frames = [(frame.time, frame.picture) for frame in clip.frames()][:10]
    out = write_clip(tmp_path / f"a{suffix}", frames, clip.info, sound_from=path)
    assert open_clip(out).info.duration == Fraction(10, 25)
    if open_clip(out).info.has_sound:
        assert abs(heard(out)[2] - 0.4) < 0.04


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".gif"])
def test_the_same_pictures_give_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    path = make(tmp_path / "in.mp4", sound="aac")
    clip = open_clip(path)
    frames = [(frame.time, frame.picture) for frame in clip]
    files = [
        write_clip(tmp_path / f"{n}{suffix}", frames, clip.info, sound_from=path) for n in "ab"
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_are_read_as_they_are_needed(suffix: str, tmp_path: Path) -> None:
    frames = timed(6)
    for index, (_, picture) in enumerate(frames):
        picture.save(tmp_path / f"{index}.png")
    paths = [(time, tmp_path / f"{index}.png") for index, (time, _) in enumerate(frames)]
    first = write_clip(tmp_path / f"a{suffix}", frames, told(frames))
    second = write_clip(tmp_path / f"b{suffix}", paths, told(frames))
    found = [[frame.picture.tobytes() for frame in open_clip(out)] for out in (first, second)]
    assert found[0] == found[1]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_whole_or_not_at_all(suffix: str, tmp_path: Path) -> None:
    frames = timed(6)
    killed, others = (tmp_path / f".{name}.0123456789ab.part{suffix}" for name in ("a", "b"))
    for part in (killed, others):
        part.write_bytes(b"half a clip") if suffix else part.mkdir()
    out = write_clip(tmp_path / f"a{suffix}", frames, told(frames))
    assert sorted(tmp_path.iterdir()) == [others, out]
    others.unlink() if suffix else others.rmdir()
    with pytest.raises(InputError, match="another"):
        write_clip(out, frames, told(frames))

    def broken() -> Iterator:
        yield from frames[:4]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_clip(out, broken(), told(frames), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert open_clip(out).info.count == 6
    write_clip(out, frames[:3], told(frames[:3]), overwrite=True)
    assert open_clip(out).info.count == 3
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_one_line_and_leaves_what_was_there(suffix: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 240, 320, 3), np.uint8)
    frames = [(Fraction(i, 25), Image.fromarray(levels)) for i, levels in enumerate(noise)]
    with small_disk(tmp_path / "disk", 64) as folder:
        before = sorted(folder.iterdir())
        with pytest.raises(InputError, match="the disk is full") as caught:
            write_clip(folder / f"a{suffix}", frames, told(frames))
        assert "\n" not in str(caught.value)
        assert sorted(folder.iterdir()) == before


def test_where_nothing_can_be_written_is_said_before(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown suffix '.mp5'; did you mean .mp4\? \(there are"):
        check_out(tmp_path / "a.mp5")
    folder = tmp_path / "folder"
    folder.mkdir()
    assert check_out(folder) == folder
    (folder / "letter.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"folder holds letter\.txt"):
            check_out(folder, overwrite=overwrite)
    (tmp_path / "dir.mp4").mkdir()
    with pytest.raises(InputError, match="a folder of that name is in the way"):
        check_out(tmp_path / "dir.mp4", overwrite=True)
    with pytest.raises(InputError, match="cannot write"):
        check_out(folder / "letter.txt" / "a.mp4")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["dir.mp4", "folder", "letter.txt"]


def test_what_is_no_clip_is_the_callers_mistake(tmp_path: Path) -> None:
    frames = timed(3)
    out = tmp_path / "a.mp4"
    with pytest.raises(ValueError, match="at least one"):
        write_clip(out, [], told(frames))
    with pytest.raises(ValueError, match="one size"):
        write_clip(out, [*frames[:2], (Fraction(1), smooth(0, (64, 64)))], told(frames))
    with pytest.raises(ValueError, match="rise"):
        write_clip(out, [*frames, frames[0]], told(frames))
    assert not list(tmp_path.iterdir())
