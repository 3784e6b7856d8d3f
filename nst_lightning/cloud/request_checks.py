"""What can be checked of a launch without asking AWS."""

import importlib.util
import math
import re
from collections.abc import Callable

from nst_lightning.cloud.config import Launch
from nst_lightning.errors import InputError, did_you_mean

_LIMITS = {
    **{"max_run": (1, 28 * 24 * 3600), "volume_size": (1, 16384)},
    **{"warm_pool": (0, 3600), "retries": (0, 30)},
}
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def training_instance_types() -> list[str]:
    """Return the instance types that boto3 knows, without asking AWS."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("sagemaker")
    return list(model.shape_for("TrainingInstanceType").enum)


def need_packages(sdk: bool, rehearsal: bool, optuna: bool) -> None:
    """Make sure that the packages for what was asked for are installed.

    Args:
        sdk: The SageMaker SDK and boto3.
        rehearsal: moto and AWS's training toolkit.
        optuna: The search on this machine.

    Raises:
        InputError: Naming the first that is missing, and how to get it.
    """
    # The folder sagemaker/ of a clone alone looks like an empty package of that name.
    wanted = {"sagemaker": sdk, "boto3": sdk, "moto": rehearsal, "flask": rehearsal}
    wanted |= {"sagemaker_training": rehearsal, "sagemaker_pytorch_container": rehearsal}
    wanted |= {"optuna": optuna}
    for name, needed in wanted.items():
        if needed and not _installed(name):
            how = "pip install -e '.[tuning]'" if optuna else "pip install -e '.[sagemaker]'"
            if rehearsal:
                how = "uv run --group rehearsal sagemaker/launch.py (or pip's --group rehearsal)"
            raise InputError(f"the package {name} is not installed: {how}")


def _installed(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None


_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")


def check_request(launch: Launch) -> None:
    """Check what can be checked without asking AWS.

    Raises:
        InputError: Naming the key.
    """
    aws, job = launch.aws, launch.job
    _need(aws.role, "aws.role: no role is set; give the ARN of the role that the jobs run as")
    if not _ARN.fullmatch(str(aws.role)):
        raise InputError(
            f"aws.role: {aws.role} is no role's ARN; it looks like "
            "arn:aws:iam::123456789012:role/NAME"
        )
    _need(aws.bucket, "aws.bucket: no bucket is set; name one for inputs and results")
    kinds = training_instance_types()
    if job.instance_type not in kinds:
        near = did_you_mean(job.instance_type, kinds)
        raise InputError(
            f"job.instance_type: there is no {job.instance_type} for training{near or ''} "
            "(pip install -U boto3 if it is new)"
        )
    for key, value in (("output", aws.output), ("checkpoints", aws.checkpoints)):
        if value is not None and not value.startswith("s3://"):
            raise InputError(f"aws.{key}: {value} is no s3:// address")
    if bool(aws.subnets) != bool(aws.security_group_ids):
        raise InputError("aws.subnets: a VPC needs subnets and security_group_ids, both")
    if aws.network_isolation and not job.image_uri:
        raise InputError(
            "aws.network_isolation: the container could not install its requirements; give "
            "job.image_uri an image that has them"
        )
    if job.spot and job.warm_pool:
        raise InputError("job.warm_pool: AWS keeps no spot instances warm; set job.spot to false")
    for key, (least, most) in _LIMITS.items():
        if not least <= (value := getattr(job, key)) <= most:
            raise InputError(f"job.{key}: {value} is not from {least} to {most}, as AWS wants it")
    if job.price_per_hour is not None and not 0 <= job.price_per_hour < math.inf:
        raise InputError(f"job.price_per_hour: {job.price_per_hour} is no price")
    for tag in aws.tags:
        if tag.lower().startswith("aws:"):
            raise InputError(f"aws.tags: {tag}: names that begin with aws: are AWS's own")
    if aws.bucket and not _BUCKET.fullmatch(aws.bucket):
        raise InputError(
            f"aws.bucket: {aws.bucket!r} is no name of a bucket: 3 to 63 lower-case letters, "
            "digits, dots and hyphens"
        )
    if job.max_wait is not None and not job.spot:
        raise InputError("job.max_wait: it is for spot instances only; leave it out")
    if job.max_wait is not None and job.max_wait < job.max_run:
        raise InputError(f"job.max_wait: {job.max_wait} is less than job.max_run ({job.max_run})")
    limits: list[tuple[str, float, Callable[[float], bool]]] = [
        ("parallel", launch.limits.parallel, lambda v: v >= 1),
        ("calls_per_minute", launch.limits.calls_per_minute, lambda v: v >= 1),
        ("poll_seconds", launch.limits.poll_seconds, lambda v: v > 0),
    ]
    for name, given, good in limits:
        if not good(given):
            raise InputError(f"limits.{name}: {given} is too small")


def _need(value: str | None, message: str) -> None:
    if not value:
        raise InputError(message)
