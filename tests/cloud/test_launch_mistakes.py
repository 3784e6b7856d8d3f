"""A mistake is one line, exit code 2, and nothing is started."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.troubled_aws import TroubledAws

from nst_lightning.cloud.commands import main
from nst_lightning.cloud.rehearsal.service import ServiceError

ACCOUNT_ARN = "arn:aws:iam::{}:role/{}"


def refused(aws: TroubledAws | None, capsys: Any, *args: str) -> str:
    code = main(list(args))
    err = capsys.readouterr().err
    assert code == 2, err
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in err
    if aws is not None:
        assert not aws.service.jobs
        assert "CreateTrainingJob" not in [action for _, action in aws.calls]
    return lines[0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"name": "a-name-that-is-much-too-long-for-aws"},
            r"name: 'a-.*' \(36 characters\) cannot .*; use 24 at most",
        ),
        ({"name": "ends-"}, r"name: 'ends-' \(5 characters\) cannot name a job"),
        ({"aws__role": None}, "aws.role: no role is set"),
        ({"aws__role": "MyRole"}, "aws.role: there is no role MyRole in your account"),
        ({"aws__role": ACCOUNT_ARN.format("999999999999", "R")}, "is of account 999999999999"),
        ({"aws__role": ACCOUNT_ARN.format("123456789012", "Nobody")}, "there is no role .*Nobody"),
        ({"aws__bucket": None}, "aws.bucket: no bucket is set"),
        ({"aws__bucket": "nowhere-at-all"}, "aws.bucket: there is no bucket nowhere-at-all"),
        ({"aws__bucket": "No_Bucket!"}, "aws.bucket: "),
        ({"aws__region": "us-wset-2"}, "no region us-wset-2; did you mean us-west-2"),
        ({"aws__profile": "nobody"}, "aws.profile: .*nobody"),
        ({"aws__subnets": ["subnet-1"]}, "aws.subnets: a VPC needs"),
        ({"aws__network_isolation": True}, "aws.network_isolation: .*image_uri"),
        ({"aws__output": "results/x"}, "aws.output: results/x is no s3:// address"),
        (
            {"job__instance_type": "ml.g5.xlrage"},
            "job.instance_type: AWS knows no ml.g5.xlrage; did you mean",
        ),
        ({"job__framework_version": "9.9"}, "job.framework_version: no container of PyTorch 9.9"),
        ({"job__framework_version": "2.3.0"}, "job.framework_version: .*2.3.0 is too old"),
        ({"job__via": "sdk"}, "job.via: expected one of"),
        ({"job__instance_type": "ml.trn1.2xlarge"}, "job.instance_type: ml.trn1.2xlarge has Train"),
        ({"job__fallback": ["ml.trn1.2xlarge"]}, "job.fallback: ml.trn1.2xlarge has Trainium"),
        ({"job__volume_size": 2000}, "job.volume_size: ml.g5.xlarge has a disk of 250 GB"),
        ({"aws__volume_kms_key": "k"}, "aws.volume_kms_key: ml.g5.xlarge has a disk of its own"),
        ({"aws__output": "s3://nowhere-at-all/x"}, "aws.output: there is no bucket nowhere-at-all"),
        (
            {"aws__checkpoints": "s3://nowhere-at-all"},
            "aws.checkpoints: there is no bucket nowh",
        ),
        ({"contents": ["s3://rehearsal/none.jpg"]}, "no such file: s3://rehearsal/none.jpg"),
        ({"styles": ["https://127.0.0.1:9/x.jpg"]}, "https://127.0.0.1:9/x.jpg cannot be reached"),
        ({"settings": {"data.init": "s3://rehearsal/none.jpg"}}, "no such file: s3://rehearsal/n"),
        ({"job__warm_pool": 600}, "job.warm_pool: AWS keeps no spot instances warm"),
        ({"job__max_wait": 10}, "job.max_wait: 10 is less than job.max_run"),
        ({"job__max_run": -5}, "job.max_run: -5 must be >0"),
        ({"job__spot": False, "job__warm_pool": 99999}, "job.warm_pool: 99999 is more than the"),
        ({"job__retries": 99}, "job.retries: 99 is more than the 30"),
        ({"job__price_per_hour": -3}, "job.price_per_hour: it must be >=0"),
        ({"aws__tags": {"aws:x": "y"}}, "aws.tags: aws:x"),
        ({"aws__tags": {f"t{n}": "x" for n in range(51)}}, "aws.tags: 51 are more than the 49"),
        ({"aws__tags": {"a": "x" * 257}}, "aws.tags: 257 characters are more than the 256"),
        ({"aws__tags": {"a" * 129: "x"}}, "aws.tags: 129 characters are more than the 128"),
        ({"aws__tags": {"": "x"}}, "aws.tags: 0 characters are less than the 1"),
        ({"aws__tags": {"what?": "x"}}, "aws.tags: AWS does not take .what"),
        ({"aws__prefix": "a//b"}, "aws.prefix: a//b has an empty folder"),
        ({"aws__output": "s3://bucket//c"}, "aws.output: s3://bucket//c has an empty folder"),
        ({"aws__checkpoints": "s3://b/c//"}, "aws.checkpoints: s3://b/c// has an empty folder"),
        (
            {"aws__subnets": ["s"] * 17, "aws__security_group_ids": ["g"]},
            "aws.subnets: 17 are more than the 16",
        ),
        (
            {"aws__subnets": ["s"], "aws__security_group_ids": ["g"] * 6},
            "aws.security_group_ids: 6 are more than the 5",
        ),
        ({"job__environment": {"A-B": "x"}}, "job.environment: AWS does not take 'A-B'"),
        ({"settings": {"data.init": "nope.png"}}, "no such file: nope.png"),
        (
            {"settings": {"data.content_mask": "nope.png", "model.style": "GuidedGramLoss"}},
            "no such file: nope.png",
        ),
        ({"job__requirements": ["torch==2.8.0"]}, "job.requirements: "),
        ({"job__requirements": ["torchaudio"]}, "job.requirements: 'torchaudio' would replace"),
        ({"job__requirements": ["xformers>=0.0.30"]}, "job.requirements: 'xformers"),
        ({"job__requirements": ["-r mine.txt"]}, "job.requirements: '-r mine.txt' is no package"),
        ({"limits__parallel": 0}, "limits.parallel: 0 must be >0"),
        ({"limits__parallel": "many"}, "limits.parallel: "),
        ({"contents": ["nowhere.jpg"]}, "no such file: nowhere.jpg"),
        ({"contents": []}, "no picture was given"),
        ({"contents": None}, "no picture was given"),
        ({"contents": "sample:cat"}, "contents: expected a list, got one str"),
        ({"styles": [3]}, "styles: .*got 'int'"),
        ({"settings": {"data.szie": 3}}, "unknown (key|option) .*data.szie"),
        ({"settings": {"data.size": 0}}, "data.size must be a whole number of at least 1, not 0"),
        (
            {"settings": {"data.content": "x.jpg"}},
            "data.content: the command sets it; use --contents",
        ),
        ({"configs": ["klmt.yaml"]}, "no file klmt.yaml; did you mean klimt"),
        ({"instance": "x"}, "unknown key instance"),
    ],
)
def test_a_wrong_value(
    changes: dict[str, Any],
    expected: str,
    aws: TroubledAws,
    config: Callable[..., Path],
    capsys: Any,
) -> None:
    line = refused(aws, capsys, "--config", str(config(**changes)))
    assert re.search(expected, line), line


def test_all_mistakes_are_told_at_once_each_by_its_own_key(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any
) -> None:
    image = "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:2.3.0-gpu-py310"
    wrong = config(name="a_b", job__instance_type="ml.p2.xlarge", job__warm_pool=5)
    assert main(["--config", str(wrong), "--job.image_uri", image]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0:2] for line in lines] == [
        ["error", "job.warm_pool"],
        ["also", " job.image_uri"],
        ["also", " name"],
    ]
    assert not aws.service.jobs


def test_no_type_is_suggested_that_would_be_refused(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any
) -> None:
    line = refused(aws, capsys, "--config", str(config(job__instance_type="ml.p2.xlrage")))
    (near,) = re.findall(r"did you mean (ml\.\S+)\?", line)
    assert main(["--config", str(config(job__instance_type=near)), "--dry_run"]) == 0
    capsys.readouterr()
    line = refused(aws, capsys, "--config", str(config(job__instance_type="ml.p2.xlarge")))
    assert "has a K80, which" in line


@pytest.mark.parametrize("value", ["s3cr3t" * 100, ["s3cr3t"], {"b": "s3cr3t"}])
def test_the_value_of_an_environment_variable_is_never_shown(
    value: Any, aws: TroubledAws, config: Callable[..., Path], capsys: Any
) -> None:
    line = refused(aws, capsys, "--config", str(config(job__environment={"A": value})))
    assert line.startswith("error: job.environment")
    assert "s3cr3t" not in line
    given = json.dumps({"environment": {"A": "s3cr3t"}, "spot": "maybe"})
    assert "s3cr3t" not in refused(aws, capsys, "--config", str(config()), "--job", given)


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-west-2", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_a_region_of_any_partition_is_planned(
    region: str, partition: str, config: Callable[..., Path], capsys: Any
) -> None:
    role = ACCOUNT_ARN.format("123456789012", "paint").replace("aws", partition, 1)
    file = config(aws__region=region, aws__role=role, job__framework_version="2.13")
    assert main(["--config", str(file), "--dry_run"]) == 0, capsys.readouterr().err


def test_no_credentials(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("HOME", os.devnull)
    assert "no AWS credentials" in refused(aws, capsys, "--config", str(config()))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ExpiredToken", "your credentials have expired"),
        ("InvalidClientTokenId", "AWS does not know your access key"),
        ("AccessDenied", "AWS does not allow it"),
    ],
)
def test_what_aws_says_of_credentials(
    code: str, expected: str, aws: TroubledAws, config: Callable[..., Path], capsys: Any
) -> None:
    aws.service_fault = lambda service: ServiceError(code, "no", 403) if service == "sts" else None
    assert expected in refused(aws, capsys, "--config", str(config()))


def test_a_token_that_expires_between_two_jobs_stops_the_launcher_and_loses_nothing(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, tmp_path: Path
) -> None:
    aws.fault = lambda action: (
        ServiceError("ExpiredTokenException", "The security token included is expired")
        if action == "DescribeTrainingJob"
        else None
    )
    assert main(["--config", str(config())]) == 2
    *_, error, left = capsys.readouterr().err.strip().splitlines()
    assert "your credentials have expired" in error
    assert left.startswith("left: 1 jobs run on (and cost); come back with: ")
    assert len(aws.service.jobs) == 1
    assert (tmp_path / "out" / "launch.json").is_file()


def test_ctrl_c_leaves_the_jobs_running_and_says_how_to_come_back(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, monkeypatch: Any, asleep: Any
) -> None:
    def pressed(seconds: float) -> None:
        raise KeyboardInterrupt

    file = str(config())
    monkeypatch.setattr("sys.argv", ["sagemaker/launch.py"])
    asleep("watching", pressed)
    assert main(["--config", file]) == 130
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("left: 1 jobs run on (and cost); come back with: python sagemaker/")
    assert "watch test --out" in line
    (name,) = aws.service.jobs
    assert aws.service.status(name) == "InProgress"


def test_the_command_and_the_launch_must_exist(
    aws: TroubledAws, capsys: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "unknown command 'wacth'; did you mean watch?" in refused(aws, capsys, "wacth", "x")
    assert "there is no launch x" in refused(aws, capsys, "watch", "x")
    assert "at s3://rehearsal" in refused(
        aws, capsys, "watch", "x", "--aws.bucket", "rehearsal", "--aws.region", "us-west-2"
    )
    assert "there is no file nope" in refused(aws, capsys, "--config", "nope")
