"""Launch, dry run, another machine, stop, relaunch: against the stand-in for AWS."""

import json
import os
import re
import shlex
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted_jobs import complete, picture, result
from helpers.troubled_aws import TroubledAws

from nst_lightning import cli
from nst_lightning.cloud.command_line import parse
from nst_lightning.cloud.commands import main
from nst_lightning.cloud.rehearsal.service import ServiceError

PAIRS = {"contents": ["sample:cat"], "styles": ["sample:klimt", "sample:waves"]}


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
