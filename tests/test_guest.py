"""A polite guest: stylize() and open_run leave the caller's process as it was, whatever it was."""

import asyncio
import contextlib
import gc
import io
import logging
import operator
import os
import random
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.painting import OBJECTIVE, KillAt, SignalAt, files, small_run
from lightning.pytorch import Callback
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from PIL import Image

from nst_lightning import InputError, memory, stylize
from nst_lightning.budget import Plan
from nst_lightning.data.images import load_image
from nst_lightning.data.metadata import read_settings
from nst_lightning.data.output import save_animation, save_image
from nst_lightning.options import find_config, read_yaml
from nst_lightning.say import say
from nst_lightning.session import open_run
from nst_lightning.stages import Tiles

pytestmark = pytest.mark.slow
PARTS = ("mkldnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn")
PARTS += ("cudnn", "cudnn.conv", "cudnn.rnn", "cuda.matmul")
BACKENDS = [("backends", "fp32_precision")]
BACKENDS += [(f"backends.{part}", "fp32_precision") for part in PARTS]
FLAGS = ("enabled", "deterministic", "benchmark")
BACKENDS += [(f"backends.{part}", flag) for part in ("mkldnn", "cudnn") for flag in FLAGS]
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
        "matmul": matmul(),
        "backends": {
            f"{owner}.{name}": getattr(operator.attrgetter(owner)(torch), name, None)
            for owner, name in BACKENDS
        },
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
        "rank": vars(rank_zero_only)["rank"],
        "levels": [logging.getLogger(name).level for name in ("", "lightning.pytorch")],
    }


def matmul() -> str:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # set in two ways that contradict each other
        return "mixed"


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
def environment(**variables: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.delenv("PL_SEED_WORKERS", raising=False)
        yield


@contextlib.contextmanager
def precision(level: str) -> Iterator[None]:
    torch.set_float32_matmul_precision(level)
    yield
    torch.set_float32_matmul_precision("highest")


@contextlib.contextmanager
def backend(part: str, name: str, value: Any, after: Any) -> Iterator[None]:
    owner = operator.attrgetter(part)(torch)
    if not hasattr(owner, name):
        pytest.skip("this torch has none")
    setattr(owner, name, value)
    yield
    setattr(owner, name, after)


@contextlib.contextmanager
def rank(number: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rank_zero_only, "rank", number)
        yield


@contextlib.contextmanager
def exact_algorithms() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@contextlib.contextmanager
def logs() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


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
    "environment": lambda: environment(
        PL_GLOBAL_SEED="77",
        PL_TRAINER_MAX_EPOCHS="9",
        PL_TRAINER_LIMIT_TRAIN_BATCHES="1",
        PL_DATA__SIZE="20",
        JSONARGPARSE_DEFAULT_ENV="true",
    ),
    "SLURM": lambda: environment(
        SLURM_NTASKS="4", SLURM_JOB_ID="7", SLURM_JOB_NAME="x", SLURM_PROCID="3", SLURM_LOCALID="3"
    ),
    "torchrun": lambda: environment(
        RANK="2", LOCAL_RANK="2", WORLD_SIZE="4", GROUP_RANK="0", TORCHELASTIC_RUN_ID="x"
    ),
    "LSF": lambda: environment(
        LSB_JOBID="7", LSB_DJOB_RANKFILE="/no", JSM_NAMESPACE_LOCAL_RANK="1", JSM_NAMESPACE_SIZE="2"
    ),
    "rank of another process": lambda: rank(3),
    "matmul high": lambda: precision("high"),
    "matmul medium": lambda: precision("medium"),
    "all in bfloat16": lambda: backend("backends", "fp32_precision", "bf16", "none"),
    "convolutions in bfloat16": lambda: backend(
        "backends.mkldnn.conv", "fp32_precision", "bf16", "none"
    ),
    "products in bfloat16": lambda: backend(
        "backends.mkldnn.matmul", "fp32_precision", "bf16", "none"
    ),
    "no oneDNN": lambda: torch.backends.mkldnn.flags(enabled=False),
    "a deterministic oneDNN": lambda: backend("backends.mkldnn", "deterministic", True, False),
    "no cuDNN": lambda: backend("backends.cudnn", "enabled", False, True),
    "exact algorithms": exact_algorithms,
    "anomalies looked for": lambda: torch.autograd.set_detect_anomaly(True),
    "NumPy's errors raised": lambda: np.errstate(all="raise"),
    "saved on the CPU": lambda: torch.autograd.graph.save_on_cpu(),
    "no logs": logs,
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
    "a mistake in an argument": {"callbacks": None},
    "the caller's own exception": {"callbacks": [KillAt(2, KeyError("mine"))]},
    "sys.exit": {"callbacks": [KillAt(2, SystemExit(3))]},
}


