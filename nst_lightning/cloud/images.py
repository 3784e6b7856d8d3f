"""AWS's PyTorch containers: their addresses, what they bring, and until when AWS mends them."""

import contextlib
import importlib
import re
from dataclasses import dataclass
from datetime import date

from nst_lightning.cloud.config import JobConfig
from nst_lightning.errors import InputError, did_you_mean

OLDEST = (2, 8), (3, 11)
"""The oldest PyTorch and Python that run the package."""


@dataclass(frozen=True)
class Image:
    """One PyTorch container.

    Attributes:
        gpu: Repository and tag for instances with a GPU.
        cpu: The same for those without.
        until: The last day on which AWS mends it.
        everywhere: Whether it is in China and GovCloud too.
    """

    gpu: str
    cpu: str
    until: date
    everywhere: bool = True


_NEW, _OLD = "pytorch:{}-amzn2023-sagemaker", "pytorch-training:{}"

IMAGES = {
    "2.14": Image(_NEW.format("2.14.0-cu133"), _NEW.format("2.14.0-cpu"), date(2027, 9, 28), False),
    "2.13": Image(_NEW.format("2.13.0-cu133"), _NEW.format("2.13.0-cpu"), date(2027, 7, 20)),
    "2.12": Image(_NEW.format("2.12.1-cu130"), _NEW.format("2.12.1-cpu"), date(2027, 7, 2)),
    "2.11": Image(_NEW.format("2.11.0-cu130"), _NEW.format("2.11.0-cpu"), date(2027, 4, 30)),
    "2.10": Image(
        _OLD.format("2.10.0-gpu-py313"), _OLD.format("2.10.0-cpu-py313"), date(2027, 1, 21)
    ),
    "2.9": Image(
        _OLD.format("2.9.0-gpu-py312"), _OLD.format("2.9.0-cpu-py312"), date(2026, 10, 15)
    ),
    "2.8": Image(_OLD.format("2.8.0-gpu-py312"), _OLD.format("2.8.0-cpu-py312"), date(2026, 8, 6)),
}
"""By ``job.framework_version``. AWS's list of images, its support policy and the tables of its SDK
(sagemaker-core 2.27) say so; seen on 2026-11-27."""

_ACCOUNTS = {
    "763104351884": "ap-northeast-1 ap-northeast-2 ap-south-1 ap-southeast-1 ap-southeast-2 "
    "ca-central-1 eu-central-1 eu-north-1 eu-west-1 eu-west-2 eu-west-3 sa-east-1 us-east-1 "
    "us-east-2 us-west-1 us-west-2",
    "626614931356": "af-south-1",
    "871362719292": "ap-east-1",
    "975050140332": "ap-east-2",
    "364406365360": "ap-northeast-3",
    "772153158452": "ap-south-2",
    "907027046896": "ap-southeast-3",
    "457447274322": "ap-southeast-4",
    "550225433462": "ap-southeast-5",
    "633930458069": "ap-southeast-6",
    "590183813437": "ap-southeast-7",
    "204538143572": "ca-west-1",
    "727897471807": "cn-north-1 cn-northwest-1",
    "380420809688": "eu-central-2",
    "692866216735": "eu-south-1",
    "503227376785": "eu-south-2",
    "780543022126": "il-central-1",
    "914824155844": "me-central-1",
    "217643126080": "me-south-1",
    "124382933778": "me-west-1",
    "637423239942": "mx-central-1",
    "446045086412": "us-gov-east-1",
    "442386744353": "us-gov-west-1",
}
"""AWS's account -> the regions in which it keeps the containers."""

_NO_GPU = re.compile(r"ml\.(c|m|r|t)\d")


def image_uri(job: JobConfig, region: str) -> str:
    """Return the address of a job's container.

    Args:
        job: Names an image, or PyTorch's version.
        region: Where the job runs.

    Raises:
        InputError: If there is none of that version there, or the package cannot run in it.
    """
    if job.image_uri:
        return job.image_uri
    version = job.framework_version
    image = IMAGES.get(".".join(version.split(".")[:2]))
    if image is None:
        return _of_the_sdk(job, region)
    account = next((key for key, where in _ACCOUNTS.items() if region in where.split()), None)
    abroad = region.startswith(("cn-", "us-gov-"))
    if account is None or (abroad and not image.everywhere):
        newest = next(key for key, other in IMAGES.items() if other.everywhere)
        how = "give job.image_uri" if account is None else f"use {newest}, or give job.image_uri"
        raise InputError(
            f"job.framework_version: no container of PyTorch {version} is known in {region}; {how}"
        )
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    name = image.cpu if _NO_GPU.match(job.instance_type) else image.gpu
    return f"{account}.dkr.ecr.{region}.{domain}/{name}"


def _of_the_sdk(job: JobConfig, region: str) -> str:
    """Return the address that the SageMaker SDK knows, v3 or v2, where one is installed."""
    for module in ("sagemaker.core.image_uris", "sagemaker.image_uris"):
        with contextlib.suppress(ImportError, ValueError, KeyError):
            found: str = importlib.import_module(module).retrieve(
                "pytorch",
                region,
                version=job.framework_version,
                instance_type=job.instance_type,
                image_scope="training",
            )
            return found
    near = did_you_mean(job.framework_version, IMAGES)
    raise InputError(
        f"job.framework_version: no container of PyTorch {job.framework_version} is known{near} "
        f"(there are {', '.join(IMAGES)}); or give job.image_uri"
    )
