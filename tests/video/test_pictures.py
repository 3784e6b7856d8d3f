"""Folders of frames and animations."""

import itertools
from fractions import Fraction
from pathlib import Path

import pytest
from helpers.clips import smooth
from PIL import Image

from nst_lightning.errors import InputError
from nst_lightning.video.clip import Clip
from nst_lightning.video.reading import open_clip


def frames_in(folder: Path, numbers: range, pattern: str = "f{}.png") -> Path:
    folder.mkdir()
    for number in numbers:
        smooth(number).save(folder / pattern.format(number))
    return folder


def pictures_of(clip: Clip) -> list[bytes]:
    return [frame.picture.tobytes() for frame in clip]


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    folder = frames_in(tmp_path / "frames", range(8, 12))
    expected = [smooth(number).tobytes() for number in range(8, 12)]
    clip = open_clip(folder, fps=12.5)
    assert pictures_of(clip) == expected  # f8, f9, f10: not f10, f11, f8
    assert list(clip.info.times) == [Fraction(2 * i, 25) for i in range(4)]
    assert clip.info.duration == Fraction(8, 25)
    assert not clip.info.has_sound
    assert pictures_of(open_clip(f"{folder}/f1*.png")) == expected[2:]
    (folder / "times.csv").write_text(
        "file,seconds\nf8.png,0\nf9.png,1/3\nf10.png,0.5\nf11.png,2\n,3\n"
    )
    timed = open_clip(folder)
    assert list(timed.info.times) == [Fraction(0), Fraction(1, 3), Fraction(1, 2), Fraction(2)]
    assert timed.info.duration == 3


def test_a_folder_that_is_no_clip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = frames_in(tmp_path / "frames", range(4))
    (folder / "f2.png").write_bytes(b"nothing")
    clip = open_clip(folder)
    assert len(list(clip)) == 2
    assert clip.ended_early == Fraction(2, 25)
    assert "frames breaks off at 0:00.08" in capsys.readouterr().err
    smooth(0, (64, 64)).save(folder / "f2.png")
    with pytest.raises(InputError, match=r"f2.png is 64 x 64 pixels, but f0.png 96 x 64"):
        open_clip(folder)
    (folder / "times.csv").write_text("file,seconds\nf0.png,0\n,1\n")
    (folder / "f2.png").unlink()
    with pytest.raises(InputError, match=r"f1.png is not both"):
        open_clip(folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"the folder .* holds no picture"):
        open_clip(empty)


def patterned(index: int) -> Image.Image:
    """Return a picture of few colours, which a GIF holds as they are."""
    picture = Image.new("RGB", (64, 48), (200, 40, 40))
    picture.paste((20, 60, 180), (4 * index, 10, 4 * index + 20, 30))
    return picture


@pytest.mark.parametrize(
    ("suffix", "loop", "plays"),
    [(".gif", 0, 0), (".gif", None, 1), (".gif", 2, 3), (".webp", 2, 2), (".png", 2, 2)],
)
def test_animations_keep_their_times_and_loops(
    suffix: str, loop: int | None, plays: int, tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    pictures = [patterned(index) for index in range(10)]
    lasts = [40, 70, 100, 500, 30, 30, 30, 40, 50, 250]
    options = {} if loop is None else {"loop": loop}
    options |= {"lossless": True} if suffix == ".webp" else {}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=lasts, **options)
    clip = open_clip(path)
    assert [1000 * time for time in clip.info.times] == [
        0, *itertools.accumulate(lasts[:-1])
    ]  # fmt: skip
    assert 1000 * clip.info.duration == sum(lasts)
    assert clip.info.plays == plays
    assert pictures_of(clip) == [picture.tobytes() for picture in pictures]
    assert next(clip.frames(7)).picture.tobytes() == pictures[7].tobytes()


def test_an_animation_is_laid_on_white_and_hasty_pictures_are_slowed(tmp_path: Path) -> None:
    pictures = [Image.new("RGBA", (32, 32), (255, 0, 0, 0)) for _ in range(3)]
    for index, picture in enumerate(pictures):
        picture.paste((0, 0, 255, 255), (0, 0, 8 + index, 8))
    path = tmp_path / "a.webp"
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=[0, 10, 20], lossless=True
    )
    clip = open_clip(path)
    assert list(clip.info.times) == [0, Fraction(1, 10), Fraction(1, 5)]
    last = list(clip)[2].picture
    assert [last.getpixel(place) for place in ((9, 0), (10, 0), (20, 20))] == [
        (0, 0, 255), (255, 255, 255), (255, 255, 255)
    ]  # fmt: skip
    assert len(clip.info.notes) == 2


def test_a_gif_that_was_cut_off_gives_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.gif"
    pictures = [smooth(index).quantize(64) for index in range(8)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 5 // 8])
    clip = open_clip(path)
    assert 2 <= len(list(clip)) < 8
    assert "breaks off" in capsys.readouterr().err
    assert clip.ended_early is not None
