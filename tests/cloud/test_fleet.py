"""What AWS refuses, what ends a job early, and how a launch goes on: nothing is paid twice."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from helpers import launch_planned
from helpers.scripted_jobs import complete, finish, picture, result, tasks_of
from helpers.troubled_aws import TroubledAws

from nst_lightning.cloud import commands
from nst_lightning.cloud.fleet import Fleet
from nst_lightning.cloud.manifest import load
from nst_lightning.cloud.rehearsal.service import ServiceError

CAPACITY = "CapacityError: Unable to provision requested ML compute capacity."


@pytest.fixture(autouse=True)
def _planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names in place of pictures: nothing here looks at one."""
    monkeypatch.setattr(commands, "make_plan", launch_planned.plan)
    monkeypatch.setattr(commands, "make_page", lambda fleet: None)


@pytest.fixture
def file(config: Callable[..., Path]) -> Callable[..., Path]:
    """Return a function that writes a launch of four pictures, two to a job."""

    def write(pictures: int | str = 2, **job: Any) -> Path:
        limits = {"parallel": 4, "calls_per_minute": 60000, "poll_seconds": 0.05}
        job = {"pictures": pictures, **job}
        return config(contents=["a", "b"], styles=["x", "y"], job=job, limits=limits)

    return write


def main(*args: object) -> int:
    return commands.main([str(word) for word in args])


def ends(aws: TroubledAws, how: Callable[[str, dict[str, Any]], None]) -> list[str]:
    """Let every job end as a function says; return the names of those that were created."""
    created: list[str] = []

    def end(name: str) -> None:
        created.append(name)
        aws.service.move(name, "Training", TrainingStartTime=time.time())
        how(name, aws.service.jobs[name])

    aws.service.on_create.append(end)
    return created


def states(tmp_path: Path) -> Counter[str]:
    manifest = load(tmp_path / "out")
    assert manifest is not None
    return Counter(one.state for one in manifest.pictures.values())


def refused(aws: TroubledAws, answer: Callable[[str], str | None]) -> list[str]:
    """Let AWS refuse jobs of some instance types; return the types that were asked for."""
    asked: list[str] = []
    take = aws.service.create_training_job

    def create(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request["ResourceConfig"]["InstanceType"])
        if (message := answer(asked[-1])) is not None:
            raise ServiceError("ResourceLimitExceeded", message)
        return take(request)

    aws.service.create_training_job = create  # type: ignore[method-assign]
    return asked


def limit(kind: str, allowed: int) -> str:
    return (
        f"The account-level service limit '{kind} for spot training job usage' is {allowed} "
        "Instances, with current utilization of 0 Instances and a request delta of 1 Instances."
    )


def test_a_quota_of_0_is_one_line_and_no_wait(
    aws: TroubledAws, file: Callable[..., Path], capsys: Any, tmp_path: Path
) -> None:
    asked = refused(aws, lambda kind: limit(kind, 0))
    assert main("--config", file()) == 2
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert "'ml.g5.xlarge for spot training job usage'" in error
    assert "Service Quotas" in error
    assert len(asked) == 1
    assert states(tmp_path) == {"Pending": 4}


def test_a_quota_of_0_goes_on_to_the_next_type(
    aws: TroubledAws, file: Callable[..., Path], capsys: Any, tmp_path: Path
) -> None:
    asked = refused(aws, lambda kind: limit(kind, 0) if "g5" in kind else None)
    ends(aws, lambda name, job: complete(aws.service, name, result(1)))
    assert main("--config", file(fallback=["ml.g4dn.xlarge"])) == 0
    assert asked == ["ml.g5.xlarge", "ml.g4dn.xlarge", "ml.g4dn.xlarge"]
    assert states(tmp_path) == {"Completed": 4}


def test_a_quota_of_0_of_a_fallback_fails_the_job_alone(
    aws: TroubledAws, file: Callable[..., Path], capsys: Any, tmp_path: Path
) -> None:
    refused(aws, lambda kind: limit(kind, 0) if "g4dn" in kind else None)

    def how(name: str, job: dict[str, Any]) -> None:
        if tasks_of(aws.service, name)[0]["key"] == "a--x":
            aws.service.move(name, "Failed", "Failed", FailureReason=CAPACITY)
        else:
            complete(aws.service, name, result(1))

    ends(aws, how)
    assert main("--config", file(fallback=["ml.g4dn.xlarge"])) == 1
    assert "'ml.g4dn.xlarge for spot training job usage'" in capsys.readouterr().out
    assert states(tmp_path) == {"Completed": 2, "Failed": 2}


