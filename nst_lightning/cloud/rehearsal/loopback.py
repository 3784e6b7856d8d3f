"""Keeps a process and its children from reaching anything but the loopback."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nst_lightning.cloud.rehearsal.guard.loopback_watch import watch

GUARD = Path(__file__).with_name("guard")
"""Folder whose ``sitecustomize.py`` guards every Python process that has it on its path."""

_active = 0
_installed = False


@contextlib.contextmanager
def loopback_only() -> Iterator[None]:
    """Let every socket of this process that would leave the loopback raise an ``OSError``.

    An audit hook sees what Python's own sockets do, and so all that boto3, the SDK and fsspec do.
    Children are guarded by :func:`guarded_path`.
    """
    global _active, _installed
    if not _installed:
        sys.addaudithook(_watch_if_active)  # it can never be taken away again
        _installed = True
    _active += 1
    try:
        yield
    finally:
        _active -= 1


def _watch_if_active(event: str, args: tuple[Any, ...]) -> None:
    if _active:
        watch(event, args)


def guarded_path(environ: Mapping[str, str]) -> str:
    """Return the ``PYTHONPATH`` of a guarded child."""
    given = environ.get("PYTHONPATH")
    return os.pathsep.join([str(GUARD), *([given] if given else [])])
