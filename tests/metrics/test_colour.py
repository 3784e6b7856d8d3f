"""Log-chroma histograms, contrast and colourfulness against plain NumPy and scikit-image."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from nst_lightning.metrics.colour import (
    contrast_and_colourfulness,
    hellinger_distance,
    ratio,
    rgb_uv_histogram,
)


def numpy_histogram(picture):
    """Channel by channel, as HistoGAN's paper writes it."""
    r, g, b = picture[0].double().numpy().reshape(3, -1)
    brightness = np.sqrt(r**2 + g**2 + b**2)
    lr, lg, lb = (np.log(channel + 1e-6) for channel in (r, g, b))
    bins = np.linspace(-3, 3, 64)
    planes = []
    for u, v in ((lr - lg, lr - lb), (lg - lr, lg - lb), (lb - lr, lb - lg)):
        near_u, near_v = (
            1 / (1 + np.abs(np.subtract.outer(ratios, bins)) ** 2 / 0.02**2) for ratios in (u, v)
        )
        planes.append(np.einsum("p,pi,pj->ij", brightness, near_u, near_v, optimize=True))
    return np.stack(planes) / np.sum(planes)


def test_histogram_and_its_distance_agree_with_numpy(make_picture, monkeypatch):
    # Several blocks of pixels, of which the last is not full.
    monkeypatch.setattr("nst_lightning.metrics.colour._PIXELS_AT_ONCE", 100)
    pictures = [make_picture(13, 17, seed=seed).double() for seed in (1, 2)]
    a, b = (rgb_uv_histogram(picture) for picture in pictures)
    expected = [numpy_histogram(picture) for picture in pictures]
    for found, wanted in zip((a, b), expected, strict=True):
        assert found.shape == (3, 64, 64)
        assert found.numpy() == pytest.approx(wanted, rel=1e-9, abs=1e-15)
    distance = np.sqrt(np.sum((np.sqrt(expected[0]) - np.sqrt(expected[1])) ** 2)) / np.sqrt(2)
    assert hellinger_distance(a, b).item() == pytest.approx(distance)
    assert 0 < distance < 1


def test_histograms_see_neither_places_nor_brightness(make_picture):
    picture = make_picture().double()
    shuffled = picture.flatten(2)[..., torch.randperm(40 * 56)]
    histogram = rgb_uv_histogram(picture)
    same = rgb_uv_histogram(shuffled.reshape(picture.shape))
    assert hellinger_distance(histogram, same).item() == pytest.approx(0, abs=1e-6)
    darker = hellinger_distance(histogram, rgb_uv_histogram(0.5 * picture))
    assert darker < 1e-3


def test_other_colours_are_as_far_as_can_be():
    red, blue = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    red[:, 0], red[:, 1:], blue[:, 2], blue[:, :2] = 0.9, 0.3, 0.9, 0.3
    distance = hellinger_distance(rgb_uv_histogram(red), rgb_uv_histogram(blue)).item()
    assert 0.9 < distance < 1


def test_a_black_picture_has_an_empty_histogram():
    assert rgb_uv_histogram(torch.zeros(1, 3, 4, 4)).sum() == 0


def numpy_lab(picture):
    rgb = picture[0].double().numpy()
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [
            [0.412453, 0.357580, 0.180423],
            [0.212671, 0.715160, 0.072169],
            [0.019334, 0.119193, 0.950227],
        ]
    )
    xyz = np.einsum("ij,jhw->ihw", matrix, linear) / np.array([0.95047, 1, 1.08883])[:, None, None]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def test_contrast_and_colourfulness_agree_with_numpy(make_picture):
    picture = make_picture()
    lightness, a, b = numpy_lab(picture)
    expected = np.std(lightness), np.mean(np.hypot(a, b))
    assert contrast_and_colourfulness(picture) == pytest.approx(expected, rel=1e-4)
    lab = rgb2lab(picture[0].double().permute(1, 2, 0).numpy())
    assert contrast_and_colourfulness(picture)[1] == pytest.approx(
        np.linalg.norm(lab[..., 1:], axis=-1).mean(), rel=1e-6
    )


def test_ratios():
    assert ratio(30.0, 20.0) == pytest.approx(1.5, rel=1e-3)
    assert ratio(0.0, 0.0) == 1
    assert ratio(20.0, 0.0) == pytest.approx(2001)
