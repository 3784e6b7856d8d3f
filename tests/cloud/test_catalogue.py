"""Containers and instance types: what is refused before it is paid for."""

import contextlib
import re
from datetime import date

import botocore.session
import pytest

from nst_lightning.cloud.catalogue import (
    _of_the_sdk,
    catalogue,
    image_uri,
    instance_mistakes,
    local_disk,
    support_note,
)
from nst_lightning.cloud.config import AwsConfig, JobConfig
from nst_lightning.errors import InputError


@pytest.mark.parametrize(
    ("job", "region", "expected"),
    [
        ({}, "us-west-2", "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch:2.14.0-cu133-"),
        ({"instance_type": "ml.c5.xlarge"}, "eu-south-1", "692866216735.*pytorch:2.14.0-cpu-"),
        ({"framework_version": "2.13"}, "cn-north-1", r"727897471807.*\.amazonaws\.com\.cn/pytor"),
        ({"framework_version": "2.10.0"}, "us-gov-west-1", "442386744353.*-training:2.10.0-gpu-py"),
        ({"image_uri": "me/mine:1"}, "nowhere-9", "me/mine:1"),
    ],
)
def test_the_address_of_a_container(job: dict[str, str], region: str, expected: str) -> None:
    assert re.match(expected, image_uri(JobConfig(**job), region))


@pytest.mark.parametrize(
    ("job", "region", "expected"),
    [
        (
            {"framework_version": "1.13.1"},
            "us-west-2",
            "framework_version: .*1.13.1 is too old.*2.14 has them",
        ),
        ({"framework_version": "2.3.0"}, "us-west-2", "2.3.0 is too old"),
        (
            {"image_uri": "x/pytorch-training:2.3.0-gpu-py311"},
            "us-west-2",
            "image_uri: x/pytorch-training:2.3.0-gpu-py311 is too old",
        ),
        ({"image_uri": "x/pytorch-training:2.9.0-gpu-py310"}, "us-west-2", "too old"),
        ({"framework_version": "9.9"}, "us-west-2", "no container of PyTorch 9.9 is known"),
        ({}, "cn-north-1", "2.14 is known in cn-north-1; use 2.13"),
        ({}, "us-wset-2", "known in us-wset-2; give job.image_uri"),
    ],
)
def test_a_container_that_is_not_there_or_too_old(
    job: dict[str, str], region: str, expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        image_uri(JobConfig(**job), region)


def test_a_container_past_its_date_is_named_with_the_one_to_use() -> None:
    newest = JobConfig()
    assert support_note(newest, date(2026, 11, 27)) is None
    assert support_note(newest, date(2030, 1, 1)) is not None
    old = support_note(JobConfig(framework_version="2.8.0"), date(2026, 11, 27))
    assert old is not None
    assert "since 2026-08-06" in old
    assert f"job.framework_version {newest.framework_version} is mended until" in old
    assert support_note(JobConfig(image_uri="a/b:c"), date(2030, 1, 1)) is None


def test_the_default_is_the_newest_container_and_newest_come_first() -> None:
    dates = [image["until"] for image in catalogue()["containers"].values()]
    assert dates == sorted(dates, reverse=True)
    assert JobConfig().framework_version == next(iter(catalogue()["containers"]))


@pytest.mark.parametrize(
    ("aws", "job", "expected"),
    [
        ({}, {}, None),
        ({"volume_kms_key": "k"}, {}, "aws.volume_kms_key: ml.g5.xlarge has a disk of its own"),
        ({"volume_kms_key": "k"}, {"instance_type": "ml.c5.xlarge"}, None),
        ({"volume_kms_key": "k"}, {"instance_type": "ml.g7e.2xlarge"}, "aws.volume_kms_key"),
        ({}, {"volume_size": 251}, "job.volume_size: ml.g5.xlarge has a disk of 250 GB"),
        ({}, {"volume_size": 2000, "instance_type": "ml.c5.xlarge"}, None),
        ({}, {"volume_size": 9000, "instance_type": "ml.p4d.24xlarge"}, "a disk of 8000 GB"),
        ({}, {"instance_type": "ml.trn1.2xlarge"}, "job.instance_type: .*Trainium"),
        ({}, {"instance_type": "ml.p3.2xlarge"}, "job.instance_type: .*V100"),
        ({}, {"instance_type": "ml.p3.2xlarge", "image_uri": "a/b:c"}, None),
    ],
)
def test_what_an_instance_type_does_not_allow(
    aws: dict[str, str], job: dict[str, object], expected: str | None
) -> None:
    found = list(instance_mistakes(AwsConfig(**aws), JobConfig(**job)))  # type: ignore[arg-type]
    assert len(found) == (expected is not None)
    if expected is not None:
        assert re.search(expected, found[0])


def test_every_instance_type_of_the_catalogue_is_aws_s() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    known = list(model.shape_for("TrainingInstanceType").enum)
    families = {kind.split(".")[1] for kind in known}
    assert set(catalogue()["unfit"]) <= families
    for family, sizes in catalogue()["local_disks"].items():
        assert family in families
        for size in sizes:
            assert f"ml.{family}.{size}" in known
            assert local_disk(f"ml.{family}.{size}") == sizes[size]


def test_what_the_sdk_knows_is_what_the_catalogue_says() -> None:
    compared = 0
    for version in catalogue()["containers"]:
        for region in ("us-west-2", "ap-east-1", "cn-north-1", "us-gov-west-1", "eu-south-2"):
            for full in (version, f"{version}.0"):
                job = JobConfig(framework_version=full)
                with contextlib.suppress(InputError):
                    found = _of_the_sdk(job, region)
                    ours = image_uri(job, region)
                    # The SDK names some by PyTorch's minor version, which is the same image.
                    assert re.sub(r":(\d+\.\d+)\.\d+", r":\1", found) == re.sub(
                        r":(\d+\.\d+)\.\d+", r":\1", ours
                    )
                    compared += 1
    if not compared:
        pytest.skip("no SDK is here")
