"""metrics.csv: continued by a resumed run, replaced by a new one, never half-written."""

import csv
from pathlib import Path

import pytest

from nst_lightning.csv_logger import RunCSVLogger
from nst_lightning.errors import InputError


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def log_steps(logger: RunCSVLogger, start: int, stop: int) -> None:
    for step in range(start, stop):
        logger.log_metrics({"loss": 10.0 - step}, step)
        logger.save()  # as Lightning does after every row


def test_nothing_is_written_before_the_first_row(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    logger = RunCSVLogger(str(folder))
    logger.resume_at(0)
    logger.log_hyperparams({"a": 1})
    logger.save()
    logger.finalize("success")
    assert not folder.exists()


def test_an_earlier_runs_file_stays_until_there_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,loss\n0,1.0\n")
    logger = RunCSVLogger(str(tmp_path))
    logger.resume_at(0)
    logger.save()
    logger.finalize("failed")
    assert rows(tmp_path / "metrics.csv") == [{"step": "0", "loss": "1.0"}]


def test_a_new_run_replaces(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,loss\n0,1.0\n1,0.5\n")
    logger = RunCSVLogger(str(tmp_path))
    logger.resume_at(0)
    log_steps(logger, 0, 1)
    logger.finalize("success")
    assert rows(tmp_path / "metrics.csv") == [{"step": "0", "loss": "10.0"}]


def test_a_resumed_run_keeps_the_rows_before_its_step(tmp_path: Path) -> None:
    first = RunCSVLogger(str(tmp_path))
    log_steps(first, 0, 8)
    first.finalize("failed")
    second = RunCSVLogger(str(tmp_path))
    second.resume_at(5)
    log_steps(second, 5, 10)
    second.finalize("success")
    found = rows(tmp_path / "metrics.csv")
    assert [int(row["step"]) for row in found] == list(range(10))
    assert [float(row["loss"]) for row in found] == [10.0 - step for step in range(10)]


def test_a_resumed_run_without_an_earlier_file(tmp_path: Path) -> None:
    logger = RunCSVLogger(str(tmp_path))
    logger.resume_at(5)
    log_steps(logger, 5, 6)
    logger.finalize("success")
    assert [row["step"] for row in rows(tmp_path / "metrics.csv")] == ["5"]


def test_rows_that_are_none_are_dropped_on_resume(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,loss\n0,1.0\n,0.7\nx,0.6\n1,0.5\n2,0.4\n")
    logger = RunCSVLogger(str(tmp_path))
    logger.resume_at(2)
    log_steps(logger, 2, 3)
    logger.finalize("success")
    assert [row["step"] for row in rows(tmp_path / "metrics.csv")] == ["0", "1", "2"]


def test_columns_that_appear_later(tmp_path: Path) -> None:
    logger = RunCSVLogger(str(tmp_path))
    logger.log_metrics({"loss": 1.0}, 0)
    logger.log_metrics({"loss": 0.5, "extra_loss": 0.2}, 1)
    logger.finalize("success")
    assert rows(tmp_path / "metrics.csv") == [
        {"step": "0", "loss": "1.0", "extra_loss": ""},
        {"step": "1", "loss": "0.5", "extra_loss": "0.2"},
    ]


def test_writes_by_itself_after_so_many_rows(tmp_path: Path) -> None:
    logger = RunCSVLogger(str(tmp_path), flush_every=3)
    log_steps(logger, 0, 2)
    assert not logger.path.exists()
    log_steps(logger, 2, 4)
    assert len(rows(logger.path)) == 3
    logger.flush()
    assert len(rows(logger.path)) == 4


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = RunCSVLogger(str(tmp_path))
    log_steps(logger, 0, 2)
    logger.flush()

    def fail(self: object, rows: object) -> None:
        raise OSError(28, "No space left on device")

    log_steps(logger, 2, 3)
    monkeypatch.setattr(csv.DictWriter, "writerows", fail)
    with pytest.raises(InputError, match=r"metrics\.csv: the disk is full"):
        logger.flush()
    monkeypatch.undo()
    assert [row["step"] for row in rows(logger.path)] == ["0", "1"]
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.csv"]


def test_names_what_lightning_asks_for(tmp_path: Path) -> None:
    logger = RunCSVLogger(str(tmp_path))
    assert (logger.name, logger.version, logger.save_dir) == ("", "", str(tmp_path))
