"""The closing lines tell the truth about the picture that was written."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.painting import ADAM, paint
from PIL import Image

from nst_lightning.callbacks.summary import _duration


def test_lines(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    from skimage.metrics import structural_similarity

    session = paint(tmp_path, pictures, *ADAM, "--images.bits=16", "--images.format=tiff", steps=4)
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[0] == f"painting 32x24 px, 4 steps, on cpu, into {tmp_path}"
    assert lines[1] == f"picture  {tmp_path / 'stylized.tiff'}"
    assert lines[2].endswith(" after 4 steps")
    assert len(lines) == 5
    content = session.pair.content[0].permute(1, 2, 0).double().numpy()
    picture = session.model.picture()[0].permute(1, 2, 0).double().numpy()
    ssim = structural_similarity(
        *(content, picture),
        **{"channel_axis": 2, "data_range": 1.0, "gaussian_weights": True},
        **{"sigma": 1.5, "use_sample_covariance": False},
    )
    mse = ((content - picture) ** 2).mean()
    found = re.fullmatch(r"content  SSIM ([\d.]+), MSE ([\d.]+)", lines[3])
    assert found is not None
    assert float(found[1]) == pytest.approx(ssim, abs=6e-3)
    assert float(found[2]) == pytest.approx(mse, abs=6e-5)
    total, *parts = (
        float(text) for text in re.findall(r"\d[\d.e+-]*", lines[2].split(" after")[0])
    )
    assert len(parts) == 3
    assert total == pytest.approx(sum(parts), rel=1e-3)
    assert lines[4].startswith("time     ")


def test_notes_come_first(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [Image.fromarray(np.full((40, 40, 3), level, np.uint8)) for level in (50, 200)]
    path = tmp_path / "moving.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    paint(tmp_path / "run", (pictures[0], path), steps=1)
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("note: ")
    assert "moving.gif" in first
    assert "frame" in first


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (59.4, "59.4 s"), (60, "1 min 0 s"), (605, "10 min 5 s")],
)
def test_time_in_words(seconds: float, words: str) -> None:
    assert _duration(seconds) == words
