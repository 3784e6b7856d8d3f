"""Role, buckets and limits: looked at before anything is sent."""

import json
import re
from typing import Any

import boto3
import pytest
from helpers.launches import JOB, launch
from helpers.troubled_aws import TroubledAws

from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.rehearsal.server import ROLE
from nst_lightning.cloud.rehearsal.service import ServiceError
from nst_lightning.cloud.training_request import training_request
from nst_lightning.errors import InputError

ACCOUNT = "123456789012"
TRUST = json.dumps({"Statement": [{"Principal": {"Service": ["sagemaker.amazonaws.com"]}}]})


def checked(**aws: Any) -> Any:
    account = Aws(launch({"aws": aws}))
    account.check()
    return account.launch.aws


@pytest.fixture
def iam(aws: TroubledAws) -> Any:
    client = boto3.client("iam")
    yield client
    for role in client.list_roles()["Roles"]:
        if role["Arn"] != ROLE:
            client.delete_role(RoleName=role["RoleName"])


def bucket(name: str, region: str) -> None:
    where = {"LocationConstraint": region}
    boto3.client("s3", region_name=region).create_bucket(
        Bucket=name, CreateBucketConfiguration=where
    )


def test_a_role_is_found_by_its_name(iam: Any) -> None:
    iam.create_role(RoleName="Painter", Path="/service-role/", AssumeRolePolicyDocument=TRUST)
    assert checked(role="Painter").role == f"arn:aws:iam::{ACCOUNT}:role/service-role/Painter"


def test_a_role_of_another_path_is_named(iam: Any) -> None:
    iam.create_role(RoleName="Jobs", Path="/service-role/", AssumeRolePolicyDocument=TRUST)
    with pytest.raises(InputError, match=r"the one of that name is .*role/service-role/Jobs"):
        checked(role=f"arn:aws:iam::{ACCOUNT}:role/Jobs")


def test_a_role_that_sagemaker_may_not_take(iam: Any) -> None:
    iam.create_role(RoleName="Other", AssumeRolePolicyDocument=TRUST.replace("sagemaker", "ec2"))
    with pytest.raises(InputError, match=r"Other does not trust sagemaker\.amazonaws\.com"):
        checked(role="Other")


def test_the_role_of_another_partition(aws: TroubledAws) -> None:
    with pytest.raises(InputError, match=r"is of account 123456789012 \(aws-cn\)"):
        checked(role=f"arn:aws-cn:iam::{ACCOUNT}:role/Jobs")


def test_who_may_not_look_at_roles_is_believed(aws: TroubledAws) -> None:
    aws.service_fault = lambda name: (
        ServiceError("AccessDenied", "no", 403) if name == "iam" else None
    )
    assert checked(role=ROLE).role == ROLE
    assert checked(role="Painter").role == f"arn:aws:iam::{ACCOUNT}:role/Painter"


@pytest.mark.parametrize("name", ["AmazonSageMaker-ExecutionRole-1", "Painter"])
def test_the_role_of_the_notebook_that_this_runs_in(iam: Any, name: str, monkeypatch: Any) -> None:
    with pytest.raises(InputError, match="execution is the role of a SageMaker notebook"):
        checked(role="execution")
    role = iam.create_role(RoleName=name, Path="/service-role/", AssumeRolePolicyDocument=TRUST)[
        "Role"
    ]["Arn"]
    given = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="SageMaker")[
        "Credentials"
    ]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", given["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", given["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", given["SessionToken"])
    assert checked(role="execution").role == role


def test_sagemakers_own_bucket(aws: TroubledAws) -> None:
    name = f"sagemaker-us-west-2-{ACCOUNT}"
    with pytest.raises(InputError, match=f"aws.bucket: there is no bucket {name}; create it"):
        checked(bucket="default")
    bucket(name, "us-west-2")
    assert checked(bucket="default").bucket == name
    boto3.client("s3").delete_bucket(Bucket=name)


@pytest.mark.parametrize("key", ["bucket", "output", "checkpoints"])
def test_every_bucket_is_there_and_in_the_jobs_region(aws: TroubledAws, key: str) -> None:
    where = "" if key == "bucket" else "s3://"
    there = "" if key == "bucket" else "/paintings"
    with pytest.raises(InputError, match=f"aws.{key}: there is no bucket nowhere-at-all"):
        checked(**{key: f"{where}nowhere-at-all{there}"})
    bucket("far-away", "eu-west-1")
    try:
        with pytest.raises(InputError, match=f"aws.{key}: the bucket far-away is in eu-west-1"):
            checked(**{key: f"{where}far-away{there}"})
    finally:
        boto3.client("s3", region_name="eu-west-1").delete_bucket(Bucket="far-away")


def test_a_bucket_that_one_may_not_use(aws: TroubledAws) -> None:
    aws.service_fault = lambda name: (
        ServiceError("AccessDenied", "no", 403) if name == "s3" else None
    )
    with pytest.raises(InputError, match=r"aws.bucket: you may not use the bucket .*answers 403"):
        checked()


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        (
            "Environment",
            {"A": "x" * 513},
            "job.environment.A: 513 characters are more than the 512",
        ),
        ("Environment", {"A-B": "x"}, "job.environment: AWS does not take 'A-B'"),
        ("Environment", {f"V{n}": "" for n in range(101)}, "job.environment: 101 are more than"),
        ("Tags", [{"Key": "ä ß/1", "Value": ""}], None),
        ("Tags", [{"Key": "a?", "Value": ""}], r"aws.tags: AWS does not take 'a\?'"),
        ("ResourceConfig.InstanceType", "ml.g5.xlrage", "job.instance_type: .*did you mean ml.g5"),
        ("HyperParameters", {"data.size": "x" * 2501}, "settings.data.size: 2501 characters"),
        (
            "InputDataConfig",
            [{"ChannelName": f"c{n}"} for n in range(21)],
            "21 are more than the 20",
        ),
    ],
)
def test_aws_s_limits(aws: TroubledAws, place: str, value: Any, expected: str | None) -> None:
    account = Aws(launch({}))
    request = training_request(account.launch, JOB, "name", "us-west-2")
    section, _, name = place.partition(".")
    if name:
        request[section][name] = value
    elif section == "InputDataConfig":
        source = request[section][0]["DataSource"]
        request[section] = [item | {"DataSource": source} for item in value]
    else:
        request[section] = value
    if expected is None:
        account.validated("CreateTrainingJob", request)
        return
    with pytest.raises(InputError) as caught:
        account.validated("CreateTrainingJob", request)
    assert re.search(expected, str(caught.value)), caught.value
