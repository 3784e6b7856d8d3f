"""What can be checked of a launch without asking AWS."""

import contextlib
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import replace

from nst_lightning.cloud.account import DEFAULT, EXECUTION
from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.catalogue import image_uri, instance_mistakes
from nst_lightning.cloud.config import (
    MOST_PICTURES,
    ON_DEMAND,
    AwsConfig,
    JobConfig,
    Launch,
    split_uri,
)
from nst_lightning.cloud.limits import beyond_limits
from nst_lightning.cloud.names import check_launch_name
from nst_lightning.cloud.sdk import has_estimator
from nst_lightning.cloud.staging import ROOT
from nst_lightning.cloud.training_request import frame
from nst_lightning.errors import InputError

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+|[\w+=,.@-]{1,64}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
MOST_TAGS = 49
_LONGEST = 28 * 24 * 3600
"""Seconds that a job may run, by AWS's documentation."""


def need_packages(aws: bool, rehearsal: bool, optuna: bool) -> None:
    """Make sure that the packages for what was asked for are installed.

    Args:
        aws: boto3.
        rehearsal: moto and AWS's training toolkit.
        optuna: The search on this machine.

    Raises:
        InputError: Naming the first that is missing, and how to get it.
    """
    wanted = ["boto3"] if aws else []
    if rehearsal:
        wanted += ["moto", "flask", "sagemaker_training", "sagemaker_pytorch_container"]
    if optuna:
        wanted.append("optuna")
    for name in wanted:
        spec = importlib.util.find_spec(name)
        # The folder sagemaker/ of a clone alone looks like an empty package of that name.
        if spec is None or spec.origin is None:
            extra = "tuning" if optuna else "rehearsal" if rehearsal else "sagemaker"
            where = "-e '." if (ROOT / "pyproject.toml").is_file() else "'nst-lightning"
            raise InputError(f"the package {name} is not installed: pip install {where}[{extra}]'")


def check_request(launch: Launch, aws: Aws) -> None:
    """Check what can be checked without asking AWS.

    Args:
        launch: As asked for.
        aws: Its account, which is not called.

    Raises:
        InputError: Naming the key; mistakes of other keys are its notes, a line each.
    """
    found = [*_account_mistakes(launch.aws, launch.job), *_job_mistakes(launch)]
    kinds = [("instance_type", launch.job.instance_type)]
    kinds += [("fallback", kind) for kind in launch.job.fallback if kind != ON_DEMAND]
    for key, kind in kinds:
        one = replace(launch, job=replace(launch.job, instance_type=kind))
        with _noted(found):
            found += (
                mistake.replace("job.instance_type", f"job.{key}")
                for mistake in _instance_mistakes(one, aws)
            )
    with _noted(found):
        check_launch_name(launch.name)
    if found:
        by_key = {text.partition(":")[0]: text for text in reversed(found)}
        first, *others = reversed(by_key.values())
        error = InputError(first)
        for other in others:
            error.add_note(f"also:  {other}")
        raise error


@contextlib.contextmanager
def _noted(found: list[str]) -> Iterator[None]:
    """Add a mistake that the block raises to those that were found."""
    try:
        yield
    except InputError as error:
        found.append(str(error))


def _instance_mistakes(launch: Launch, aws: Aws) -> Iterator[str]:
    request = frame(launch, image_uri(launch.job, aws.region))
    if not str(launch.aws.role).startswith("arn:"):
        request.pop("RoleArn", None)  # a role by its name, or none
    found = list(beyond_limits(request, aws.shape("CreateTrainingJob")))
    yield from found or instance_mistakes(launch.aws, launch.job)


def _account_mistakes(aws: AwsConfig, job: JobConfig) -> Iterator[str]:
    if not aws.role:
        yield f"aws.role: no role is set; give a role's ARN or name, or {EXECUTION} in a notebook"
    elif not _ROLE.fullmatch(aws.role):
        yield (
            f"aws.role: {aws.role} is no role; its ARN looks like "
            "arn:aws:iam::123456789012:role/NAME"
        )
    if not aws.bucket:
        yield f"aws.bucket: no bucket is set; name one, or {DEFAULT} for SageMaker's own"
    for key in ("prefix", "output", "checkpoints"):
        if "//" in (getattr(aws, key) or "").removeprefix("s3://"):
            yield f"aws.{key}: {getattr(aws, key)} has an empty folder in it (//); leave one / out"
    for key in ("bucket", "output", "checkpoints"):
        uri = getattr(aws, key) or "s3://none"
        if key != "bucket" and not uri.startswith("s3://"):
            yield f"aws.{key}: {uri} is no s3:// address"
        name = split_uri(uri)[0]
        if not _BUCKET.fullmatch(name):
            yield (
                f"aws.{key}: {name!r} is no name of a bucket: 3 to 63 lower-case letters, digits, "
                "dots and hyphens"
            )
    if bool(aws.subnets) != bool(aws.security_group_ids):
        yield "aws.subnets: a VPC needs subnets and security_group_ids, both"
    if aws.network_isolation and not job.image_uri:
        yield (
            "aws.network_isolation: the container could not install its requirements; give "
            "job.image_uri an image that has them"
        )
    if len(aws.tags) > MOST_TAGS:
        yield f"aws.tags: {len(aws.tags)} are more than the {MOST_TAGS} that AWS takes beside ours"
    for tag in aws.tags:
        if tag.lower().startswith("aws:"):
            yield f"aws.tags: {tag}: names that begin with aws: are AWS's own"


def _job_mistakes(launch: Launch) -> Iterator[str]:
    job = launch.job
    if job.pictures != "auto" and not 1 <= job.pictures <= MOST_PICTURES:
        yield f"job.pictures: {job.pictures} is not from 1 to {MOST_PICTURES}, nor auto"
    if job.via == "estimator" and not has_estimator():
        yield (
            "job.via: the estimator is in SageMaker's SDK v2, which is not installed (pip install "
            "'sagemaker>=2.257,<3'); leave job.via out: boto3 sends the same"
        )
    if job.spot and job.warm_pool:
        yield "job.warm_pool: AWS keeps no spot instances warm; set job.spot to false"
    if job.max_run > _LONGEST:
        yield f"job.max_run: {job.max_run} is more than the {_LONGEST} seconds that AWS takes"
    if job.max_wait is not None and not job.spot:
        yield "job.max_wait: it is for spot instances only; leave it out"
    if job.max_wait is not None and job.max_wait < job.max_run:
        yield f"job.max_wait: {job.max_wait} is less than job.max_run ({job.max_run})"
