"""The program as a process of its own, without the ten seconds that its imports take.

It is forked from a server that has imported what the program imports and has done nothing else, so
it can be killed like any other.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["torchvision", "nst_lightning.cli", "nst_lightning.run_command"])


def _main(asked: Sequence[str] | dict[str, str], cwd: Path, out: Path, err: Path) -> None:
    for number, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding="utf-8") for n in (1, 2))
    os.chdir(cwd)
    import torch

    torch.set_num_threads(1)
    if isinstance(asked, dict):
        from nst_lightning.cloud import job

        sys.exit(job.main(asked))
    from nst_lightning.cli import main

    sys.exit(main(list(asked)))


class Program:
    """A started program.

    Args:
        asked: Its command line; or the environment of a SageMaker job, which then is the program.
        folder: Where it is started, and where its output is kept.
    """

    def __init__(self, asked: Sequence[str] | dict[str, str], folder: Path) -> None:
        self._out, self._err = folder / "stdout.txt", folder / "stderr.txt"
        self._process: ForkServerProcess = _SERVER.Process(
            target=_main,
            args=(
                asked if isinstance(asked, dict) else [*map(str, asked)],
                folder,
                self._out,
                self._err,
            ),
        )
        self._process.start()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.exitcode is None

    def wait(self) -> int:
        """Return its exit code, when it has ended."""
        self._process.join()
        code = self._process.exitcode
        assert code is not None
        return code

    def kill_when(self, ready: Callable[[], bool], seconds: float = 300) -> None:
        """Kill it with SIGKILL as soon as something is so; fail if it has ended before."""
        deadline = time.monotonic() + seconds
        while not ready():
            assert self._process.exitcode is None, self.stderr
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self._process.kill()
        self._process.join()

    def kill_after(self, seconds: float) -> None:
        """Kill it with SIGKILL after that time, if it has not ended before."""
        self._process.join(seconds)
        self._process.kill()
        self._process.join()

    @property
    def stdout(self) -> str:
        """What it has printed."""
        return self._out.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        """What it has said of mistakes and progress."""
        return self._err.read_text(encoding="utf-8")
