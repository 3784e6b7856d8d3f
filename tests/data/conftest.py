"""Fixtures of the tests of nst_lightning.data."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import disks


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """Return random levels that compress badly and have no symmetry."""

    def make(height: int = 24, width: int = 40, channels: int = 3, seed: int = 0) -> np.ndarray:
        shape = (height, width) if channels == 1 else (height, width, channels)
        return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)

    return make


@pytest.fixture
def gradient() -> np.ndarray:
    """Return a smooth picture (24, 40, 3), which survives lossy formats."""
    y, x = np.mgrid[0:24, 0:40].astype(float)
    planes = [40 + 4 * x, 30 + 6 * y, 220 - 2 * x - 3 * y]
    return np.stack(planes, -1).round().astype(np.uint8)


@pytest.fixture
def without_root() -> Iterator[None]:
    """Take root's right to read and write everything away for the length of a test."""
    if os.geteuid() != 0:
        yield
        return
    try:
        os.seteuid(65534)
    except OSError as error:
        pytest.skip(f"cannot stop being root here: {error}")
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 128 KiB, which is soon full."""
    with disks.small_disk(tmp_path / "disk", 128) as folder:
        yield folder
