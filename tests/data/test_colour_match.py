"""Colours kept: each way against what it promises."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2yiq
from skimage.exposure import match_histograms

from nst_lightning.data.colour_match import (
    luminance,
    match_covariance,
    match_histogram,
    match_luminance,
    with_luminance,
)


def picture(seed: int, height: int = 20, width: int = 30, low: float = 0.3, high: float = 0.7):
    rng = np.random.default_rng(seed)
    mixed = rng.random((height * width, 3)) @ rng.random((3, 3))
    mixed = low + (high - low) * (mixed - mixed.min()) / np.ptp(mixed)
    return torch.from_numpy(mixed.T.reshape(1, 3, height, width))


def as_yiq(pixels: torch.Tensor) -> np.ndarray:
    return rgb2yiq(pixels[0].permute(1, 2, 0).numpy())


def test_luminance_is_the_y_of_yiq() -> None:
    np.testing.assert_allclose(luminance(picture(0))[0, 0], as_yiq(picture(0))[..., 0], rtol=1e-5)


def test_with_luminance_keeps_the_chroma() -> None:
    content, light = picture(0), picture(1)
    mixed = as_yiq(with_luminance(content, light))
    np.testing.assert_allclose(mixed[..., 0], as_yiq(light)[..., 0], atol=1e-4)
    np.testing.assert_allclose(mixed[..., 1:], as_yiq(content)[..., 1:], atol=1e-4)


def test_match_luminance_gives_mean_and_deviation() -> None:
    style, content = picture(0, 25, 31), picture(1)
    matched = match_luminance(style, content)
    wanted = luminance(content)
    assert matched.shape == style.shape
    assert float(matched.mean()) == pytest.approx(float(wanted.mean()), abs=1e-3)
    assert float(matched[:, :1].std()) == pytest.approx(float(wanted.std()), rel=0.02)


def test_match_covariance_gives_mean_and_covariance() -> None:
    style, content = picture(0, 25, 31, 0.1, 0.9), picture(1, low=0.4, high=0.6)
    matched = match_covariance(style, content).flatten(2)[0].numpy()
    wanted = content.flatten(2)[0].numpy()
    np.testing.assert_allclose(matched.mean(1), wanted.mean(1), atol=1e-6)
    np.testing.assert_allclose(np.cov(matched), np.cov(wanted), atol=1e-6)


def test_a_style_of_one_colour_is_not_blown_up() -> None:
    matched = match_covariance(torch.full((1, 3, 8, 8), 0.3), picture(1))
    assert float(matched.std((2, 3)).max()) < 1e-3


def test_match_histogram_is_scikit_images() -> None:
    style, content = picture(0, 25, 31), picture(1)
    expected = match_histograms(
        *(p[0].permute(1, 2, 0).numpy() for p in (style, content)), channel_axis=2
    )
    matched = match_histogram(style, content)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(matched, expected, atol=0.01)