def test_a_wait_for_what_others_use_has_an_end(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, tmp_path: Path
) -> None:
    asked = refused(aws, lambda kind: limit(kind, 3))
    limits = {"calls_per_minute": 60000, "poll_seconds": 0.05, "quota_wait": 0.3}
    assert main("--config", config(contents=["a"], styles=["x"], limits=limits)) == 2
    _, error = capsys.readouterr().err.strip().splitlines()
    assert "limits.quota_wait: nothing became free" in error
    assert len(asked) > 2
    assert states(tmp_path) == {"Pending": 1}


@pytest.mark.parametrize(
    ("status", "secondary", "why"),
    [
        ("Stopped", "MaxWaitTimeExceeded", "job.max_wait"),
        ("Stopped", "MaxRuntimeExceeded", "job.max_run"),
        ("Failed", "Failed", "CapacityError"),
    ],
)
@pytest.mark.parametrize("way", ["relaunch", "launch"])
def test_what_aws_ended_goes_on_elsewhere_and_nothing_is_painted_twice(
    way: str,
    status: str,
    secondary: str,
    why: str,
    aws: TroubledAws,
    file: Callable[..., Path],
    capsys: Any,
    tmp_path: Path,
) -> None:
    painted: Counter[str] = Counter()
    trouble = True

    def how(name: str, job: dict[str, Any]) -> None:
        for task in tasks_of(aws.service, name):
            if trouble and task["key"].endswith("y"):
                reason = {"FailureReason": CAPACITY} if status == "Failed" else {}
                aws.service.move(name, secondary, status, **reason)
                return
            painted[task["key"]] += 1
            finish(aws.service, name, task, result(len(painted)))
        complete_as_is(aws, name)

    created = ends(aws, how)
    assert main("--config", file()) == 1
    shown = capsys.readouterr().out
    assert shown.count(why) >= 2
    assert "start the failed ones again" in shown
    assert " relaunch test" in shown
    last = shown.splitlines()[-1]
    elsewhere = why != "job.max_run"  # there was no instance, and others may be had
    assert ("--job.instance_type" in last and "job.fallback" in last) == elsewhere
    assert states(tmp_path) == {"Completed": 2, "Failed": 2}
    # The same command once more pays for nothing; another instance is another matter.
    assert main("--config", file()) == 1
    assert len(created) == 2
    trouble = False
    if way == "launch":
        assert main("--config", file(instance_type="ml.g4dn.xlarge", spot=False)) == 0
    else:
        out = ["--out", tmp_path / "out"]
        other = ["--job.instance_type", "ml.g4dn.xlarge", "--job.spot", "false"]
        assert main("relaunch", "test", *out, *other) == 0
    assert len(created) == 4
    for name in created[2:]:
        job = aws.service.jobs[name]
        assert job["ResourceConfig"]["InstanceType"] == "ml.g4dn.xlarge"
        assert "EnableManagedSpotTraining" not in job
    assert set(painted.values()) == {1}
    assert states(tmp_path) == {"Completed": 4}


def complete_as_is(aws: TroubledAws, name: str) -> None:
    aws.service.move(name, "Completed", "Completed", BillableTimeInSeconds=3)


def test_a_fallback_is_tried_without_a_word_and_ends_on_demand(
    aws: TroubledAws, file: Callable[..., Path], capsys: Any, tmp_path: Path
) -> None:
    def how(name: str, job: dict[str, Any]) -> None:
        if "EnableManagedSpotTraining" in job:
            aws.service.move(name, "Failed", "Failed", FailureReason=CAPACITY)
        else:
            complete(aws.service, name, result(1))

    created = ends(aws, how)
    assert main("--config", file(4, fallback=["ml.g4dn.xlarge", "on_demand"])) == 0
    ran = [aws.service.jobs[name]["ResourceConfig"]["InstanceType"] for name in created]
    assert ran == ["ml.g5.xlarge", "ml.g4dn.xlarge", "ml.g5.xlarge"]
    (first, _, last) = (aws.service.jobs[name]["StoppingCondition"] for name in created)
    # Four pictures may take four times what one may; what may be waited for is the job's.
    hours = 3600
    assert first == {"MaxRuntimeInSeconds": 4 * hours, "MaxWaitTimeInSeconds": 5 * hours}
    assert last == {"MaxRuntimeInSeconds": 4 * hours}


