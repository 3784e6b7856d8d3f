"""Jobs that end as a script says, for the tests of the launcher."""

import io
import json
import tarfile
from typing import Any

import numpy as np
from PIL import Image

from nst_lightning.cloud.rehearsal.service import TrainingService

Files = dict[str, bytes]


def picture(seed: int, side: int = 20) -> bytes:
    """Return a small PNG of its own for every seed."""
    levels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "png")
    return buffer.getvalue()


def archive(files: Files) -> bytes:
    """Return a model.tar.gz of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def result(seed: int) -> Files:
    """Return what a job leaves in its model folder."""
    config = b"data: {content: /opt/ml/c.png, style: /opt/ml/s.png, size: 20}\ntrainer: {}\n"
    return {
        "stylized.png": picture(seed),
        "config.yaml": config,
        "metrics.csv": b"step,loss\n0,1.0\n",
        "metrics.json": b"{}",
    }


def tasks_of(service: TrainingService, name: str) -> list[dict[str, Any]]:
    """Return what a job was told of each picture that it paints."""
    given = service.describe_training_job({"TrainingJobName": name})["HyperParameters"]
    return [json.loads(given[key]) for key in sorted(given) if key.startswith("painting_")]


def leave(service: TrainingService, name: str, file: str, data: bytes) -> None:
    """Put a file of a job among its finished ones, where SageMaker copies those of a container."""
    job = service.describe_training_job({"TrainingJobName": name})
    put(f"{job['CheckpointConfig']['S3Uri']}/finished/{file}", data)


def finish(service: TrainingService, name: str, task: dict[str, Any], files: Files) -> None:
    """Let a job finish one of its pictures."""
    leave(service, name, f"{task['id']}.tar.gz", archive(files))


def put(uri: str, data: bytes, s3: Any = None) -> None:
    """Write an object, by a client of boto3's if there is one."""
    import boto3

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    (s3 or boto3.client("s3")).put_object(Bucket=bucket, Key=key, Body=data)


def complete(service: TrainingService, name: str, files: Files) -> None:
    """End a job well, with these results of every picture in S3."""
    job = service.describe_training_job({"TrainingJobName": name})
    uri = f"{job['OutputDataConfig']['S3OutputPath']}/{name}/output/model.tar.gz"
    put(uri, archive(files))
    for task in tasks_of(service, name) if "CheckpointConfig" in job else ():
        finish(service, name, task, files)
    artifacts = {"ModelArtifacts": {"S3ModelArtifacts": uri}, "BillableTimeInSeconds": 3}
    service.move(name, "Completed", "Completed", **artifacts)
