"""Takes new jobs of the rehearsed service and has them run."""

import queue
import threading
from collections.abc import Callable

from nst_lightning.cloud.rehearsal.service import TrainingService


class Worker:
    """A few threads, each of which runs one job after another.

    Args:
        service: Where the jobs come from.
        run: Runs one job, given its name.
        instances: How many jobs run at once.
    """

    def __init__(
        self, service: TrainingService, run: Callable[[str], None], instances: int = 2
    ) -> None:
        self._run = run
        self._names: queue.Queue[str | None] = queue.Queue()
        service.on_create.append(self._names.put)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(instances)]

    def start(self) -> None:
        """Begin to take jobs."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take no more jobs and wait for those that run."""
        for _ in self._threads:
            self._names.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (name := self._names.get()) is not None:
            self._run(name)
