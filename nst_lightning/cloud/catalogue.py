"""What is known of AWS's containers and instance types, from ``catalogue.yaml``."""

import importlib
import itertools
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from nst_lightning.cloud.config import AwsConfig, JobConfig
from nst_lightning.cloud.sdk import silent
from nst_lightning.errors import InputError, did_you_mean

OLDEST = (2, 8), (3, 11)
"""The oldest PyTorch and Python that run the package."""


@cache
def catalogue() -> dict[str, Any]:
    """Return the whole file."""
    whole = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(whole))


def image_uri(job: JobConfig, region: str) -> str:
    """Return the address of a job's container.

    Args:
        job: Names an image, or PyTorch's version.
        region: Where the job runs.

    Raises:
        InputError: If there is none of that version there, or the package cannot run in it.
    """
    version = job.framework_version
    if job.image_uri:
        _check_age("job.image_uri", job.image_uri)
        return job.image_uri
    _check_age("job.framework_version", f"pytorch:{version}")
    image, known = _image(job), catalogue()
    account = next((key for key, where in known["accounts"].items() if region in where), None)
    china = region.startswith("cn-")
    if image is None:
        return _of_the_sdk(job, region)
    if account is None or ((china or region.startswith("us-gov-")) and not image["abroad"]):
        newest = next(key for key, other in known["containers"].items() if other["abroad"])
        how = "give job.image_uri" if account is None else f"use {newest}, or give job.image_uri"
        raise InputError(
            f"job.framework_version: no container of PyTorch {version} is known in {region}; {how}"
        )
    name = image["gpu" if job.instance_type.startswith(("ml.g", "ml.p")) else "cpu"]
    return f"{account}.dkr.ecr.{region}.amazonaws.com{'.cn' if china else ''}/{name}"


def _image(job: JobConfig) -> Any:
    return catalogue()["containers"].get(".".join(job.framework_version.split(".")[:2]))


def _of_the_sdk(job: JobConfig, region: str) -> str:
    """Return the address that SageMaker's SDK knows, v3 or v2, where one is installed."""
    version, known = job.framework_version, catalogue()["containers"]
    modules = ("sagemaker.core.image_uris", "sagemaker.image_uris")
    for module, name in itertools.product(modules, ("pytorch-amzn2023", "pytorch")):
        with silent(), suppress(ImportError, ValueError, KeyError, OSError):
            found: str = importlib.import_module(module).retrieve(
                name,
                region,
                version=version,
                instance_type=job.instance_type,
                image_scope="training",
            )
            return found
    raise InputError(
        f"job.framework_version: no container of PyTorch {version} is known"
        f"{did_you_mean(version, known)} (there are {', '.join(known)}); or give job.image_uri"
    )


def _check_age(key: str, uri: str) -> None:
    """Refuse an image whose name says that PyTorch or Python is too old."""
    for found in re.findall(r"pytorch[\w-]*:(\d+)\.(\d+)(?:\S*-py(\d)(\d+))?", uri):
        numbers = [int(number) for number in found if number]
        if tuple(numbers[:2]) < OLDEST[0] or (numbers[2:] and tuple(numbers[2:]) < OLDEST[1]):
            raise InputError(
                f"{key}: {uri} is too old: the package needs PyTorch 2.8 and Python 3.11 at least; "
                f"AWS's container for job.framework_version {next(iter(catalogue()['containers']))}"
                " has them"
            )


def support_note(job: JobConfig, today: date) -> str | None:
    """Return a line about a container that AWS mends no more, if that is so.

    Args:
        job: Names PyTorch's version.
        today: The day.
    """
    image = _image(job)
    if job.image_uri or image is None or today <= image["until"]:
        return None
    newest, best = next(iter(catalogue()["containers"].items()))
    return (
        f"note: AWS has not mended the container of PyTorch {job.framework_version} since "
        f"{image['until']}; job.framework_version {newest} is mended until {best['until']}"
    )


def local_disk(kind: str) -> int | None:
    """Return the GB of an instance type's own disk: None if it has none, 0 if that is not known."""
    _, family, size = kind.split(".")
    disks = catalogue()["local_disks"].get(family)
    return None if disks is None else disks.get(size, 0)


def unfit(kind: str) -> str | None:
    """Return what of an instance type AWS's containers do not run on; None if there is nothing."""
    reason: str | None = catalogue()["unfit"].get(kind.split(".")[1])
    return reason


def instance_mistakes(aws: AwsConfig, job: JobConfig) -> Iterator[str]:
    """Yield one line for everything that the instance type does not allow.

    Args:
        aws: May ask for a key for the disk.
        job: Of an instance type that AWS knows.
    """
    kind = job.instance_type
    disk, why = local_disk(kind), unfit(kind)
    if aws.volume_kms_key and disk is not None:
        yield (
            f"aws.volume_kms_key: {kind} has a disk of its own, which AWS encrypts by itself and "
            "takes no key for; leave the key out"
        )
    if disk and job.volume_size > disk:
        yield (
            f"job.volume_size: {kind} has a disk of {disk} GB and gets no other; choose a larger "
            "type or a smaller size"
        )
    if why and not job.image_uri:
        yield f"job.instance_type: {kind} has {why}; choose another, or give job.image_uri"
