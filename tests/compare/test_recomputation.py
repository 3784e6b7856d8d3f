"""The measures, computed again from the PNG files on the disk by other means."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity

from nst_lightning.compare.results import DECISIVE
from nst_lightning.encoder import VGG19Encoder

from .conftest import Made

LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]


def levels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.float64) / 255


def grams(picture: np.ndarray, encoder: VGG19Encoder) -> dict[str, np.ndarray]:
    tensor = torch.from_numpy(picture.transpose(2, 0, 1).copy()).float().unsqueeze(0)
    with torch.no_grad():
        taps = {name: f[0].double().numpy() for name, f in encoder(tensor).items()}
    flat = {name: f.reshape(f.shape[0], -1) for name, f in taps.items()}
    return {name: f @ f.T / f.shape[1] for name, f in flat.items()}


def test_measures_are_those_of_the_files(made: Made) -> None:
    encoder = VGG19Encoder(LAYERS)
    with (made.out / "metrics.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 6
    for row in rows:
        file = made.out / row["file"]
        picture, content, style = (
            levels(path)
            for path in (file, file.with_name("content.png"), file.with_name("style.png"))
        )
        ssim = structural_similarity(
            picture,
            content,
            channel_axis=2,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        ours, target = grams(picture, encoder), grams(style, encoder)
        distances = [
            ((ours[name] - target[name]) ** 2).sum() / (target[name] ** 2).sum() for name in LAYERS
        ]
        assert float(row["ssim/content"]) == pytest.approx(ssim, abs=5e-4)
        assert float(row["style_distance"]) == pytest.approx(np.mean(distances), rel=5e-4)
        assert float(row["mse/content"]) == pytest.approx(((picture - content) ** 2).mean())


def test_the_digits_of_the_page(made: Made) -> None:
    page = (made.out / "report" / "index.html").read_text(encoding="utf-8")
    for pair in made.document["pairs"]:
        for measures in pair["measures"].values():
            for name in ("ssim/content", "style_distance", *DECISIVE.values()):
                assert f"<td>{measures[name]:.3f}</td>" in page
