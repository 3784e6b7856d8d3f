"""A stand-in for AWS on the loopback, and jobs that end as a script says."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nst_lightning.cloud.rehearsal.loopback import loopback_only
from nst_lightning.cloud.rehearsal.server import BUCKET, ROLE, FakeAws, pointed_at
from nst_lightning.cloud.rehearsal.service import TrainingService


def picture(seed: int, side: int = 20) -> bytes:
    """Return a small PNG of its own for every seed."""
    levels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "png")
    return buffer.getvalue()


def archive(files: dict[str, bytes]) -> bytes:
    """Return a model.tar.gz of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def result(seed: int) -> dict[str, bytes]:
    """Return what a job leaves in its model folder."""
    config = b"data: {content: /opt/ml/c.png, style: /opt/ml/s.png, size: 20}\ntrainer: {}\n"
    return {
        "stylized.png": picture(seed),
        "config.yaml": config,
        "metrics.csv": b"step,loss\n0,1.0\n",
        "metrics.json": b"{}",
    }


def complete(service: TrainingService, name: str, files: dict[str, bytes]) -> None:
    """End a job well, with these results in S3."""
    import boto3

    output = service.describe_training_job({"TrainingJobName": name})["OutputDataConfig"]
    uri = f"{output['S3OutputPath']}/{name}/output/model.tar.gz"
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=archive(files))
    artifacts = {"ModelArtifacts": {"S3ModelArtifacts": uri}, "BillableTimeInSeconds": 3}
    service.move(name, "Completed", "done", "Completed", **artifacts)


@pytest.fixture
def service() -> TrainingService:
    return TrainingService()


@pytest.fixture
def aws(service: TrainingService) -> Iterator[FakeAws]:
    """AWS for this process, with a bucket and a role, and nothing beyond the loopback."""
    import boto3

    server = FakeAws(service)
    server.start()
    with loopback_only(), pointed_at(server):
        boto3.setup_default_session()
        bucket = boto3.resource("s3").Bucket(BUCKET)
        if bucket.creation_date:
            bucket.objects.delete()  # moto keeps one state a process
        server.prepare()
        yield server
    server.stop()


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a launch's YAML, with changes by dotted name."""

    def write(**changes: Any) -> Path:
        launch: dict[str, Any] = {
            "name": "test",
            "contents": ["sample:cat"],
            "styles": ["sample:klimt"],
            "settings": {"data.size": 48},
            "out": str(tmp_path / "out"),
            "aws": {"region": "us-west-2", "role": ROLE, "bucket": BUCKET},
            "job": {"instance_type": "ml.g5.xlarge"},
            "limits": {"parallel": 8, "calls_per_minute": 6000, "poll_seconds": 0.2},
        }
        for key, value in changes.items():
            section, _, name = key.partition("__")
            if name:
                launch[section] = {**launch[section], name: value}
            else:
                launch[section] = value
        path = tmp_path / "launch.yaml"
        path.write_text(json.dumps(launch), encoding="utf-8")
        return path

    return write
