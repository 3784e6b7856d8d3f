import numpy as np
import pytest
import torch
from PIL import Image

from nst_lightning.data.output import save_animation
from nst_lightning.errors import InputError


def frames(count: int = 5) -> list[torch.Tensor]:
    """Return a dark picture that grows bright, its left half staying as it is."""
    result = []
    for step in range(count):
        picture = torch.linspace(0, 1, 40).expand(1, 3, 24, 40).clone()
        picture[..., 20:] = step / (count - 1)
        result.append(picture)
    return result


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_frames_come_back_in_order(tmp_path, suffix):
    path = save_animation(frames(), tmp_path / f"run{suffix}", fps=10, hold=1.5)
    with Image.open(path) as animation:
        assert animation.n_frames == 5
        assert animation.info["loop"] == 0
        durations = []
        for index, expected in enumerate(frames()):
            animation.seek(index)
            animation.load()
            durations.append(animation.info["duration"])
            found = np.asarray(animation.convert("RGB")) / 255
            difference = np.abs(found - expected[0].permute(1, 2, 0).numpy())
            assert difference.mean() < 0.02
    assert durations[:-1] == [100] * 4
    assert durations[-1] == 1500


def test_still_parts_of_a_gif_do_not_flicker(tmp_path):
    path = save_animation(frames(), tmp_path / "run.gif")
    with Image.open(path) as animation:
        parts = []
        for index in range(animation.n_frames):
            animation.seek(index)
            parts.append(np.asarray(animation.convert("RGB"))[:, :18].astype(int))
    for part in parts[1:]:
        # Error diffusion crosses the border of the changing half, in single pixels only.
        assert (np.abs(part - parts[0]).max(-1) > 8).mean() < 0.02


def test_one_frame_is_an_animation_too(tmp_path):
    for suffix in (".gif", ".webp"):
        path = save_animation(frames(2)[:1], tmp_path / f"run{suffix}")
        assert Image.open(path).size == (40, 24)


def test_pillow_pictures_are_frames(tmp_path):
    pictures = [Image.new("RGBA", (20, 20), colour) for colour in ("red", "blue")]
    assert Image.open(save_animation(pictures, tmp_path / "run.gif")).n_frames == 2


def test_what_is_refused(tmp_path):
    for name in ("run.png", "run.mp4", "run"):
        with pytest.raises(InputError, match=r"\.gif or \.webp"):
            save_animation(frames(), tmp_path / name)
    for fps in (0, -1, 51, float("nan")):
        with pytest.raises(InputError, match="fps"):
            save_animation(frames(), tmp_path / "run.gif", fps=fps)
    with pytest.raises(ValueError, match="at least one frame"):
        save_animation([], tmp_path / "run.gif")
    with pytest.raises(ValueError, match="one size"):
        save_animation([torch.zeros(1, 3, 20, 20), torch.zeros(1, 3, 20, 21)], tmp_path / "run.gif")
    with pytest.raises(ValueError, match="not finite"):
        save_animation([torch.full((1, 3, 20, 20), float("nan"))], tmp_path / "run.gif")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_full_disk(small_disk, suffix):
    with pytest.raises(InputError, match="disk is full"):
        save_animation([torch.rand(1, 3, 300, 300) for _ in range(3)], small_disk / f"run{suffix}")
    assert list(small_disk.iterdir()) == []
