"""A run as a guest in its caller's process: it leaves everything as it found it."""

import contextlib
import functools
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
import torch

from nst_lightning.mistakes import in_one_line
from nst_lightning.say import say

_ONE_AT_A_TIME = threading.RLock()
"""All of this is the process's, not the thread's: runs in several threads wait for one another."""
if hasattr(os, "register_at_fork"):
    # The thread that holds it is not in the child, which would wait for ever.
    os.register_at_fork(after_in_child=lambda: globals().update(_ONE_AT_A_TIME=threading.RLock()))


def _set_environment(wanted: dict[str, str]) -> None:
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    os.environ.update({n: value for n, value in wanted.items() if os.environ.get(n) != value})


def _set_signals(wanted: dict[int, Any]) -> None:
    for number, handler in wanted.items():
        # None is a handler that Python did not set, and cannot set again.
        if handler is not None and signal.getsignal(number) != handler:
            with contextlib.suppress(ValueError, OSError):  # not the main thread
                signal.signal(number, handler)


# What torch.backends has -> its value in a new process; what a part inherits comes after it.
_FLAGS = {
    "cudnn.allow_tf32": True,
    **dict.fromkeys(("fp32_precision", "mkldnn.fp32_precision", "cudnn.fp32_precision"), "none"),
    **{f"mkldnn.{kind}.fp32_precision": "none" for kind in ("matmul", "conv", "rnn")},
    **{f"cudnn.{kind}.fp32_precision": "tf32" for kind in ("conv", "rnn")},
    "cuda.matmul.fp32_precision": "none",
    **dict.fromkeys(("mkldnn.enabled", "cudnn.enabled"), True),
    **dict.fromkeys(("mkldnn.deterministic", "cudnn.deterministic", "cudnn.benchmark"), False),
}


def _flags() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in _FLAGS:
        # An older torch has fewer; some cannot be read while two ways of setting them contradict.
        with contextlib.suppress(AttributeError, RuntimeError):
            found[path] = functools.reduce(getattr, path.split("."), torch.backends)
    return found


def _set_flags(wanted: dict[str, Any]) -> None:
    backends: Any = torch.backends
    for path, value in wanted.items():
        if _flags().get(path, value) == value:
            continue
        *owners, name = path.split(".")
        with contextlib.suppress(RuntimeError):  # torch.backends.disable_global_flags()
            if path == "mkldnn.fp32_precision":  # torch 2.14 sets the other one by that name
                backends.mkldnn.set_flags(_fp32_precision=value)
            else:
                setattr(functools.reduce(getattr, owners, backends), name, value)


def _matmul() -> str | None:
    with contextlib.suppress(RuntimeError):  # as above
        return torch.get_float32_matmul_precision()
    return None


def _set_matmul(wanted: str | None) -> None:
    if wanted not in (None, _matmul()):
        torch.set_float32_matmul_precision(str(wanted))


_CUDA: Any = torch.cuda
# What it is -> how it is read and set.
_STATES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "random": (random.getstate, random.setstate),
    "numpy": (np.random.get_state, np.random.set_state),
    "torch": (torch.get_rng_state, torch.set_rng_state),
    "cuda": (
        lambda: _CUDA.get_rng_state_all() if _CUDA.is_initialized() else [],
        lambda state: _CUDA.set_rng_state_all(state) if state else None,
    ),
    "dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "exact": (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    "matmul": (_matmul, _set_matmul),
    "flags": (_flags, _set_flags),
    "threads": (torch.get_num_threads, torch.set_num_threads),
    "environment": (lambda: dict(os.environ), _set_environment),
    "path": (lambda: list(sys.path), lambda state: sys.path.__setitem__(slice(None), state)),
    "signals": (
        lambda: {int(n): signal.getsignal(n) for n in signal.valid_signals()},
        _set_signals,
    ),
}
_ITS_OWN = ("random", "numpy", "torch", "cuda", "dtype", "exact", "matmul", "flags")
"""What a run goes on with where it left off: the rest is the caller's at each time."""


class Guest:
    """A context for every piece of one run; nested in itself it does nothing.

    Inside, torch computes as in a new process, whatever the caller's autocast, gradient mode,
    default dtype and device, precisions and backends are, and random numbers are the run's own.
    Afterwards all of it is the caller's again; so are environment, signal handlers, module path,
    threads and warnings. The number of threads is the caller's inside, too. What the caller can
    mend is an `InputError`.
    """

    def __init__(self) -> None:
        self._own: dict[str, Any] = {"dtype": torch.float32, "exact": 0}
        self._own |= {"matmul": "highest", "flags": _FLAGS}
        self._inside = False

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Enter for a piece of the run."""
        if self._inside:
            yield
            return
        with _ONE_AT_A_TIME:
            callers = {name: read() for name, (read, _) in _STATES.items()}
            self._inside = True
            try:
                for name, state in self._own.items():
                    _STATES[name][1](state)
                with in_one_line(), _as_in_a_new_process():
                    yield
            finally:
                self._inside = False
                self._own = {name: _STATES[name][0]() for name in _ITS_OWN}
                for name, state in callers.items():
                    _STATES[name][1](state)


@contextlib.contextmanager
def _as_in_a_new_process() -> Iterator[None]:
    with contextlib.suppress(OSError):  # a folder that is gone
        if (here := str(Path.cwd())) not in sys.path:  # where the user's own classes are
            sys.path.append(here)
    os.environ.pop("JSONARGPARSE_DEFAULT_ENV", None)  # settings are those that are given
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        if torch.is_anomaly_enabled():
            stack.enter_context(torch.autograd.set_detect_anomaly(False))
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(warnings.catch_warnings())
        # A warning is a line without a library's path, and never ends a run.
        warnings.showwarning = _show
        filters: Any = warnings.filters
        filters[:] = [("default", *f[1:]) if f[0] == "error" else f for f in filters]
        yield


def _show(message: Warning | str, *_: Any, **__: Any) -> None:
    say(f"note: {' '.join(str(message).split())}", error=True)
