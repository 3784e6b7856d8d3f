"""The room that frames take, against frames."""

import shutil
from pathlib import Path

import pytest

from nst_lightning.data.images import load_image
from nst_lightning.data.output import save_image
from nst_lightning.errors import InputError
from nst_lightning.video.disk import check_room, frame_bytes


def test_a_busy_pictures_file_is_about_as_large(tmp_path: Path) -> None:
    """A painting, whose strokes are as busy as a painted frame's."""
    pixels = load_image("sample:starry", 320).pixels
    saved = save_image(pixels, tmp_path / "a.png", settings={"a": "b" * 4000})
    estimate = frame_bytes(1, (pixels.shape[-1], pixels.shape[-2]))
    assert 0.8 * estimate < saved.stat().st_size < 1.1 * estimate


def test_it_is_said_before_and_refused_where_it_cannot_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new" / "frames"
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=40 * 10**9))
    line = check_room(new, 240, (1280, 720))
    assert line == "240 frames of 1280 x 720 take about 612 MB of the disk (40 GB free)"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=500 * 10**6))
    with pytest.raises(InputError, match=r"about 612 MB, but 500 MB are free; paint a smaller"):
        check_room(new, 240, (1280, 720))
    assert check_room(new, 24, (1280, 720))
    assert not new.exists()
