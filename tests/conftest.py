"""What all tests share."""

import functools
import gc
import os

# Before torch is there: threads that wait for work must not keep the other workers' cores busy.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# First of all: a process dies if TensorFlow is imported before torchvision.
import torchvision  # isort: skip  # noqa: F401

import random
import signal
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image


def pytest_configure() -> None:
    """Have Ctrl-C work, and in programs that are started: what starts tests may ignore it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Test with a process a core and 4 GB, four at most; files named one by one in this alone."""
    if all(Path(name.partition("::")[0]).is_file() for name in config.args):
        config.option.dist = "no"
        return 0
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(4, os.cpu_count() or 1, round(memory / 4e9)))  # each grows to 4 GB


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    """Use a core a process; alone two at most: pictures this small gain nothing from more."""
    if "OMP_NUM_THREADS" not in os.environ:
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        torch.set_num_threads(max(1, min(2, (os.cpu_count() or 1) // workers)))


def pytest_collection_finish() -> None:
    """Keep thousands of tests and modules out of the collections that each run begins with."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _bundled_weights_are_read_once() -> Iterator[None]:
    """Read the weights once a process: a fifth of what a small run takes."""
    from nst_lightning import encoder

    read = encoder.load_vgg19
    once = functools.cache(read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            encoder, "load_vgg19", lambda name, *a: (once if name == "bundled" else read)(name, *a)
        )
        yield


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Use two threads: in sums of one thread some numbers are others."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


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


SEED = "NST_TEST_SEED"
"""Environment variable that repeats the random choices of a run of the tests."""


@pytest.fixture(scope="session")
def seed() -> int:
    """Return a new seed in every run of the tests; a failing test's report says which."""
    return int(os.environ.get(SEED) or random.SystemRandom().randrange(2**31))


@pytest.fixture(autouse=True)
def _same_random_numbers(request: pytest.FixtureRequest) -> None:
    """Let torch's random numbers be those of the test, whichever tests ran before it."""
    torch.manual_seed(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """Return random choices of this test's own; those of other tests do not change them."""
    print(f"random choices: {SEED}={seed} repeats them")  # shown if the test fails
    return random.Random(f"{seed} {request.node.nodeid}")


@pytest.fixture
def signals_given_back() -> Iterator[None]:
    """Give the signals back to pytest, whatever a run did with them."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


PAINTING = (
    "callbacks",
    "cloud",
    "compare",
    "e2e",
    "grids",
    "recipes",
    "test_notebook.py",
    "test_session.py",
)
"""Folders and files whose tests paint or start programs: ``-m "not slow"`` leaves them out."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of whole folders and files as slow, and begin with slow files."""
    slow = set()
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] in PAINTING:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow"):
            slow.add(item.path)
    items.sort(key=lambda item: item.path not in slow)  # the last to end is then a quick one
