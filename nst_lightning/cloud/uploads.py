"""Inputs for S3 under their own fingerprint: what is there already is never sent again."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nst_lightning.data.sources import is_url, open_source, public_name
from nst_lightning.errors import InputError


@dataclass(frozen=True)
class Upload:
    """A few files that belong together, in a folder of their own.

    Attributes:
        files: Name and bytes of each.
    """

    files: tuple[tuple[str, bytes], ...]

    @property
    def folder(self) -> str:
        """Name of the folder: a fingerprint of names and contents."""
        whole = hashlib.sha256()
        for name, data in self.files:
            whole.update(hashlib.sha256(name.encode()).digest())
            whole.update(hashlib.sha256(data).digest())
        return whole.hexdigest()[:32]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(len(data) for _, data in self.files)


def read_file(
    source: str, role: str, from_s3: Callable[[str], bytes | None] | None
) -> tuple[str, bytes]:
    """Return the name and the bytes of a file, wherever it is.

    So a job needs neither the web nor leave to read another bucket, and its key is one file, where
    a job's input would be all that begins with it.

    Args:
        source: A path, an address, or ``sample:NAME``.
        role: What it is, for the error.
        from_s3: Reads an object with the launch's credentials, and returns None if there is none.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        if from_s3 is not None and source.startswith("s3://"):
            data = from_s3(source)
            if data is None:
                raise InputError(f"no such file: {source}")
        else:
            data, _ = open_source(source)
    except InputError as error:
        raise InputError(f"{role}: {error}") from error
    path = public_name(source) if is_url(source) else source
    return Path(path).name or "file", data


def check_picture(data: bytes, name: str, role: str) -> None:
    """Refuse what no run could paint; a mistake is found here, not on a billed instance.

    Args:
        data: A picture's file.
        name: Its source.
        role: What it is, for the error.

    Raises:
        InputError: If it is no picture, damaged, too small or wholly transparent.
    """
    from nst_lightning.data.decoding import decode, open_header, pillow_as_shipped
    from nst_lightning.data.sides import check_sides, wholly_transparent

    name = public_name(name)
    try:
        with pillow_as_shipped():
            picture = open_header(data, name)
            check_sides(name, *picture.size)
            _, notes = decode(picture, name)
            seen = picture.convert("RGBA") if picture.has_transparency_data else None
            if seen is not None and not seen.getchannel("A").getbbox():
                raise wholly_transparent(name, notes)
    except InputError as error:
        raise InputError(f"{role}: {error}") from error
