"""Folders <-> S3, as SageMaker's agent copies them around a container."""

import io
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import urlparse


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``."""
    parts = urlparse(uri)
    return parts.netloc, parts.path.lstrip("/")


def download(s3: Any, uri: str, folder: Path) -> int:
    """Copy every object below a prefix into a folder; return how many there were."""
    bucket, prefix = split_uri(uri)
    count = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            name = item["Key"][len(prefix) :].lstrip("/") or Path(item["Key"]).name
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, item["Key"], str(path))
            count += 1
    return count


class FolderSync:
    """Copies what is new in a folder to S3, as the agent does with checkpoints.

    Args:
        s3: A boto3 client.
        folder: What is watched.
        uri: Where it goes; nowhere if None.
    """

    def __init__(self, s3: Any, folder: Path, uri: str | None) -> None:
        self._s3, self._folder = s3, folder
        self._bucket, self._prefix = split_uri(uri or "")
        self._sent: dict[Path, tuple[int, int]] = {}

    def __call__(self) -> None:
        """Copy once."""
        for path in sorted(self._folder.rglob("*")) if self._bucket else ():
            try:
                stat = path.stat()
                mark = (stat.st_mtime_ns, stat.st_size)
                if not path.is_file() or self._sent.get(path) == mark:
                    continue
                data = path.read_bytes()
            except FileNotFoundError:
                continue  # a temporary file that has its final name by now
            key = f"{self._prefix.rstrip('/')}/{path.relative_to(self._folder).as_posix()}"
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=data)
            self._sent[path] = mark


def upload_tar(s3: Any, folder: Path, uri: str) -> None:
    """Pack a folder as ``.tar.gz`` and put it into S3."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    bucket, key = split_uri(uri)
    s3.put_object(Bucket=bucket, Key=key, Body=buffer.getvalue())
