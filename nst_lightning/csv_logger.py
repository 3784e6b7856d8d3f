"""metrics.csv in the run's own folder, continued by a resumed run."""

import csv
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from nst_lightning.files import atomic_write


class RunCSVLogger(CSVLogger):
    """Lightning's CSV logger, writing ``metrics.csv`` straight into ``save_dir``.

    Lightning's own deletes the file when a run starts in the same folder; this one keeps the rows
    before the step at which a resumed run goes on.

    Args:
        save_dir: Folder of the run.
        flush_logs_every_n_steps: Rows kept in memory between two writes.
    """

    def __init__(self, save_dir: str, flush_logs_every_n_steps: int = 25) -> None:
        super().__init__(
            save_dir, name="", version="", flush_logs_every_n_steps=flush_logs_every_n_steps
        )
        self._resumed_at = 0

    @property
    def experiment(self) -> ExperimentWriter:
        """The writer, made when first used and only then."""
        if self._experiment is None:
            path = Path(self.log_dir, "metrics.csv")
            kept = _rows_before(path, self._resumed_at)
            path.unlink(missing_ok=True)
            writer = _QuietWriter(log_dir=self.log_dir)
            if kept:
                with atomic_write(path) as part, part.open("w", newline="") as handle:
                    rows = csv.DictWriter(handle, fieldnames=list(kept[0]))
                    rows.writeheader()
                    rows.writerows(kept)
                writer.metrics_keys = list(kept[0])
            self._experiment = writer
        return self._experiment

    def resume_at(self, step: int) -> None:
        """Keep the rows of an earlier run that come before ``step``."""
        self._resumed_at = step
        self._experiment = None


class _QuietWriter(ExperimentWriter):
    def _check_log_dir_exists(self) -> None:
        """A run's folder is there before its log: nothing to warn of."""


def _rows_before(path: Path, step: int) -> list[dict[str, str]]:
    if step <= 0 or not path.is_file():
        return []
    with path.open(newline="") as handle:
        return [
            row
            for row in csv.DictReader(handle)
            if (row.get("step") or "").isdigit() and int(row["step"]) < step
        ]
