"""Launch, dry run, another machine, stop, relaunch: against the stand-in for AWS."""

import contextlib
import io
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from helpers.scripted_jobs import complete, picture, result
from helpers.troubled_aws import TroubledAws

from nst_lightning import cli
from nst_lightning.cloud.command_line import parse
from nst_lightning.cloud.commands import main
from nst_lightning.cloud.config import JobConfig, Launch
from nst_lightning.cloud.estimate import estimate
from nst_lightning.cloud.manifest import Manifest
from nst_lightning.cloud.plan import Painting, Plan, PlannedJob
from nst_lightning.cloud.rehearsal.service import ServiceError
from nst_lightning.cloud.table import Row, summary, table

PAIRS = {"contents": ["sample:cat"], "styles": ["sample:klimt", "sample:waves"]}


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no page, which says what it lacks: pictures of 20 pixels are too small for it."""
    monkeypatch.setattr("nst_lightning.cloud.commands.make_page", lambda fleet: None)


def test_a_dry_run_prints_whole_requests_and_calls_nothing(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    before = len(aws.calls)
    file = config(
        **PAIRS,
        aws__subnets=["subnet-1"],
        aws__security_group_ids=["sg-1"],
        aws__volume_kms_key="key-1",
        job__instance_type="ml.c5.2xlarge",
        aws__tags={"team": "art"},
        job__environment={"A": "b"},
        job__price_per_hour=1.5,
    )
    assert main(["--config", str(file), "--dry_run"]) == 0
    assert len(aws.calls) == before
    assert not (tmp_path / "out").exists()
    shown = capsys.readouterr()
    decoder, text, requests = json.JSONDecoder(), shown.out.strip(), []
    while text:
        request, end = decoder.raw_decode(text)
        requests.append(request)
        text = text[end:].strip()
    assert len(requests) == 2
    first = requests[0]
    assert first["EnableManagedSpotTraining"] is True
    assert first["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 3600,
        "MaxWaitTimeInSeconds": 7200,
    }
    assert first["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert first["ResourceConfig"]["VolumeKmsKeyId"] == "key-1"
    assert {"Key": "team", "Value": "art"} in first["Tags"]
    assert first["Environment"] == {"A": "b"}
    assert "pytorch:2.14" in first["AlgorithmSpecification"]["TrainingImage"]
    assert first["CheckpointConfig"]["LocalPath"] == "/opt/ml/checkpoints"
    assert len(first["AlgorithmSpecification"]["MetricDefinitions"]) <= 40
    assert "2 training jobs" in shown.err
    assert "at most 3.00 USD, at 1.5 an instance hour" in shown.err


def test_a_rehearsal_costs_nothing_and_asks_for_no_price() -> None:
    wanted = Launch("x", [], [])
    painting = Painting("a--b", "a", "b", {}, {}, "1")
    plan = Plan(PlannedJob({}, {}, "", "", []), {"a--b": painting})
    for rehearsal in (False, True):
        manifest = Manifest(wanted, rehearsal=rehearsal)
        manifest.adopt(wanted, plan)
        assert ("price" in " ".join(estimate(manifest, plan))) is not rehearsal


def test_help_says_how_a_setting_is_given(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["launch", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    (words,) = re.findall(r"as in (--settings\.\S+ \S+)\. ", shown)
    assert parse(["--name", "x", *words.split()]).launch.settings == {"data.size": 512}


@pytest.mark.slow
def test_inputs_are_sent_once_and_a_second_launch_sends_and_starts_nothing(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, tmp_path: Path
) -> None:
    source = tmp_path / "ein Kätzchen.png"
    source.write_bytes(picture(1))
    file = config(contents=[str(source)], styles=["sample:klimt"])
    aws.service.on_create.append(lambda name: complete(aws.service, name, result(1)))
    assert main(["--config", str(file)]) == 0
    assert "2 files uploaded, 0 were there" in capsys.readouterr().out
    created = list(aws.service.jobs)
    assert main(["--config", str(file)]) == 0
    assert "0 files uploaded, 2 were there" in capsys.readouterr().out
    assert list(aws.service.jobs) == created
    run = next((tmp_path / "out" / "runs").iterdir())
    assert (run / "stylized.png").read_bytes() == picture(1)
    import yaml

    collected = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    assert collected["data"]["content"] == str(source)
    assert collected["trainer"]["default_root_dir"] == str(run)


@pytest.mark.slow
def test_other_settings_under_the_same_name_are_refused(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any
) -> None:
    aws.service.on_create.append(lambda name: complete(aws.service, name, result(1)))
    assert main(["--config", str(config())]) == 0
    capsys.readouterr()
    assert main(["--config", str(config(settings={"data.size": 64}))]) == 2
    assert "with other settings" in capsys.readouterr().err
    assert len(aws.service.jobs) == 1


def test_another_machine_goes_on_by_the_name_alone(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    file = config(**PAIRS, limits__parallel=1, job__pictures=1)
    assert main(["--config", str(file), "--no_wait"]) == 0
    left = capsys.readouterr().out.strip().splitlines()[-1]
    assert left.startswith(
        "left: 1 jobs run on (and cost), and 1 wait, which watch alone starts; come back "
    )
    assert len(aws.service.jobs) == 1
    shutil.rmtree(tmp_path / "out")
    for name in aws.service.jobs:
        complete(aws.service, name, result(3))
    aws.service.on_create.append(lambda name: complete(aws.service, name, result(4)))
    where = ["--aws.bucket", "rehearsal", "--aws.region", "us-west-2"]
    pages: list[Any] = []  # what draws one needs the extra fast
    monkeypatch.setattr("nst_lightning.cloud.commands.make_page", pages.append)
    assert main(["watch", "test", "--out", str(tmp_path / "other"), *where]) == 0
    assert len(pages) == 1
    runs = tmp_path / "other" / "runs"
    assert (runs / "cat--klimt" / "stylized.png").read_bytes() == picture(3)
    assert (runs / "cat--waves" / "stylized.png").read_bytes() == picture(4)


def test_stop_ends_what_runs_and_what_has_not_begun_never_does(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, tmp_path: Path
) -> None:
    out = str(tmp_path / "out")
    file = config(**PAIRS, limits__parallel=1, job__pictures=1)
    assert main(["--config", str(file), "--no_wait"]) == 0
    assert main(["stop", "test", "--out", out]) == 0
    (name,) = aws.service.jobs
    assert aws.service.status(name) == "Stopping"
    aws.service.move(name, "Stopped", status="Stopped")
    capsys.readouterr()
    assert main(["stop", "test", "--out", out]) == 0  # again: nothing is left to stop
    told = capsys.readouterr().out
    assert told.startswith("nothing runs, and nothing will start; bring back what is finished: ")
    assert main(["watch", "test", "--out", out]) == 1
    capsys.readouterr()
    assert main(["stop", "test", "--out", out]) == 0
    assert capsys.readouterr().out == "nothing runs, and nothing will start\n"
    assert main(["watch", "test", "--out", out]) == 1
    shown = capsys.readouterr().out
    assert "1 Stopped, 1 Not started" in shown
    assert f" relaunch test --stopped --out {out}" in shown.splitlines()[-1]
    assert "0 pictures here" in shown
    assert len(aws.service.jobs) == 1


@pytest.mark.parametrize("broken", ["missing", "no picture", "torn"])
def test_a_job_without_a_whole_picture_is_not_done(
    broken: str, aws: TroubledAws, config: Callable[..., Path], capsys: Any, tmp_path: Path
) -> None:
    files = result(1)
    if broken == "no picture":
        files.pop("stylized.png")
    if broken == "torn":
        files["stylized.png"] = files["stylized.png"][:100]

    def end(name: str) -> None:
        if broken == "missing":
            aws.service.move(name, "Completed", "Completed")
        else:
            complete(aws.service, name, files)

    aws.service.on_create.append(end)
    assert main(["--config", str(config())]) == 1
    shown = capsys.readouterr().out
    assert "failed: cat--klimt" in shown
    assert not (tmp_path / "out" / "runs" / "cat--klimt").exists()


def test_a_used_up_quota_is_waited_for(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any
) -> None:
    refusals = iter([True, True])

    def fault(action: str) -> ServiceError | None:
        if action == "CreateTrainingJob" and next(refusals, None):
            return ServiceError("ResourceLimitExceeded", "The limit is 0 Instances")
        return None

    aws.fault = fault
    aws.service.on_create.append(lambda name: complete(aws.service, name, result(1)))
    assert main(["--config", str(config())]) == 0
    assert "waiting for an instance" in capsys.readouterr().err


def test_every_call_that_was_made_is_in_the_documented_policy(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, tmp_path: Path
) -> None:
    aws.service.on_create.append(lambda name: complete(aws.service, name, result(1)))
    assert main(["--config", str(config())]) == 0
    assert main(["logs", "test", "cat--klimt", "--out", str(tmp_path / "out")]) == 0
    policy = Path(__file__).parents[2] / "configs" / "sagemaker" / "launcher-policy.json"
    statements = json.loads(policy.read_text())["Statement"]
    allowed = {action for s in statements for action in s["Action"]}
    assert not any("*" in action for action in allowed)
    made = {action for _, action in aws.calls if action[0].isupper()}
    assert {f"sagemaker:{action}" for action in made} <= allowed
    made = {action.partition(" ")[2] for _, action in aws.calls if action.startswith("logs ")}
    assert made
    assert {f"logs:{action}" for action in made} <= allowed
    assert {"iam:PassRole", "iam:GetRole", "s3:GetObject", "s3:PutObject"} <= allowed


def say_in_log(name: str, instance: int, *lines: str) -> None:
    """Let a job print lines on one of its instances, as CloudWatch has them."""
    group, stream = "/aws/sagemaker/TrainingJobs", f"{name}/algo-1-{instance}"
    logs = boto3.client("logs")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def test_the_log_of_a_job_is_that_of_all_its_instances_and_goes_on_until_its_end(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, tmp_path: Path, asleep: Any
) -> None:
    assert main(["--config", str(config()), "--no_wait"]) == 0
    (name,) = aws.service.jobs
    words = ["logs", "test", "cat--klimt", "--out", str(tmp_path / "out")]
    capsys.readouterr()
    assert main(words) == 0
    assert capsys.readouterr().err == f"nothing is printed yet: {name} is InProgress, Starting\n"
    say_in_log(name, 1700000000, "first", "second")
    say_in_log(name + "0", 1700000000, "of another job")
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines() == ["first", "second"]

    turns = iter(
        [
            lambda: say_in_log(name, 1700000099, "on another instance"),
            lambda: complete(aws.service, name, result(1)),
            lambda: say_in_log(name, 1700000099, "too late"),
        ]
    )
    asleep("logs", lambda seconds: next(turns)())
    assert main([*words, "--follow"]) == 0
    assert capsys.readouterr().out.splitlines() == ["first", "second", "on another instance"]
    assert main(["logs", "test", "dog--klimt", *words[3:]]) == 2
    assert "there is no picture dog--klimt; there are cat--klimt" in capsys.readouterr().err


@pytest.mark.usefixtures("no_page")
def test_off_a_terminal_there_is_a_line_an_event_and_the_address_of_every_job(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, asleep: Any
) -> None:
    def turn(seconds: float) -> None:
        (name,) = aws.service.jobs
        step = next(steps)
        if step == "ends":
            complete(aws.service, name, result(1))
        elif step == "paints":
            began = time.time() - 60
            aws.service.move(name, "Training", TrainingStartTime=began)
            values = {"step": 5.0, "steps": 20.0, "picture": 1.0, "loss": 3.5}
            metrics = [{"MetricName": k, "Value": v, "Timestamp": 0} for k, v in values.items()]
            aws.service.note(name, FinalMetricDataList=metrics)

    steps = itertools.chain(["paints"], itertools.repeat("", 4), itertools.repeat("ends"))
    asleep("watching", turn)
    file = config(job__price_per_hour=60.0, limits__poll_seconds=0.001)
    assert main(["--config", str(file)]) == 0
    shown = capsys.readouterr()
    assert not shown.err
    lines = [line for line in shown.out.splitlines() if " cat--klimt: " in line]
    (name,) = aws.service.jobs
    assert len(lines) == 3
    console = "https://us-west-2.console.aws.amazon.com/sagemaker/home?region=us-west-2#/jobs/"
    assert lines[0].endswith(f"cat--klimt: InProgress, Starting, {console}{name}")
    assert "InProgress, Training, step 5/20" in lines[1]
    assert "Completed, picture is here" in lines[2]
    assert re.search(r"3 s billed: about 0\.05 USD, and 0\.05 USD at most", shown.out)


def test_on_a_terminal_it_says_how_far_how_long_and_what_it_costs() -> None:
    from rich.console import Console

    console = Console(width=100, record=True, file=io.StringIO())
    began = time.time() - 100
    metrics = {"step": 25.0, "steps": 100.0, "loss": 12.34567}
    rows = [
        Row("a [b]--c", "InProgress", "Training", "job", metrics, began),
        Row("d--c", "Failed", "out of memory: " + "a long reason " * 9),
        *(Row(f"{n}--c", "Pending") for n in range(3)),
    ]
    console.print(table("title", rows, ("loss",), "us-west-2", None))
    shown = console.export_text()
    assert re.search(
        r"a \[b\]--c +│ InProgress +│ 25/100 +│ 0:01:4\d │ 0:0[45]:\d\d │ 12\.35", shown
    )
    assert re.search(r"d--c +│ Failed +│.*│ out of memory: a long .*…", shown)
    launch = Launch("x", [], [], job=JobConfig(price_per_hour=2.0, currency="EUR"))
    line = summary(launch, rows, 0, (1800.0, 7200.0))
    assert line == (
        "5 pictures: 3 Pending, 1 InProgress, 1 Failed; 0 pictures here; 1800 s billed: about 1.00 "
        "EUR, and 4.00 EUR at most"
    )


@pytest.mark.parametrize("by_signal", [False, True])
def test_whatever_ends_the_launcher_the_last_line_says_what_runs_on_and_how_to_come_back(
    by_signal: bool, aws: TroubledAws, config: Callable[..., Path], capsys: Any, asleep: Any
) -> None:
    def end(seconds: float) -> None:
        if by_signal:
            os.kill(os.getpid(), signal.SIGTERM)
        raise RuntimeError("a fault of ours")

    asleep("watching", end)
    if by_signal:
        assert main(["--config", str(config())]) == 130
        left = capsys.readouterr().err.strip().splitlines()[-1]
    else:
        with pytest.raises(RuntimeError, match="a fault of ours") as raised:
            main(["--config", str(config())])
        (left,) = raised.value.__notes__
    assert left.startswith("left: 1 jobs run on (and cost); come back with: ")


def test_the_commands_that_are_named_are_those_of_the_program_that_was_started(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/nst"])
    assert cli.main(["sagemaker", "--config", str(config()), "--no_wait"]) == 0
    left = capsys.readouterr().out.strip().splitlines()[-1]
    named = re.findall(r"with: nst (sagemaker [a-z]+ test --out \S+?)(?:;|$)", left)
    assert len(named) == 2
    for words in named:
        assert str(tmp_path / "out") in words
        assert parse(shlex.split(words)[1:]).launch.name == "test"


@pytest.mark.usefixtures("no_page")
def test_what_the_sdk_says_of_a_refusal_is_not_printed(
    aws: TroubledAws, config: Callable[..., Path], capfd: Any
) -> None:
    pytest.importorskip("sagemaker.pytorch", reason="needs SageMaker's SDK v2")
    refusals = iter([True])
    aws.fault = lambda action: (
        ServiceError("ResourceLimitExceeded", "The limit 'x' is 8 Instances")
        if action == "CreateTrainingJob" and next(refusals, None)
        else None
    )
    aws.service.on_create.append(lambda name: complete(aws.service, name, result(1)))
    assert main(["--config", str(config(job__via="estimator"))]) == 0
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert line.startswith("note: ")