def test_what_was_stopped_is_tried_nowhere_else(
    aws: TroubledAws, file: Callable[..., Path], tmp_path: Path
) -> None:
    created = ends(aws, lambda name, job: None)
    out = ["--out", tmp_path / "out"]
    assert main("--config", file(4, fallback=["ml.g4dn.xlarge"]), "--no_wait") == 0
    assert main("stop", "test", *out) == 0
    aws.service.move(created[0], "Failed", "Failed", FailureReason=CAPACITY)
    assert main("watch", "test", *out) == 1
    assert len(created) == 1
    assert states(tmp_path) == {"Failed": 4}


def test_a_relaunch_that_is_killed_before_its_first_job_loses_nothing(
    aws: TroubledAws, file: Callable[..., Path], tmp_path: Path, monkeypatch: Any
) -> None:
    created = ends(
        aws, lambda name, job: aws.service.move(name, "Failed", status="Failed", FailureReason="x")
    )
    assert main("--config", file()) == 1
    with monkeypatch.context() as patched:
        patched.setattr(Fleet, "turn", lambda self: (_ for _ in ()).throw(SystemExit(9)))
        with pytest.raises(SystemExit):
            main("relaunch", "test", "--out", tmp_path / "out", "--only", "a--y")
    aws.service.on_create.clear()
    ends(aws, lambda name, job: complete(aws.service, name, result(2)))
    assert main("watch", "test", "--out", tmp_path / "out") == 1
    assert states(tmp_path) == {"Completed": 1, "Failed": 3}
    new = set(aws.service.jobs) - set(created)
    assert [task["key"] for name in new for task in tasks_of(aws.service, name)] == ["a--y"]


def test_pictures_come_while_their_job_runs_and_those_of_now_replace_older_ones(
    aws: TroubledAws, file: Callable[..., Path], tmp_path: Path
) -> None:
    def first(name: str, job: dict[str, Any]) -> None:
        finish(aws.service, name, tasks_of(aws.service, name)[0], result(7))

    ends(aws, first)
    assert main("--config", file(), "--no_wait") == 0
    assert main("collect", "test", "--out", tmp_path / "out") == 0
    assert states(tmp_path) == {"Completed": 2, "InProgress": 2}
    run = tmp_path / "out" / "runs" / "a--x"
    assert (run / "stylized.png").read_bytes() == picture(7)
    # What began anew (a rehearsal does) takes what its own jobs left, not what lies in the folder.
    for name in list(aws.service.jobs):
        complete(aws.service, name, result(8) | {"metrics.json": b'{"seconds": 12, "loss": 3}'})
    (tmp_path / "out" / "launch.json").unlink()
    boto3.client("s3").delete_object(
        Bucket="rehearsal", Key="nst_lightning/launches/test/launch.json"
    )
    assert main("--config", file()) == 0
    assert (run / "stylized.png").read_bytes() == picture(8)
    manifest = load(tmp_path / "out")
    assert manifest is not None
    assert manifest.pictures["a--x"].seconds == 12
    assert manifest.pictures["a--x"].metrics["loss"] == 3


def test_a_job_that_goes_on_is_described_once_in_three_rounds(
    aws: TroubledAws, file: Callable[..., Path], tmp_path: Path
) -> None:
    ends(aws, lambda name, job: None)
    assert main("--config", file(1), "--no_wait") == 0
    fleet = Fleet(load(tmp_path / "out"), commands.Aws(launch_of(tmp_path)))  # type: ignore[arg-type]
    aws.calls.clear()
    for _ in range(12):
        time.sleep(0.06)
        fleet.turn()
    made = Counter(action for _, action in aws.calls if action.endswith("TrainingJobs"))
    described = sum(action == "DescribeTrainingJob" for _, action in aws.calls)
    assert made["ListTrainingJobs"] == 12
    assert described == 4 * 12 / 3


def launch_of(tmp_path: Path) -> Any:
    manifest = load(tmp_path / "out")
    assert manifest is not None
    return manifest.launch
