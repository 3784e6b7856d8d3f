"""A polite guest: stylize() and open_run leave the caller's process as it was, whatever it was."""

import contextlib
import io
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.painting import OBJECTIVE, KillAt, SignalAt, files, small_run
from lightning.pytorch import Callback
from PIL import Image

from nst_lightning import InputError, memory, stylize
from nst_lightning.budget import Plan
from nst_lightning.say import say
from nst_lightning.session import open_run
from nst_lightning.stages import Tiles

pytestmark = pytest.mark.slow
SMALL = {**OBJECTIVE, "data.size": 32, "trainer.accelerator": "cpu", "data.init": "noise"}


def state() -> dict[str, Any]:
    """Return all that a run could change of its process, comparable with ==."""
    return {
        "random": random.getstate(),
        "numpy": [np.asarray(part).tolist() for part in np.random.get_state()],
        "torch": torch.get_rng_state().tolist(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "autocast": [torch.is_autocast_enabled(device) for device in ("cpu", "cuda")],
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "anomaly": torch.is_anomaly_enabled(),
        "deterministic": torch.get_deterministic_debug_mode(),
        "matmul": torch.get_float32_matmul_precision(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "threads": torch.get_num_threads(),
        "environment": dict(os.environ),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "warnings": (list(warnings.filters), warnings.showwarning),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "path": list(sys.path),
        "folder": Path.cwd(),
        "hooks": (sys.excepthook, threading.excepthook),
        "limit": Image.MAX_IMAGE_PIXELS,
        "errors": np.geterr(),
    }


def unchanged(before: dict[str, Any]) -> None:
    after = state()
    for name, value in before.items():
        assert after[name] == value, name


def paint(pictures: tuple[Path, Path], **more: Any) -> bytes:
    settings = SMALL | more.pop("settings", {})
    return stylize(*pictures, steps=3, settings=settings, **more).tobytes()


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    yield
    torch.set_default_dtype(before)


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    yield


@contextlib.contextmanager
def environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PL_GLOBAL_SEED", "77")
        patch.setenv("PL_TRAINER_MAX_EPOCHS", "9")
        patch.delenv("PL_SEED_WORKERS", raising=False)
        yield


@contextlib.contextmanager
def ignored_signals() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def warnings_as_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextlib.contextmanager
def limit() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
        yield


@contextlib.contextmanager
def streams(stream: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", stream)
        yield


class Plain:
    """As an embedded console has them."""

    def write(self, text: str) -> int:
        return len(text)


class Broken:
    encoding = "utf-8"

    def write(self, text: str) -> int:
        raise BrokenPipeError


HOSTS: dict[str, Callable[[], Any]] = {
    "as usual": contextlib.nullcontext,
    "other seeds": seeded,
    "default dtype": lambda: default_dtype(torch.float64),
    "autocast": lambda: torch.autocast("cpu"),
    "autocast of half": lambda: torch.autocast("cpu", dtype=torch.float16),
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "a default device": lambda: torch.device("meta"),
    "environment": environment,
    "ignored signals": ignored_signals,
    "warnings as errors": warnings_as_errors,
    "Pillow's limit": limit,
    "no streams": lambda: streams(None),
    "plain streams": lambda: streams(Plain()),
    "broken streams": lambda: streams(Broken()),
    "closed streams": lambda: streams(open(os.devnull, "w")),  # noqa: SIM115, PTH123
}


@pytest.fixture(scope="module")
def wanted(pictures: tuple[Path, Path]) -> bytes:
    return paint(pictures)


@pytest.mark.parametrize("host", HOSTS)
def test_nothing_of_the_host_changes_nor_reaches_the_picture(
    pictures: tuple[Path, Path], host: str, wanted: bytes
) -> None:
    with HOSTS[host]():
        if host == "closed streams":
            sys.stdout.close()
        before = state()
        opened = tuple(Image.open(path) for path in pictures)
        found = paint(opened if host == "Pillow's limit" else pictures)  # type: ignore[arg-type]
        unchanged(before)
    assert found == wanted


ENDS: dict[str, dict[str, Any]] = {
    "a mistake in a setting": {"settings": {"model.style.layers": ["relu9_9"]}},
    "a fault in the run": {"callbacks": [KillAt(2, RuntimeError("broken"))]},
    "Ctrl-C": {"callbacks": [SignalAt(2)]},
    "Ctrl-C twice": {"callbacks": [SignalAt(2, times=2)]},
    "a deterministic trainer": {"settings": {"trainer.deterministic": True}},
    "a fast trainer": {"settings": {"trainer.benchmark": True}},
    "a random seed": {"settings": {"seed_everything": True}},
}


@pytest.mark.parametrize("end", ENDS)
def test_nothing_changes_however_it_ends(
    pictures: tuple[Path, Path], end: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = state()
    with contextlib.suppress(InputError, RuntimeError, KeyboardInterrupt):
        paint(pictures, **ENDS[end])
    unchanged(before)


def test_random_numbers_of_the_caller_go_on(pictures: tuple[Path, Path]) -> None:
    def draw() -> list[float]:
        return [random.random(), np.random.rand(), torch.rand(1).item()]

    with seeded():
        expected = [draw(), draw()]
    with seeded():
        first = draw()
        paint(pictures)
        assert [first, draw()] == expected


def test_a_session_in_pieces(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    """Between open_run and run, and after it, the caller does what it likes."""
    silent = {"summary": False, "progress": False, "pictures": False, "checkpoints": False}
    given = {**small_run(tmp_path, pictures, 3), "data.init": "noise"}
    plain = open_run(given, **silent)
    plain.run()
    before = state()
    session = open_run(given, **silent)
    unchanged(before)
    torch.manual_seed(99), np.random.seed(99)
    before = state()
    with torch.autocast("cpu"), torch.no_grad():
        session.run()
        picture, measures = session.picture(), session.measures()
    unchanged(before)
    assert torch.equal(picture, plain.picture())
    assert measures == plain.measures()


@pytest.mark.parametrize("step", [1, 2, 3])
def test_ctrl_c_reaches_the_loop_around_the_call(
    pictures: tuple[Path, Path], tmp_path: Path, step: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        paint(pictures, callbacks=[SignalAt(step)], folder=tmp_path)
    assert "stylized.png" in files(tmp_path)


def test_a_handler_of_the_callers_own_is_called(
    pictures: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        paint(pictures, callbacks=[SignalAt(2, number=signal.SIGTERM)])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == [signal.SIGTERM]


def test_in_another_thread(pictures: tuple[Path, Path], wanted: bytes) -> None:
    found: list[bytes] = []
    before = state()
    threads = [threading.Thread(target=lambda: found.append(paint(pictures))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted, wanted]
    unchanged(before)


def test_one_run_inside_another(pictures: tuple[Path, Path], wanted: bytes) -> None:
    found: list[bytes] = []

    class Inner(Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            found.append(paint(pictures))

    assert paint(pictures, callbacks=[Inner()]) == wanted
    assert found == [wanted] * 3


WRONG = {
    "an array": lambda picture: np.asarray(picture),
    "nothing": lambda picture: None,
    "bytes": lambda picture: picture.tobytes(),
    "an open file": lambda picture: io.BytesIO(),
    "a number": lambda picture: 7,
}


@pytest.mark.parametrize("argument", ["content", "style"])
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_picture_is_named(pictures: tuple[Path, Path], kind: str, argument: str) -> None:
    given: dict[str, Any] = {"content": pictures[0], "style": pictures[1]}
    given[argument] = WRONG[kind](Image.new("RGB", (32, 32)))
    with pytest.raises(InputError, match=f"^{argument}: expected a path"):
        stylize(**given, steps=1, settings=SMALL)


def test_numbers_of_numpy_are_numbers(pictures: tuple[Path, Path]) -> None:
    kinds = {"size": np.int64(32), "style_weight": np.float32(1e4), "seed": np.uint8(3)}
    plain = {"size": 32, "style_weight": 1e4, "seed": 3}
    one, two = (
        stylize(*pictures, steps=steps, settings=SMALL, **more).tobytes()
        for more, steps in ((kinds, np.int32(1)), (plain, 1))
    )
    assert one == two


def test_the_allocator_is_the_callers(
    pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(options: object) -> bool:
        raise AssertionError("stylize set the process's allocator")

    monkeypatch.setattr(memory, "_keeps", False)
    monkeypatch.setattr(memory, "_mallopt", fail)
    monkeypatch.setattr("nst_lightning.budget.choose", lambda job, _: Plan(Tiles(256), 0, False, 0))
    paint(pictures)


def test_no_name_is_both_a_function_and_a_module() -> None:
    import nst_lightning

    modules = {path.stem for path in Path(nst_lightning.__file__).parent.iterdir()}
    assert not modules & set(nst_lightning.__all__)


def test_say_whatever_the_stream_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", stream)
    say("into 画")
    assert stream.buffer.getvalue() == b"into \\u753b\n"  # type: ignore[attr-defined]
