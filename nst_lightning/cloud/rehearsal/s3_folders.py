"""Folders <-> S3, as SageMaker's agent copies them around a container."""

import shutil
from pathlib import Path
from typing import Any

from nst_lightning.cloud.config import split_uri


def download(s3: Any, uri: str, folder: Path) -> int:
    """Copy every object below a prefix into a folder; return how many there were."""
    bucket, prefix = split_uri(uri)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    for key in keys:
        path = folder / (key[len(prefix) :].lstrip("/") or Path(key).name)
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(path))
    return len(keys)


def copy_new(s3: Any, folder: Path, uri: str, sent: dict[Path, int]) -> None:
    """Copy what is new in a folder to S3, as the agent does with checkpoints.

    Args:
        s3: A boto3 client.
        folder: Where files appear.
        uri: Where they go.
        sent: When what was copied before was changed last, in nanoseconds.
    """
    bucket, prefix = split_uri(uri)
    for path in sorted(folder.rglob("*")):
        try:
            changed = path.stat().st_mtime_ns
            if not path.is_file() or sent.get(path) == changed:
                continue
            data = path.read_bytes()
        except FileNotFoundError:
            continue  # a temporary file that has its final name by now
        key = f"{prefix.rstrip('/')}/{path.relative_to(folder).as_posix()}"
        s3.put_object(Bucket=bucket, Key=key, Body=data)
        sent[path] = changed


def upload_tar(s3: Any, folder: Path, uri: str) -> None:
    """Pack a folder as ``.tar.gz`` and put it into S3."""
    s3.upload_file(shutil.make_archive(str(folder), "gztar", folder), *split_uri(uri))
