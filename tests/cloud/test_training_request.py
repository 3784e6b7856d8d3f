"""One dictionary starts a job, whichever way it is sent and whichever SDK is there."""

import importlib.metadata
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.launches import JOB, launch
from helpers.troubled_aws import TroubledAws

from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.rehearsal.service import ServiceError
from nst_lightning.cloud.sdk import has_estimator
from nst_lightning.cloud.training_request import training_request


def sdk_version() -> str:
    """Return the first number of the installed SDK's version, or nothing."""
    try:
        return importlib.metadata.version("sagemaker").split(".")[0]
    except importlib.metadata.PackageNotFoundError:
        return ""


EVERYTHING: dict[str, Any] = {
    "aws": {
        "network_isolation": True,
        "output": "s3://results/here",
        "checkpoints": "s3://results/there/",
        "output_kms_key": "key",
        "subnets": ["subnet-1"],
        "security_group_ids": ["sg-1"],
        "tags": {"team": "art"},
    },
    "job": {
        "image_uri": "123456789012.dkr.ecr.us-west-2.amazonaws.com/mine:1",
        "spot": False,
        "warm_pool": 60,
        "retries": 0,
        "environment": {"A": "b"},
    },
}


@pytest.mark.parametrize("changes", [{}, EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize(
    "via",
    [
        "api",
        "auto",
        pytest.param(
            "estimator",
            marks=pytest.mark.skipif(not has_estimator(), reason="SageMaker's SDK v2 is not here"),
        ),
    ],
)
def test_what_arrives_at_aws_is_the_dictionary_however_it_is_sent(
    via: str, changes: dict[str, Any], aws: TroubledAws
) -> None:
    arrived: list[dict[str, Any]] = []
    take = aws.service.create_training_job
    aws.service.create_training_job = lambda request: (  # type: ignore[method-assign]
        arrived.append(request) or take(request)  # type: ignore[func-returns-value]
    )
    account = Aws(launch(changes, via=via))
    assert account.start(JOB, "name", account.launch.job)
    assert not account.start(
        JOB, "name", account.launch.job
    )  # there is one of that name: nothing is started twice
    expected = training_request(launch(changes), JOB, "name", "us-west-2")
    assert arrived == [expected, expected]
    assert account.validated("CreateTrainingJob", expected) == expected


@pytest.mark.skipif(sdk_version() != "3", reason="SageMaker's SDK v3 is not here")
def test_the_documented_model_trainer_sends_the_same_job(
    aws: TroubledAws, tmp_path: Path, monkeypatch: Any
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "sagemaker.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    expected = training_request(launch({}), JOB, "name", "us-west-2")
    # As a dry run prints them, one after another: the first is sent.
    (tmp_path / "request.json").write_text(f"{json.dumps(expected)}\n{json.dumps({})}\n")
    monkeypatch.chdir(tmp_path)
    # moto cannot simulate policies, which is what v3 wants to know of a role.
    aws.service_fault = lambda name: (
        ServiceError("AccessDenied", "no", 403) if name == "iam" else None
    )
    exec(compile(example, "docs/sagemaker.md", "exec"), {})
    ((name, job),) = aws.service.jobs.items()
    assert name.startswith("painting-")
    for key in ("AlgorithmSpecification", "HyperParameters", "InputDataConfig", "ResourceConfig"):
        assert job[key] == expected[key]
    for key in ("StoppingCondition", "CheckpointConfig", "OutputDataConfig", "RoleArn"):
        assert job[key] == expected[key]
    assert job["EnableManagedSpotTraining"] is True


@pytest.mark.parametrize("changes", [{}, EVERYTHING], ids=["plain", "everything"])
def test_the_dictionary_is_the_same_bytes_without_an_sdk(
    changes: dict[str, Any], monkeypatch: Any
) -> None:
    def text() -> str:
        return json.dumps(training_request(launch(changes), JOB, "name", "us-west-2"))

    expected = text()
    for name in [name for name in sys.modules if name.split(".")[0] == "sagemaker"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sagemaker", None)  # an import of it fails
    assert text() == expected


def test_without_sdk_v2_the_estimator_is_refused(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, monkeypatch: Any
) -> None:
    from nst_lightning.cloud.commands import main

    monkeypatch.setattr("nst_lightning.cloud.request_checks.has_estimator", lambda: False)
    assert main(["--config", str(config(job__via="estimator"))]) == 2
    assert "job.via: the estimator is in SageMaker's SDK v2" in capsys.readouterr().err
    assert not aws.service.jobs
