"""Optical flow: where each pixel of a frame is in another one."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst_lightning.video.flow_edges import edges_sharpened

Flow = NDArray[np.float32]
"""Of each pixel how far it is to its place in the other frame: ``(2, H, W)``, x then y, pixels."""
Frame = NDArray[np.uint8]
"""``(H, W, 3)``, RGB."""


def optical_flow(frame: Frame, other: Frame) -> Flow:
    """Return the flow from one frame to another of the same size.

    By OpenCV's dense inverse search where that is installed (Kroeger et al., "Fast Optical Flow
    using Dense Inverse Search", ECCV 2016), else by scikit-image's iterative Lucas-Kanade method
    (Le Besnerais & Champagnat, "Dense optical flow by iterative local window registration", ICIP
    2005). Both take a window's motion for a place's, so that around something that moves its
    motion spills over; `edges_sharpened` gives each place the motion that fits it.
    """
    return edges_sharpened(_method()(frame, other), frame, other)


def method_name() -> str:
    """Return which of the two is used here: ``DIS`` or ``ILK``."""
    return "DIS" if _method() is dense_inverse_search else "ILK"


def _method() -> Callable[[Frame, Frame], Flow]:
    try:
        import cv2  # noqa: F401
    except ImportError:
        return lucas_kanade
    return dense_inverse_search


def dense_inverse_search(frame: Frame, other: Frame) -> Flow:
    """Return the flow by OpenCV's ``DISOpticalFlow``, in its preset of medium speed, but finer.

    To single pixels (the preset stops at every other one), with patches two pixels apart.
    """
    import cv2

    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    search.setPatchStride(2)
    here, there = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (frame, other))
    start = np.zeros((*here.shape, 2), np.float32)
    found: Any = search.calc(here, there, start)  # (H, W, 2)
    return np.ascontiguousarray(found.transpose(2, 0, 1), dtype=np.float32)


def lucas_kanade(frame: Frame, other: Frame) -> Flow:
    """Return the flow by scikit-image's ``optical_flow_ilk``."""
    from skimage.color import rgb2gray
    from skimage.registration import optical_flow_ilk

    flow: Any = optical_flow_ilk

    down, right = flow(rgb2gray(frame), rgb2gray(other), radius=7, prefilter=True)
    return np.stack([right, down]).astype(np.float32)
