"""The search over weights: two searchers, one report."""

import csv
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.scripted_jobs import complete, result
from helpers.troubled_aws import TroubledAws

from nst_lightning.cloud.commands import main

TUNING = {
    "objective": "tradeoff",
    "max_jobs": 3,
    "ranges": {
        "model.style.weight": {"min": 1e3, "max": 1e5, "scale": "log"},
        "model.content.weight": {"min": 0.5, "max": 2.0, "scale": "linear"},
    },
}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture
def search(config: Callable[..., Path]) -> Callable[..., Path]:
    def write(tuning: dict[str, Any], **changes: Any) -> Path:
        path = config(**changes)
        launch = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump({**launch, "tuning": tuning}))
        return path

    return write


@pytest.mark.slow
def test_sagemakers_tuner(
    aws: TroubledAws, search: Callable[..., Path], tmp_path: Path, capsys: Any
) -> None:
    dice = random.Random(1)

    def end(name: str) -> None:
        job = aws.service.jobs[name]
        assert 1e3 <= float(job["HyperParameters"]["model.style.weight"]) <= 1e5
        value = {"MetricName": "tradeoff", "Value": dice.random(), "Timestamp": 0}
        aws.service.note(name, FinalMetricDataList=[value])
        if name.split("-")[2] == "001":
            aws.service.move(name, "Failed", status="Failed", FailureReason="x")
        else:
            complete(aws.service, name, result(1))

    aws.service.on_create.append(end)
    file = search(TUNING)
    assert main(["tune", "--config", str(file)]) == 0
    found = rows(tmp_path / "out")
    assert [row["state"] for row in found] == ["Completed", "Completed", "Failed"]
    best, second = (float(row["tradeoff"]) for row in found[:2])
    assert best <= second
    assert (tmp_path / "out" / "runs" / found[0]["trial"] / "stylized.png").is_file()
    assert "SageMaker: 3 trials, 2 of them completed" in (tmp_path / "out/report.md").read_text()
    created = len(aws.service.jobs)
    assert main(["tune", "--config", str(file)]) == 0  # the same search is found again
    assert len(aws.service.jobs) == created


def test_a_dry_run_of_a_search(aws: TroubledAws, search: Callable[..., Path], capsys: Any) -> None:
    before = len(aws.calls)
    assert main(["tune", "--config", str(search(TUNING)), "--dry_run"]) == 0
    assert len(aws.calls) == before
    request = yaml.safe_load(capsys.readouterr().out)
    job = request["HyperParameterTuningJobConfig"]
    assert job["HyperParameterTuningJobObjective"] == {
        "Type": "Minimize",
        "MetricName": "tradeoff",
    }
    assert len(request["HyperParameterTuningJobName"]) <= 32
    assert "model.style.weight" not in request["TrainingJobDefinition"]["StaticHyperParameters"]


def test_a_search_goes_on_from_another_machine_and_can_be_stopped(
    aws: TroubledAws, search: Callable[..., Path], tmp_path: Path, capsys: Any
) -> None:
    file = search(TUNING)
    assert main(["tune", "--config", str(file), "--no_wait"]) == 0
    left = capsys.readouterr().out.strip().splitlines()[-1]
    assert left.startswith("left: 1 jobs run on (and cost); come back with: ")
    (first,) = aws.service.jobs
    complete(aws.service, first, result(1))
    while len(aws.service.jobs) < 2:
        time.sleep(0.01)
    shutil.rmtree(tmp_path / "out")
    where = ["--out", str(tmp_path / "other"), "--aws.bucket", "rehearsal"]
    where += ["--aws.region", "us-west-2"]
    assert main(["collect", "test", *where]) == 0
    (run,) = (tmp_path / "other" / "runs").iterdir()
    assert (run / "stylized.png").is_file()
    assert main(["stop", "test", *where]) == 0
    assert "the search and its trials are being stopped" in capsys.readouterr().out
    second = [*aws.service.jobs][1]
    assert aws.service.status(second) == "Stopping"
    aws.service.move(second, "Stopped", status="Stopped")
    assert main(["watch", "test", *where]) == 0
    assert "1 Stopped, 1 Not started, 1 Completed; 1 pictures here" in capsys.readouterr().out
    assert [row["state"] for row in rows(tmp_path / "other")] == ["Completed", "Stopped"]
    capsys.readouterr()
    assert main(["stop", "test", *where]) == 0  # it has ended: nothing happens
    assert capsys.readouterr().out.startswith("nothing runs: the search is over")
    assert len(aws.service.jobs) == 2


def test_another_search_of_the_same_name_is_refused(
    aws: TroubledAws, search: Callable[..., Path], config: Callable[..., Path], capsys: Any
) -> None:
    assert main(["tune", "--config", str(search(TUNING)), "--no_wait"]) == 0
    assert main(["tune", "--config", str(search({**TUNING, "seed": 1})), "--no_wait"]) == 2
    assert "name: test is another search, or none" in capsys.readouterr().err
    assert main(["--config", str(config()), "--no_wait"]) == 2
    assert "name: test is another search, or none" in capsys.readouterr().err
    assert len(aws.tuner.searches) == 1


def test_a_search_by_the_estimator_is_refused(
    aws: TroubledAws, search: Callable[..., Path], capsys: Any
) -> None:
    pytest.importorskip("sagemaker.pytorch", reason="needs SageMaker's SDK v2")
    assert main(["tune", "--config", str(search(TUNING, job__via="estimator")), "--dry_run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: job.via: a search is sent by boto3 alone; leave job.via out"


@pytest.mark.slow
def test_optuna_goes_on_where_it_was_and_writes_the_same_report(
    search: Callable[..., Path], tmp_path: Path, capsys: Any
) -> None:
    short = {"data.size": 32, "data.steps_per_epoch": 2, "trainer.max_epochs": 1}
    short |= {"model.style.layers": ["relu1_1"], "model.style.layer_weights": None}
    short |= {"images.every_n_steps": 0, "trainer.accelerator": "cpu"}
    file = search({**TUNING, "max_jobs": 1}, settings=short)
    assert main(["tune", "--config", str(file), "--local"]) == 0
    assert len(rows(tmp_path / "out")) == 1
    file = search({**TUNING, "max_jobs": 2}, settings=short)
    assert main(["tune", "--config", str(file), "--local"]) == 0
    found = rows(tmp_path / "out")
    assert len(found) == 2
    assert {row["state"] for row in found} == {"Completed"}
    assert float(found[0]["tradeoff"]) <= float(found[1]["tradeoff"])
    for row in found:
        assert 1e3 <= float(row["model.style.weight"]) <= 1e5
        assert (tmp_path / "out" / "runs" / row["trial"] / "stylized.png").is_file()
    assert "Optuna: 2 trials" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ranges": {}}, "tuning.ranges: there is nothing to search"),
        ({"objective": "sism"}, "no metric sism is logged; did you mean ssim"),
        ({"goal": "up"}, "tuning.goal: expected one of 'minimize', 'maximize', got up"),
        ({"max_jobs": 0}, "tuning.max_jobs: "),
        ({"ranges": {"model.style.weight": {"min": 5, "max": 1}}}, "5.0 to 1.0 is no range"),
        ({"ranges": {"model.style.weight": {"min": 0, "max": 1}}}, "needs a min above 0"),
    ],
)
def test_bad_searches(
    changes: dict[str, Any],
    expected: str,
    aws: TroubledAws,
    search: Callable[..., Path],
    capsys: Any,
) -> None:
    assert main(["tune", "--config", str(search({**TUNING, **changes}))]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert expected in line
    assert not aws.service.jobs
