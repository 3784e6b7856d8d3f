"""What a launch needs in its account, looked at before anything is sent: role and buckets."""

import json
import re
from dataclasses import replace
from typing import Any

from nst_lightning.cloud.aws_errors import explained
from nst_lightning.cloud.config import AwsConfig, Launch, split_uri
from nst_lightning.errors import InputError

EXECUTION, DEFAULT = "execution", "default"
"""``aws.role`` of the notebook that this runs in, and ``aws.bucket`` that the SDK would take."""


def resolved(launch: Launch, boto: Any, s3: Any) -> Launch:
    """Return a launch with its role's ARN and its bucket's name, once both were found.

    Args:
        launch: As asked for.
        boto: The boto3 session.
        s3: Its client for S3.

    Raises:
        InputError: If the credentials, the role or a bucket is wrong.
    """
    with explained("credentials"):
        caller = boto.client("sts").get_caller_identity()
    role = _role(str(launch.aws.role), caller, boto)
    aws = replace(launch.aws, role=role, bucket=_bucket(launch.aws, boto, caller["Account"]))
    places = {"bucket": f"s3://{aws.bucket}", "output": aws.output, "checkpoints": aws.checkpoints}
    for key, uri in places.items():
        if uri is not None:
            _check_bucket(f"aws.{key}", split_uri(uri)[0], boto, s3)
    return replace(launch, aws=aws)


def assumed(launch: Launch, boto: Any) -> Launch:
    """Return a launch with what its role and its bucket would be in account 000000000000."""
    account, role = "0" * 12, str(launch.aws.role)
    if not role.startswith("arn:"):
        role = f"arn:{_partition(boto)}:iam::{account}:role/{role}"
    return replace(
        launch, aws=replace(launch.aws, role=role, bucket=_bucket(launch.aws, boto, account))
    )


def _partition(boto: Any) -> str:
    return str(boto.get_partition_for_region(boto.region_name))


def _bucket(aws: AwsConfig, boto: Any, account: str) -> str | None:
    return f"sagemaker-{boto.region_name}-{account}" if aws.bucket == DEFAULT else aws.bucket


def _role(given: str, caller: dict[str, Any], boto: Any) -> str:
    """Return the ARN of a role that is given by its ARN or name, or is the caller's own."""
    from botocore.exceptions import ClientError

    account, name = caller["Account"], given.rsplit("/", 1)[-1]
    if given.startswith("arn:"):
        _, partition, _, _, owner, _ = given.split(":", 5)
        if owner != account or partition != _partition(boto):
            raise InputError(
                f"aws.role: {given} is of account {owner} ({partition}), and your credentials are "
                f"of {account} ({_partition(boto)}); give a role of your own account"
            )
    if given == EXECUTION:
        own = re.search(r":assumed-role/([^/]+)/", caller["Arn"])
        if own is None:
            raise InputError(
                f"aws.role: {EXECUTION} is the role of a SageMaker notebook, and here you are "
                f"{caller['Arn']}; give the name or the ARN of a role"
            )
        name = own.group(1)
    try:
        role = boto.client("iam").get_role(RoleName=name)["Role"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            raise InputError(f"aws.role: there is no role {given} in your account") from error
        # Without permission to look, the first job will show it.
        path = "service-role/" if name.startswith("AmazonSageMaker-") else ""
        guess = f"arn:{_partition(boto)}:iam::{account}:role/{path}{name}"
        return given if given.startswith("arn:") else guess
    arn = str(role["Arn"])
    if given.startswith("arn:") and given != arn:
        raise InputError(f"aws.role: there is no role {given}; the one of that name is {arn}")
    trust = json.dumps(role.get("AssumeRolePolicyDocument"))
    if "sagemaker." not in trust and '"*"' not in trust:
        raise InputError(
            f"aws.role: {arn} does not trust sagemaker.amazonaws.com; see "
            "configs/sagemaker/trust-policy.json"
        )
    return arn


def _check_bucket(key: str, bucket: str, boto: Any, s3: Any) -> None:
    from botocore.exceptions import ClientError, ParamValidationError

    code, region = "", boto.region_name
    try:
        with explained(f"{key}: {bucket}", passing=("301", "400", "403", "404")):
            answer = s3.head_bucket(Bucket=bucket)["ResponseMetadata"]
    except ClientError as error:
        code, answer = error.response["Error"]["Code"], error.response["ResponseMetadata"]
    except ParamValidationError as error:
        raise InputError(f"{key}: {bucket!r} cannot be a bucket's name") from error
    # boto3 follows S3 to another region without a word; a job there would not.
    where = answer.get("HTTPHeaders", {}).get("x-amz-bucket-region", region)
    if code == "404":
        raise InputError(f"{key}: there is no bucket {bucket}; create it, or name another")
    if where != region:
        raise InputError(f"{key}: the bucket {bucket} is in {where}; name one of {region}")
    if code:
        raise InputError(f"{key}: you may not use the bucket {bucket} (S3 answers {code})")