@pytest.mark.parametrize("end", ENDS)
def test_nothing_changes_however_it_ends(
    pictures: tuple[Path, Path], end: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = state()
    with contextlib.suppress(InputError, RuntimeError, KeyError, KeyboardInterrupt, SystemExit):
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


@pytest.mark.parametrize("raises", [None, TimeoutError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_handler_of_the_callers_own_decides(
    pictures: tuple[Path, Path], number: signal.Signals, raises: Any, wanted: bytes
) -> None:
    """It is called, once and at once; unless it raises, the picture is the finished one."""
    came: list[int] = []

    def handler(number: int, frame: Any) -> None:
        came.append(number)
        if raises is not None:
            raise raises("mine")

    before = signal.signal(number, handler)
    ends = contextlib.nullcontext() if raises is None else pytest.raises(raises, match="mine")
    try:
        with ends:
            assert paint(pictures, callbacks=[SignalAt(2, number=number)]) == wanted
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)
    assert came == [number]


def test_ignored_signals_stay_ignored(pictures: tuple[Path, Path], wanted: bytes) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert paint(pictures, callbacks=[SignalAt(2, number=signal.SIGTERM)]) == wanted
    finally:
        signal.signal(signal.SIGTERM, before)


def test_ctrl_c_in_a_loop_of_asyncio(pictures: tuple[Path, Path], wanted: bytes) -> None:
    """There the first one cancels what awaits: the call is finished before."""
    found: list[bytes] = []

    async def main() -> None:
        found.append(paint(pictures, callbacks=[SignalAt(2)]))
        await asyncio.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert found == [wanted]


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


# Argument, what is given -> what its line says. The arguments that have to be are added.
MISTAKES: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "no config": (stylize, {"config": None}, "config: .*, not NoneType"),
    "a number as config": (stylize, {"config": ["gatys", 5]}, "config: .*, not int"),
    "bytes as folder": (stylize, {"folder": b"x"}, "folder: expected .*a path.*, not bytes"),
    "a number as folder": (stylize, {"folder": 5}, "folder: .*, not int"),
    "no callbacks": (
        stylize,
        {"callbacks": None},
        "callbacks: .*, each Callback, not NoneT",
    ),
    "a callback": (stylize, {"callbacks": KillAt(1)}, "callbacks: .*, not .*KillAt"),
    "its class": (stylize, {"callbacks": [KillAt]}, "callbacks: .*, not the class .*KillAt"),
    "pairs": (stylize, {"settings": [("data.size", 3)]}, "settings: expected a mapping.*, not lis"),
    "a text of settings": (stylize, {"settings": "data.size=3"}, "settings: .*, not str"),
    "steps in words": (stylize, {"steps": "3"}, "steps: expected a whole number.*, not str"),
    "true steps": (stylize, {"steps": True}, "steps: .*, not bool"),
    "half a step": (stylize, {"steps": 2.5}, "steps: .*, not float"),
    "a folder of no name": (stylize, {"folder": ""}, r"trainer\.default_root_dir: '' is no name"),
    "progress in words": (stylize, {"progress": "no"}, "progress: expected true or false, not st"),
    "bytes as size": (stylize, {"size": b"32"}, r"data\.size: .*, not bytes"),
    "a class as size": (stylize, {"size": int}, r"data\.size: .*, not the class int"),
    "a set of sizes": (stylize, {"size": {32}}, r"data\.size: .*, not set"),
    "a term": (stylize, {"settings": {"model.style": Callback()}}, r"model\.style: .*, not .*Cal"),
    "a picture as init": (stylize, {"init": Image.new("L", (9, 9))}, r"data\.init: .*, not PIL"),
    "an array as init": (stylize, {"init": np.zeros((9, 9))}, r"data\.init: .*, not numpy\.ndar"),
    "settings of a run": (open_run, {"settings": [1]}, "settings: .*, not list"),
    "a checkpoint": (open_run, {"settings": {}, "resume": 5}, "resume: .*, not int"),
    "a run's styles": (open_run, {"settings": {}, "styles": "x"}, "styles: .*a list.*, not str"),
    "a run's content": (open_run, {"settings": {}, "content": 5}, "content: .*, not int"),
    "a picture to read": (load_image, {"source": None}, "source: .*, not NoneType"),
    "its size": (load_image, {"source": "x.png", "size": "64"}, "size: .*, not str"),
    "a picture to write": (save_image, {"pixels": [1], "path": "x.png"}, "pixels: .*, not list"),
    "where to": (save_image, {"pixels": torch.rand(3, 16, 16), "path": 5}, "path: .*, not int"),
    "an animation": (save_animation, {"frames": [5], "path": "x.gif"}, "frames: .*, not int"),
    "a picture with settings": (read_settings, {"path": 5}, "path: .*, not int"),
    "a config": (find_config, {"name": 5}, "name: .*, not int"),
    "a configuration": (read_yaml, {"path": 5}, "path: .*, not int"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_an_argument_of_a_wrong_type_is_named(pictures: tuple[Path, Path], name: str) -> None:
    function, given, line = MISTAKES[name]
    settings: dict[str, Any] = {"content": pictures[0], "style": pictures[1]}
    with pytest.raises(InputError, match=f"^{line}"):
        function(**(settings if function is stylize else {}) | given)


def test_a_closed_picture(pictures: tuple[Path, Path]) -> None:
    picture = Image.open(pictures[0])
    picture.close()
    with pytest.raises(InputError, match=r"^content picture: .*load"):
        stylize(picture, pictures[1], steps=1, settings=SMALL)
    for write in (lambda: save_image(picture, "x.png"), lambda: save_animation([picture], "x.gif")):
        with pytest.raises(InputError, match="load"):
            write()


def test_a_session_is_not_kept(pictures: tuple[Path, Path]) -> None:
    """Its model and its pictures go when it goes, or with the next run at the latest."""
    models: list[Any] = []

    class Look(Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            gc.disable()  # so that it does not happen by chance
            models.append(weakref.ref(pl_module))

    try:
        for _ in range(3):
            paint(pictures, callbacks=[Look()])
        assert [model() is None for model in models[:2]] == [True, True]
    finally:
        gc.enable()


def test_numbers_of_numpy_are_numbers(pictures: tuple[Path, Path]) -> None:
    kinds = {"size": np.int64(32), "style_weight": np.float32(1e4), "seed": np.uint8(3)}
    more = {"size": torch.tensor(32), "style_weight": torch.tensor(1e4), "seed": np.array(3)}
    plain = {"size": 32, "style_weight": 1e4, "seed": 3}
    one, two, three = (
        stylize(*pictures, steps=steps, settings=SMALL, progress=progress, **some).tobytes()
        for some, steps, progress in (
            (kinds, np.int32(1), np.bool_(True)),
            (more, torch.tensor(1), True),
            (plain, 1, True),
        )
    )
    assert one == two == three


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
