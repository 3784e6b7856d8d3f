"""The search over weights: two searchers, one report."""

import csv
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.scripted_jobs import complete, result

from nst_lightning.cloud.commands import main
from nst_lightning.cloud.rehearsal.server import FakeAws
from nst_lightning.cloud.rehearsal.tuner import FakeTuner

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
    aws: FakeAws, search: Callable[..., Path], tmp_path: Path, capsys: Any
) -> None:
    aws.tuner = FakeTuner(aws.service)
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
    assert (tmp_path / "out" / found[0]["folder"] / "stylized.png").is_file()
    assert "SageMaker: 3 trials, 2 of them completed" in (tmp_path / "out/report.md").read_text()
    created = len(aws.service.jobs)
    assert main(["tune", "--config", str(file)]) == 0  # the same search is found again
    assert len(aws.service.jobs) == created


def test_a_dry_run_of_a_search(aws: FakeAws, search: Callable[..., Path], capsys: Any) -> None:
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
        assert (tmp_path / "out" / row["folder"] / "stylized.png").is_file()
    assert "Optuna: 2 trials" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ranges": {}}, "tuning.ranges: there is nothing to search"),
        ({"objective": "sism"}, "no metric sism is logged; did you mean ssim"),
        ({"goal": "up"}, "tuning.goal: up is not"),
        ({"ranges": {"model.style.weight": {"min": 5, "max": 1}}}, "5.0 to 1.0 is no range"),
        ({"ranges": {"model.style.weight": {"min": 0, "max": 1}}}, "needs a min above 0"),
    ],
)
def test_bad_searches(
    changes: dict[str, Any], expected: str, aws: FakeAws, search: Callable[..., Path], capsys: Any
) -> None:
    assert main(["tune", "--config", str(search({**TUNING, **changes}))]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert expected in line
    assert not aws.service.jobs
