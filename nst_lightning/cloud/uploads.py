"""Inputs for S3 under their own fingerprint: what is there already is never sent again."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from nst_lightning.errors import InputError


@dataclass(frozen=True)
class Upload:
    """A few files that belong together, in a folder of their own.

    Attributes:
        files: Name and bytes of each.
    """

    files: tuple[tuple[str, bytes], ...]

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
