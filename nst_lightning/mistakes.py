"""Other libraries' exceptions: which are the user's to mend, and what to say of ours."""

import argparse
import contextlib
import platform
import sys
import traceback
from collections.abc import Iterator, Sequence
from importlib import metadata

from nst_lightning.errors import InputError
from nst_lightning.files import write_error
from nst_lightning.say import say

_THEIRS = dict.fromkeys(("jsonargparse", "torch.distributed", "torch.serialization", "numpy",
    "fsspec", "yaml", "importlib", "wandb", "mlflow", "tensorboard"), "") | {
    "lightning": "trainer",
    "lightning.fabric.accelerators": "trainer.accelerator",
    "lightning.pytorch.accelerators": "trainer.accelerator",
    "lightning.pytorch.callbacks": "trainer.callbacks",
    "lightning.pytorch.loggers": "trainer.logger",
    "lightning.fabric.utilities.seed": "seed_everything",
    "torch.optim": "model.optimizer",
}  # fmt: skip
"""Where an exception is the answer to what the user gave, and not to what this package asked ->
which setting that was, where it is clear."""
_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")
_PACKAGES = ("torch", "torchvision", "lightning", "jsonargparse", "numpy", "pillow", "tifffile")


def as_mistake(error: BaseException) -> InputError | None:
    """Return the one line for what the user can mend.

    None where this package is at fault, or code of the user's own that it called.
    """
    if isinstance(error, InputError):
        return error
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(words in text.lower() for words in _MEMORY):
        return InputError(
            "there is not enough memory: use a smaller data.size (memory grows with its square) or "
            "data.style_scale, or set model.memory to what the run may take, such as 4GB "
            f"({text or 'MemoryError'})"
        )
    if _raised_by(error):
        return None
    if isinstance(error, OSError) and error.errno:
        return write_error(error.filename or "what the run keeps", error)
    where = _module(error)
    found = [name for name in _THEIRS if f"{where}.".startswith(f"{name}.")]
    if not found:
        return None
    what = text if " " in text else f"{type(error).__name__}: {text} in {where}"
    return InputError(f"{_THEIRS[max(found, key=len)] or where}: {what}")


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
    """Raise the :class:`InputError` for what the user can mend; all else passes as it is."""
    try:
        yield
    except Exception as error:
        line = as_mistake(error)
        if line is None or line is error:
            raise
        raise line from error


def _raised_by(error: BaseException) -> str:
    """Return where in the user's own code, called by ours, it was raised, or an empty string.

    That is a method of a class that is not ours, or what a library called.
    """
    place, called = "", None
    for frame, line in reversed([*traceback.walk_tb(error.__traceback__)]):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        file = frame.f_code.co_filename
        if package == "nst_lightning":
            kind = type(called and called.f_locals.get("self")).__module__.partition(".")[0]
            return "" if called and kind in ("builtins", "nst_lightning") else place
        library = package in sys.stdlib_module_names or "-packages" in file
        place = place or ("" if library else f"{file}, line {line}")
        called = None if library else frame
    return ""


def _module(error: BaseException) -> str:
    """Return the name of the module where an exception was raised."""
    where = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        where = str(frame.f_globals.get("__name__", ""))
    return where


def report_line(error: BaseException) -> str:
    """Return the line over the traceback of a fault: of ours, or of the user's own code."""
    if place := _raised_by(error):
        return f"error: {type(error).__name__}: raised by your own code, at {place}: {error}"
    return (
        f"error: {type(error).__name__}: a fault of nst_lightning, not yours; please report it "
        f"with what follows and these versions: {versions()}"
    )


def print_versions(words: Sequence[str]) -> int:
    """Print what a report of a fault should name, one a line; return the exit code."""
    parser = argparse.ArgumentParser("nst version", description=print_versions.__doc__)
    if given := parser.parse_known_args(words)[1]:
        raise InputError(f"version: there is nothing to be given, such as {given[0]}")
    say(versions().replace(", ", "\n"))
    return 0


def versions() -> str:
    """Return what a report of a fault should name."""
    from nst_lightning import __version__

    there = {found.name.lower(): found.version for found in metadata.distributions()}
    packages = [f"{name} {there.get(name, 'is missing')}" for name in _PACKAGES]
    python = f"Python {platform.python_version()}"
    return ", ".join([f"nst_lightning {__version__}", python, *packages, platform.platform()])
