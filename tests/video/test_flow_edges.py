"""Motion ends where the thing that moves ends, against the truth of a made scene."""

import numpy as np
import pytest
from helpers.moving import moving

from nst_lightning.video import flow
from nst_lightning.video.flow_edges import edges_sharpened

METHODS = {"DIS": flow.dense_inverse_search, "ILK": flow.lucas_kanade}


def wrong(found: np.ndarray, true: np.ndarray) -> int:
    """Return at how many places a flow is more than half a pixel off."""
    off = np.hypot(*(found - true))
    return int((off[np.isfinite(off)] > 0.5).sum())


@pytest.mark.parametrize("photograph", ["sample:cat", "sample:astronaut"])
@pytest.mark.parametrize("speed", [3.0, 8.0])
@pytest.mark.parametrize("method", METHODS)
def test_around_something_that_moves(method: str, speed: float, photograph: str) -> None:
    if method == "DIS":
        pytest.importorskip("cv2", reason="OpenCV is not installed")
    frames, truth = moving(3, size=(160, 110), pan=0, occluder=speed, photograph=photograph)
    here, there = (np.array(frame) for frame in frames[2:0:-1])
    found = METHODS[method](here, there)
    before, after = (wrong(one, truth[2]) for one in (found, edges_sharpened(found, here, there)))
    assert before > 50, "an instance that tests nothing"
    assert after < before / 3


def test_what_is_right_stays() -> None:
    frames, truth = moving(2, size=(96, 66), pan=2, occluder=0)
    here, there = (np.array(frame) for frame in frames[::-1])
    found = edges_sharpened(truth[1].astype(np.float32), here, there)
    assert found.shape == truth[1].shape
    assert np.abs(found - truth[1]).max() < 1e-3


def test_noise_chooses_nothing() -> None:
    draw = np.random.default_rng(1)
    frames, _ = moving(1, size=(96, 66), occluder=0)
    here, there = (
        np.clip(np.array(frames[0]) + draw.normal(0, 4, (66, 96, 3)), 0, 255).astype(np.uint8)
        for _ in range(2)
    )
    given = draw.normal(0, 0.1, (2, 66, 96)).astype(np.float32)
    found = edges_sharpened(given, here, there)
    assert np.hypot(*found).mean() < np.hypot(*given).mean()
