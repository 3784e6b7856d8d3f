"""Inputs in S3 under their own fingerprint: what is there already is never sent again."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nst_lightning.errors import InputError


class Store(Protocol):
    """Where objects go."""

    def exists(self, key: str, size: int) -> bool:
        """Whether the object is there, whole."""

    def put(self, key: str, data: bytes) -> None:
        """Write it."""


@dataclass(frozen=True)
class Upload:
    """A few files that belong together, in a folder of their own.

    Args:
        files: Name and bytes of each.
    """

    files: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, files: Iterable[tuple[str, bytes]]) -> "Upload":
        """Make one of any names and bytes."""
        return cls(tuple(files))

    @classmethod
    def of_file(cls, path: str | Path, role: str) -> "Upload":
        """Read a file, which keeps its name.

        Args:
            path: The file.
            role: What it is, for the error.

        Raises:
            InputError: If it cannot be read.
        """
        try:
            return cls(((Path(path).name, Path(path).read_bytes()),))
        except OSError as error:
            raise InputError(f"{role}: {path} cannot be read: {error.strerror}") from error

    @property
    def folder(self) -> str:
        """Name of the folder: a fingerprint of names and contents."""
        whole = hashlib.sha256()
        for name, data in self.files:
            whole.update(hashlib.sha256(name.encode()).digest())
            whole.update(hashlib.sha256(data).digest())
        return whole.hexdigest()[:32]

    def send(self, store: Store, prefix: str) -> int:
        """Send what is not there; return how many files were sent.

        Args:
            store: Where to.
            prefix: Folder for all uploads.
        """
        sent = 0
        for name, data in self.files:
            key = f"{prefix}/{self.folder}/{name}"
            if not store.exists(key, len(data)):
                store.put(key, data)
                sent += 1
        return sent


def s3_uri(bucket: str, *parts: Any) -> str:
    """Return ``s3://bucket/part/part``."""
    return "/".join(["s3:/", bucket, *(str(part).strip("/") for part in parts)])
