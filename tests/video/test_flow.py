"""Both kinds of flow against the truth of a known camera."""

import numpy as np
import pytest
from helpers.moving import endpoint_error, moving

from nst_lightning.video import flow

METHODS = {"DIS": flow.dense_inverse_search, "ILK": flow.lucas_kanade}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("pan", "zoom"), [(1.5, 1.0), (0.0, 1.02), (-2.0, 0.99)])
def test_a_known_camera(method: str, pan: float, zoom: float) -> None:
    if method == "DIS":
        pytest.importorskip("cv2", reason="OpenCV is not installed")
    frames, truth = moving(2, pan=pan, zoom=zoom)
    found = METHODS[method](np.array(frames[1]), np.array(frames[0]))
    assert endpoint_error(found, truth[1]) < (0.25 if method == "DIS" else 0.4)
    none = np.zeros_like(truth[1])
    assert endpoint_error(none, truth[1]) > 0.5, "an instance that tests nothing"


def test_opencv_is_taken_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "cv2", None)
    assert flow.method_name() == "ILK"
