"""What can be checked of a launch without asking AWS."""

import importlib.util
import math
import re
from collections.abc import Iterator

from nst_lightning.cloud.config import MOST_PICTURES, ON_DEMAND, AwsConfig, JobConfig, Launch
from nst_lightning.errors import InputError, did_you_mean

AWS_RANGES = {
    "max_run": (1, 28 * 24 * 3600),
    "volume_size": (1, 16384),
    "warm_pool": (0, 3600),
    "retries": (0, 30),
}
"""Least and greatest value of a job's settings, as AWS documents them."""

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_TAG = re.compile(r"[\w\s.:/=+@-]{0,256}")
_VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,511}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def training_instance_types() -> list[str]:
    """Return the instance types that boto3 knows, without asking AWS."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("sagemaker")
    return list(model.shape_for("TrainingInstanceType").enum)


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
            how = "pip install -e '.[tuning]'" if optuna else "pip install -e '.[sagemaker]'"
            if rehearsal:
                how = "uv run --group rehearsal sagemaker/launch.py (or pip's --group rehearsal)"
            raise InputError(f"the package {name} is not installed: {how}")


def check_request(launch: Launch) -> None:
    """Check what can be checked without asking AWS.

    Raises:
        InputError: Naming the key.
    """
    for mistake in (*_account_mistakes(launch.aws, launch.job), *_job_mistakes(launch)):
        raise InputError(mistake)


def _account_mistakes(aws: AwsConfig, job: JobConfig) -> Iterator[str]:
    if not aws.role:
        yield "aws.role: no role is set; give the ARN of the role that the jobs run as"
    elif not _ROLE.fullmatch(aws.role):
        yield (
            f"aws.role: {aws.role} is no role's ARN; it looks like "
            "arn:aws:iam::123456789012:role/NAME"
        )
    if not aws.bucket:
        yield "aws.bucket: no bucket is set; name one for inputs and results"
    elif not _BUCKET.fullmatch(aws.bucket):
        yield (
            f"aws.bucket: {aws.bucket!r} is no name of a bucket: 3 to 63 lower-case letters, "
            "digits, dots and hyphens"
        )
    for key, value in (("output", aws.output), ("checkpoints", aws.checkpoints)):
        if value is not None and not value.startswith("s3://"):
            yield f"aws.{key}: {value} is no s3:// address"
    if bool(aws.subnets) != bool(aws.security_group_ids):
        yield "aws.subnets: a VPC needs subnets and security_group_ids, both"
    if aws.network_isolation and not job.image_uri:
        yield (
            "aws.network_isolation: the container could not install its requirements; give "
            "job.image_uri an image that has them"
        )
    for key in ("prefix", "output", "checkpoints"):
        if "//" in (getattr(aws, key) or "").removeprefix("s3://"):
            yield f"aws.{key}: {getattr(aws, key)} has an empty folder in it (//); leave one / out"
    for key, most in (("tags", 50), ("subnets", 16), ("security_group_ids", 5)):
        if len(getattr(aws, key)) > most:
            yield f"aws.{key}: {len(getattr(aws, key))} are more than the {most} that AWS takes"
    for tag, value in aws.tags.items():
        if tag.lower().startswith("aws:"):
            yield f"aws.tags: {tag}: names that begin with aws: are AWS's own"
        if not (_TAG.fullmatch(tag) and _TAG.fullmatch(value)) or len(tag) > 128 or not tag:
            yield (
                f"aws.tags: {tag}: {value}: AWS takes letters, digits, spaces and _.:/=+-@, 128 in "
                "a name and 256 in a value"
            )
    for name in job.environment:
        if not _VARIABLE.fullmatch(name):
            yield f"job.environment: {name!r} is no name of a variable"


def _job_mistakes(launch: Launch) -> Iterator[str]:
    job, limits = launch.job, launch.limits
    kinds = training_instance_types()
    wanted = [("instance_type", job.instance_type), *(("fallback", one) for one in job.fallback)]
    for key, kind in wanted:
        if kind not in kinds and (key, kind) != ("fallback", ON_DEMAND):
            near = did_you_mean(kind, [*kinds, ON_DEMAND] if key == "fallback" else kinds)
            yield (
                f"job.{key}: there is no {kind} for training{near} (pip install -U boto3 if it is "
                "new)"
            )
    if job.pictures != "auto" and not 1 <= job.pictures <= MOST_PICTURES:
        yield f"job.pictures: {job.pictures} is not from 1 to {MOST_PICTURES}, nor auto"
    if job.spot and job.warm_pool:
        yield "job.warm_pool: AWS keeps no spot instances warm; set job.spot to false"
    for key, (least, most) in AWS_RANGES.items():
        if not least <= (value := getattr(job, key)) <= most:
            yield f"job.{key}: {value} is not from {least} to {most}, as AWS wants it"
    if job.price_per_hour is not None and not 0 <= job.price_per_hour < math.inf:
        yield f"job.price_per_hour: {job.price_per_hour} is no price"
    if job.max_wait is not None and not job.spot:
        yield "job.max_wait: it is for spot instances only; leave it out"
    if job.max_wait is not None and job.max_wait < job.max_run:
        yield f"job.max_wait: {job.max_wait} is less than job.max_run ({job.max_run})"
    if limits.parallel < 1:
        yield f"limits.parallel: {limits.parallel} is too small"
    if limits.calls_per_minute < 1:
        yield f"limits.calls_per_minute: {limits.calls_per_minute} is too small"
    if not limits.poll_seconds > 0:
        yield f"limits.poll_seconds: {limits.poll_seconds} is too small"
