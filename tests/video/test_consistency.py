"""Masks against a plain transcription of the formulas; warping against SciPy."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from nst_lightning.video.consistency import closest_first, hidden, reliable, warp


def flows(seed: int, height: int = 24, width: int = 31) -> tuple[np.ndarray, np.ndarray]:
    """Make a flow of all sizes, a step in it, and one back that agrees with it here and there."""
    random = np.random.default_rng(seed)
    flow = random.normal(0, 3, (2, height, width))
    flow = np.stack([gaussian_filter(part, 5) for part in flow]) * 5
    flow[:, :, width // 2 :] += 3
    back = -flow + gaussian_filter(random.normal(0, 3, flow.shape), (0, 2, 2))
    return flow.astype(np.float32), back.astype(np.float32)


def transcribed(w: np.ndarray, ŵ_field: np.ndarray) -> np.ndarray:
    """Ruder et al. (2016), equations 5 and 6, a pixel at a time; before softening."""
    _, height, width = w.shape
    mask = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            u, v = w[:, i, j]
            x, y = j + u, i + v
            if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
                continue
            there = [
                map_coordinates(part, [[y], [x]], order=1, mode="nearest")[0] for part in ŵ_field
            ]
            gone = (u + there[0]) ** 2 + (v + there[1]) ** 2
            length, length_there = u**2 + v**2, there[0] ** 2 + there[1] ** 2
            if gone >= 0.01 * (length + length_there) + 0.5:
                continue
            slopes = 0.0
            for part in w:
                left, right = part[i, max(j - 1, 0)], part[i, min(j + 1, width - 1)]
                up, down = part[max(i - 1, 0), j], part[min(i + 1, height - 1), j]
                slopes += ((right - left) / (2 if 0 < j < width - 1 else 1)) ** 2
                slopes += ((down - up) / (2 if 0 < i < height - 1 else 1)) ** 2
            mask[i, j] = not slopes > 0.01 * length + 0.002
    return mask


@pytest.mark.parametrize("seed", range(4))
def test_masks(seed: int) -> None:
    flow, back = flows(seed)
    hard = transcribed(flow, back)
    assert 0.05 < hard.mean() < 0.95, "an instance that tests nothing"
    found = reliable(*(torch.from_numpy(part)[None] for part in (flow, back)))[0, 0].numpy()
    kernel = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 0.8**2))
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
    padded = np.pad(hard, 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
    soft = (windows * kernel).sum((2, 3)) * hard
    # A place on the very edge of a test may fall on either side of it.
    assert np.mean(np.abs(found - soft) < 1e-4) > 0.97


def test_a_still_scene_is_reliable_everywhere() -> None:
    zero = torch.zeros(1, 2, 10, 12)
    assert torch.allclose(reliable(zero, zero), torch.ones(1, 1, 10, 12))


@pytest.mark.parametrize(("mode", "order"), [("bilinear", 1), ("nearest", 0), ("spline", 5)])
def test_warping(mode: str, order: int) -> None:
    random = np.random.default_rng(1)
    picture = random.random((2, 15, 18))
    flow = random.uniform(-2.4, 2.4, (2, 15, 18))
    rows, columns = np.mgrid[:15, :18]
    places = [rows + flow[1], columns + flow[0]]
    wanted = [map_coordinates(part, places, order=order, mode="nearest") for part in picture]
    found = warp(torch.from_numpy(picture)[None], torch.from_numpy(flow)[None], mode)
    np.testing.assert_allclose(found[0].numpy(), np.stack(wanted), atol=1e-9)


def test_what_is_moved_often_keeps_its_strokes() -> None:
    """As a film's sky is: by part of a pixel, from frame to frame."""
    strokes = np.random.default_rng(2).random((3, 60, 80))
    picture = torch.from_numpy(gaussian_filter(strokes, (0, 0.8, 0.8)))[None].float()
    moved, step = picture, torch.full((1, 2, 60, 80), 0.5)
    for number in range(10):
        moved = warp(moved, step if number % 2 else -step, "spline")
    inside = np.s_[..., 8:-8, 8:-8]
    assert float(moved[inside].std()) == pytest.approx(float(picture[inside].std()), rel=0.04)
    torch.testing.assert_close(moved[inside], picture[inside], atol=0.05, rtol=0)


def test_long_term_masks_have_what_nearer_ones_lack() -> None:
    masks = [torch.tensor(v).view(1, 1, 1, 4) for v in ([1, 0, 0.5, 0], [1, 1, 1, 0], [1, 1, 1, 1])]
    near, middle, far = (
        mask.flatten().tolist() for mask in closest_first([m.float() for m in masks])
    )
    assert near == [1, 0, 0.5, 0]
    assert middle == [0, 1, 0.5, 0]
    assert far == [0, 0, 0, 1]


def test_hidden_is_what_comes_into_sight_at_the_border_and_behind_what_moves() -> None:
    flow = torch.zeros(1, 2, 20, 30)
    flow[:, 0] = -2.0  # everything went two pixels to the right
    back = -flow
    flow[:, :, 5:15, 10:15] = 0  # something stands before it
    back[:, :, 5:15, 10:15] = 0
    found = hidden(flow, back)[0, 0].numpy()
    expected = np.zeros((20, 30), bool)
    expected[:, :2] = True
    # What is right of it was behind it two pixels ago.
    expected[5:15, 15:17] = True
    assert np.array_equal(found, expected)
