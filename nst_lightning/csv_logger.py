"""metrics.csv in the run's own folder, continued by a resumed run."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from nst_lightning.files import write_csv


class RunCSVLogger(Logger):
    """Writes ``metrics.csv`` into the run's folder: one row a step, whole or not at all.

    Lightning's CSV logger deletes the file of an earlier run as soon as a trainer is set up, before
    it is known that the new run can start, and again when a run is resumed. This one touches
    nothing before there is something to write, and keeps the rows before the step where a resumed
    run goes on.

    Args:
        save_dir: Folder of the run.
        flush_every: Rows kept in memory between two writes.
    """

    def __init__(self, save_dir: str, flush_every: int = 25) -> None:
        super().__init__()
        self.path = Path(save_dir, "metrics.csv")
        self.flush_every = flush_every
        self._rows: list[dict[str, Any]] = []
        self._unwritten = 0

    @property
    def name(self) -> str:
        """Nothing: the file lies straight in the run's folder."""
        return ""

    @property
    def version(self) -> str:
        """Nothing, as the name."""
        return ""

    @property
    def save_dir(self) -> str:
        """Folder of the run."""
        return str(self.path.parent)

    def resume_at(self, step: int) -> None:
        """Keep the rows of an earlier run in the same folder that come before ``step``."""
        self._rows = []
        if step > 0 and self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as handle:
                rows = list(csv.DictReader(handle))
            self._rows = [
                row for row in rows if (s := row.get("step") or "").isdigit() and int(s) < step
            ]

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Keep nothing: config.yaml has it."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Take one row, or what another callback logs into the row of its step."""
        if self._rows and self._rows[-1]["step"] == step:
            self._rows[-1] |= metrics
        else:
            self._rows.append({"step": step, **metrics})
        self._unwritten += 1

    def save(self) -> None:
        """Write every row if enough of them wait.

        Lightning calls it after every row, and a whole file each would cost more than a step.
        """
        if self._unwritten >= self.flush_every:
            self.flush()

    def flush(self) -> None:
        """Write every row now."""
        if not self._unwritten:
            return
        write_csv(self.path, self._rows)
        self._unwritten = 0

    def finalize(self, status: str) -> None:
        """Write what is left."""
        self.flush()
