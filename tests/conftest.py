"""What all tests share."""

# First of all: a process dies if TensorFlow is imported before torchvision.
import torchvision  # isort: skip  # noqa: F401

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

SHARED_IMAGES = Path(__file__).parents[2] / "shared" / "images"


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    """Use two threads at most: pictures this small gain nothing from more."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(2, os.cpu_count() or 1))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return files of a content (64 x 48, smooth with an edge) and a style (56 x 60, checkered)."""
    folder = tmp_path_factory.mktemp("pictures")
    y, x = np.mgrid[:48, :64]
    disc = (x - 30) ** 2 + (y - 20) ** 2 < 150
    content = np.stack([60 + 2 * x, 40 + 3 * y, np.where(disc, 200, 90)], axis=-1)
    y, x = np.mgrid[:60, :56]
    check = (x // 5 + y // 7) % 2
    style = np.stack([230 * check, 60 + 120 * ((x // 3) % 2), 3 * y], axis=-1)
    paths = folder / "content.png", folder / "style.png"
    for path, levels in zip(paths, (content, style), strict=True):
        Image.fromarray(levels.astype(np.uint8)).save(path)
    return paths


@pytest.fixture(scope="session")
def shared_image() -> Callable[[str], Path]:
    """Find a real photograph or painting beside the repository, or skip the test."""

    def find(name: str) -> Path:
        path = SHARED_IMAGES / name
        if not path.is_file():
            pytest.skip(
                f"the picture {name} is not in a folder shared/images beside the repository"
            )
        return path

    return find
