"""Jobs that end as a script says, for the tests of the launcher."""

import io
import tarfile

import numpy as np
from PIL import Image

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
