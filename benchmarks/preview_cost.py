"""What the preview costs a step: with nobody looking, and with a crowd and one who never reads.

    python benchmarks/preview_cost.py --size 256 --rounds 6

One run in one process, with Adam, whose steps all do the same. It goes on in blocks of seconds,
one without the preview and one with it by turns, nobody looking and a crowd by turns; a block is
compared with those without on both its sides, and the median over all is printed. The crowd is
``--browsers`` programs that ask as the page does, and one that asks for the picture and never
reads. They run on this machine: what they take themselves is counted against the preview, unless
``--apart`` gives them the last core for themselves, and the run with its server the others.

A busy machine tells little of the time. With ``OMP_NUM_THREADS=1`` the processor time of the
preview, which is its hook's and its server's, is printed beside that of the steps. There the steps
get fewer turns, and browsers ask as often as ever: what it takes of one core says more than the
share. A palette is found every 40 s while somebody looks: shorter blocks count it too often.
"""

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import tempfile
import threading
import time
from http.client import HTTPConnection
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import torch

from nst_lightning.preview import PreviewAddress
from nst_lightning.preview.callback import LivePreview
from nst_lightning.preview.server import server_at
from nst_lightning.session import open_run

STEPS = 8
"""Of a block, at least."""
OFF, ALONE, CROWD = "off", "nobody looks", "a crowd looks"


class Clocks(NamedTuple):
    """The time; the processor time of the whole program, and of the thread that paints."""

    wall: float
    program: float
    painter: float

    @classmethod
    def now(cls) -> Self:
        """Read them."""
        return cls(time.perf_counter(), time.process_time(), time.thread_time())

    def since(self, before: Self) -> Self:
        """Return what has passed."""
        return type(self)(*(now - then for now, then in zip(self, before, strict=True)))


def browse(address: str, looks: Any) -> None:
    """Ask as the page does while ``looks`` is set."""
    url = urlsplit(address)
    connection = HTTPConnection(url.hostname or "", url.port, timeout=30)
    since = run = -1
    shown = {"photograph": 0, "picture": 0}
    while True:
        looks.wait()
        try:
            known = f"run={run}&since={since}&photograph={shown['photograph']}"
            connection.request("GET", f"{url.path}state?{known}&picture={shown['picture']}")
            state = json.loads(connection.getresponse().read())
            run = state["run"]
            since = state["losses"][-1][0] if state["losses"] else since
            shown |= state["shots"]
            time.sleep(state["again"])
        except OSError:
            connection.close()
            time.sleep(1.0)


def never_read(address: str, looks: Any) -> None:
    """Ask for all there is as often as the connection takes it, and read nothing."""
    url = urlsplit(address)
    question = f"GET {url.path}state HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode()
    while True:
        looks.wait()
        try:
            with socket.create_connection((url.hostname or "", url.port or 0)) as connection:
                connection.settimeout(5.0)
                while looks.is_set():
                    connection.sendall(question)
                    time.sleep(0.2)
        except OSError:
            time.sleep(1.0)


def crowd(address: str, browsers: int, looks: Any, cores: set[int]) -> None:
    """Be all of them: a process, so that none of it holds the run's interpreter up."""
    os.sched_setaffinity(0, cores)
    threads = [threading.Thread(target=browse, args=(address, looks)) for _ in range(browsers)]
    threads.append(threading.Thread(target=never_read, args=(address, looks)))
    for thread in threads:
        thread.start()


class Block(NamedTuple):
    """So many seconds of the run: what each step took, and of it what the preview did."""

    name: str
    steps: list[Clocks]
    shown: list[float]


class Switched(LivePreview):
    """A preview that is there by turns, and the clock of the steps."""

    def __init__(self, rounds: int, seconds: float, looks: Any) -> None:
        super().__init__()
        self.plan = [OFF, ALONE, OFF, CROWD] * rounds + [OFF]
        self.blocks: list[Block] = []
        self._seconds, self._looks = seconds, looks
        self._until, self._last = 0.0, Clocks.now()

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        """Show the step if it is this block's turn; note what the step took."""
        began = time.thread_time()
        if self.blocks and self.blocks[-1].name != OFF:
            super().on_train_batch_end(trainer, *args)
        now = Clocks.now()
        if self.blocks:
            self.blocks[-1].steps.append(now.since(self._last))
            self.blocks[-1].shown.append(now.painter - began)
        if now.wall > self._until and (not self.blocks or len(self.blocks[-1].steps) >= STEPS):
            if len(self.blocks) == len(self.plan):
                trainer.should_stop = True
            else:
                self.blocks.append(Block(self.plan[len(self.blocks)], [], []))
                crowded = self.blocks[-1].name == CROWD
                (self._looks.set if crowded else self._looks.clear)()
                self._until = now.wall + self._seconds
        self._last = Clocks.now()

    def spent(self, name: str) -> tuple[float, float, float]:
        """Return processor time of all blocks of a name: hook and server, a second; their share.

        The share is that of what the steps take without them.
        """
        steps = [step for block in self.blocks if block.name == name for step in block.steps]
        shown = sum(sum(block.shown) for block in self.blocks if block.name == name)
        painter, wall = sum(step.painter for step in steps), sum(step.wall for step in steps)
        # With one thread a run, what is not the painter's is the server's, or Python's own.
        served = sum(step.program for step in steps) - painter
        return shown / wall, served / wall, (shown + served) / (painter - shown)

    def slower(self, name: str) -> list[float]:
        """Return by what share steps were slower than in the blocks beside, block by block."""
        # The first steps of a block still feel the one before.
        means = [statistics.mean(step.wall for step in block.steps[2:]) for block in self.blocks]
        return sorted(
            2 * means[n] / (means[n - 1] + means[n + 1]) - 1
            for n, block in enumerate(self.blocks)
            if block.name == name
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=15.0, help="of a block")
    parser.add_argument("--apart", action="store_true", help="the crowd has a core of its own")
    given = parser.parse_args()
    cores = os.sched_getaffinity(0)
    last = {max(cores)} if given.apart and len(cores) > 1 else cores
    os.sched_setaffinity(0, cores - last or cores)
    if given.apart:
        torch.set_num_threads(len(cores - last))
    context = multiprocessing.get_context("spawn")
    looks = context.Event()
    address = server_at(PreviewAddress()).address
    process = context.Process(
        target=crowd, args=(address, given.browsers, looks, last), daemon=True
    )
    process.start()
    with tempfile.TemporaryDirectory() as folder:
        switched = Switched(given.rounds, given.seconds, looks)
        settings = {
            "data.size": given.size,
            "data.scales": None,
            "data.steps_per_epoch": 10**6,
            "model.optimizer": "torch.optim.Adam",
            "model.optimizer.lr": 0.01,
            "trainer.default_root_dir": folder,
        }
        open_run(settings, summary=False, pictures=False, checkpoints=False).run(switched)
    process.kill()
    plain = [s.wall for block in switched.blocks if block.name == OFF for s in block.steps]
    print(f"without: {statistics.median(plain) * 1e3:.1f} ms a step of {given.size} px")
    for name in (ALONE, CROWD):
        slower = switched.slower(name)
        spread = " ".join(f"{100 * share:+.2f}" for share in slower)
        print(f"{name}: {100 * statistics.median(slower):+.2f} % of a step's time ({spread})")
        if torch.get_num_threads() == 1:
            off, own = switched.spent(OFF), switched.spent(name)
            hook, server, share = (1e2 * (b - a) for a, b in zip(off, own, strict=True))
            print(f"{name}: {share:+.2f} % of the steps' processor time")
            print(f"{name}: {hook:.2f} % of one core for the hook, {server:.2f} % for the server")


if __name__ == "__main__":
    main()
