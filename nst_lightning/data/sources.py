"""Where a picture comes from: a path, a URL, a sample, or a data set of paintings."""

import difflib
import hashlib
import os
import pkgutil
import re
import stat
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from nst_lightning.data.samples import SAMPLES, sample_bytes
from nst_lightning.errors import InputError, did_you_mean

SAMPLE_PREFIX, ARTWORKS_PREFIX = "sample:", "artworks:"
# Named, not imported: this folder knows no wing.
_FIND_ARTWORKS = "nst_lightning.artworks.collection:find_files"
MAXIMUM_BYTES = 2**31
"""A file larger than this is not read."""

# Two letters at least, so that C:// stays a Windows path.
_URL = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.\-]+(://|::)")
# The extra of this project, or else the package, that fsspec needs for a protocol.
_BACKENDS = {
    "s3": "pip install 'nst-lightning[sagemaker]' (or s3fs)",
    "s3a": "pip install 'nst-lightning[sagemaker]' (or s3fs)",
    "http": "pip install aiohttp",
    "https": "pip install aiohttp",
    "gs": "pip install gcsfs",
    "gcs": "pip install gcsfs",
    "az": "pip install adlfs",
    "abfs": "pip install adlfs",
    "hf": "pip install huggingface_hub",
    "sftp": "pip install paramiko",
    "ssh": "pip install paramiko",
}


def is_url(source: str) -> bool:
    """Return whether a source is a URL (``s3://...``), neither a path nor a sample."""
    return bool(_URL.match(source))


def public_name(source: str) -> str:
    """Return a source without the secrets that a URL may carry (user, password, signed query)."""
    if not is_url(source):
        return source
    return re.sub(r"[?#].*$", "", re.sub(r"://[^/@]*@", "://", source))


def is_artwork(source: object) -> bool:
    """Return whether a source names paintings of the data set (``artworks:ARTIST?n=5``)."""
    return isinstance(source, str) and source.startswith(ARTWORKS_PREFIX)


def resolve(source: Any, artworks: str | os.PathLike[str] | None = None) -> list[Any]:
    """Return the files that an ``artworks:...`` names; any other source, alone in a list.

    Raises:
        InputError: If a query is not valid or finds too little.
    """
    if not is_artwork(source):
        return [source]
    found: list[Any] = pkgutil.resolve_name(_FIND_ARTWORKS)(source, artworks)
    return found


def resolve_one(source: Any, artworks: str | os.PathLike[str] | None = None) -> Any:
    """Return the one file that an ``artworks:...`` names; any other source as it is."""
    found = resolve(source, artworks)
    if len(found) != 1:
        raise InputError(f"{source} names {len(found)} paintings, but one is wanted; use n=1")
    return found[0]


def open_source(source: str | os.PathLike[str]) -> tuple[bytes, str]:
    """Return the bytes of a picture's file, and the name to call it by, free of secrets.

    Args:
        source: A local path (``~`` is expanded), a URL of any fsspec file system (``s3://``,
            ``https://``, ...), ``sample:NAME``, or ``artworks:ARTIST/NUMBER`` (see ``artworks``).

    Raises:
        InputError: If there is no such file, sample, protocol or access.
    """
    text = os.fspath(source)
    if text.startswith(SAMPLE_PREFIX):
        name = text.removeprefix(SAMPLE_PREFIX)
        if name not in SAMPLES:
            known = [SAMPLE_PREFIX + sample for sample in sorted(SAMPLES)]
            raise InputError(
                f"unknown sample {text}{did_you_mean(text, known)} (there are {', '.join(known)})"
            )
        return sample_bytes(name), text
    if is_url(text) and not text.startswith("file://"):
        return _remote(text), public_name(text)
    return _local(resolve_one(text.removeprefix("file://"))), text


def _local(source: str) -> bytes:
    if not source.strip():
        raise InputError("the name of a picture is empty; give a path, a URL or sample:NAME")
    try:
        path = Path(source).expanduser()
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{source} is a folder, not a picture; name a file in it")
        if not stat.S_ISREG(mode):
            raise InputError(f"{source} is a device or pipe, not a picture file")
        # Whole, not opened by name: Pillow 13.0 maps an uncompressed TIFF file into memory and then
        # garbles it if its EXIF orientation is a quarter turn.
        with path.open("rb") as handle:
            return _limited(handle, source)
    except InputError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"no such file: {source}{_nearest(Path(source).expanduser())}") from error
    except PermissionError as error:
        raise InputError(f"{source}: permission denied; check who may read it") from error
    except (OSError, ValueError, RuntimeError) as error:
        # A name too long or with a NUL in it; a ~user that does not exist.
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{source!r} cannot be opened: {reason}") from error


def _limited(handle: BinaryIO, name: str) -> bytes:
    data = handle.read(MAXIMUM_BYTES + 1)
    if len(data) > MAXIMUM_BYTES:
        raise InputError(f"{name} is larger than {MAXIMUM_BYTES // 2**20} MiB; use a smaller file")
    return data


def _nearest(missing: Path) -> str:
    """Suggest a sample or a file of the same folder, or say which folder is missing."""
    bare = missing.name == str(missing)
    if bare and missing.name in SAMPLES:
        return f"; did you mean {SAMPLE_PREFIX}{missing.name}?"
    if not missing.parent.is_dir():
        return f" (there is no folder {missing.parent})"
    try:
        # A folder of a million files must not make a typing mistake slow.
        names = [entry.name for entry in islice(os.scandir(missing.parent), 5000)]
    except OSError:
        return ""
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(missing.name.casefold(), folded, n=1)
    return f"; did you mean {missing.with_name(folded[close[0]])}?" if close else ""


def _remote(source: str) -> bytes:
    import fsspec

    name = public_name(source)
    protocol = source.split("://", 1)[0].split("::", 1)[0]
    try:
        with fsspec.open(source, "rb") as handle:
            return _limited(handle, name)
    except InputError:
        raise
    except ImportError as error:
        how = _BACKENDS.get(protocol, f"({error})")
        raise InputError(f"{name}: reading {protocol}:// needs one more package: {how}") from error
    except FileNotFoundError as error:
        raise InputError(_missing(error, name)) from error
    except PermissionError as error:
        raise InputError(f"{name}: permission denied; check your credentials") from error
    # Each backend has exceptions of its own (aiohttp, botocore, ...) that share no base class.
    except Exception as error:
        if isinstance(error, ValueError) and "protocol" in str(error).lower():
            hint = did_you_mean(protocol, _BACKENDS)
            raise InputError(f"{name}: unknown protocol {protocol}://{hint}") from error
        raise InputError(f"{name} cannot be read: {_reason(error, source)}") from error


def _missing(error: BaseException, name: str) -> str:
    """Say what fsspec calls a missing file: it calls an unreachable host so too."""
    root = error
    while (inner := root.__cause__ or root.__context__) is not None and not hasattr(root, "status"):
        root = inner
    status = getattr(root, "status", None)
    if status in (401, 403):
        return f"{name}: permission denied (the server answers {status}); check the address"
    if status not in (None, 404, 410):
        return f"{name} cannot be read: the server answers with error {status}"
    if status is None and isinstance(root, OSError) and not isinstance(root, FileNotFoundError):
        return f"{name} cannot be reached ({root.strerror or root}); check the network"
    return f"no such file: {name}"


def _reason(error: Exception, source: str) -> str:
    """Return a backend's message on one line, without the secrets of a URL."""
    text = str(error).replace(source, public_name(source))
    text = re.sub(r"\?[^\s'\"]*", "", re.sub(r"://[^/@\s]*@", "://", text))
    kind = type(error).__name__
    return f"{kind}: {text}" if text.strip() else f"{kind}; check the network and try again"


def source_digest(source: str) -> str:
    """Return the SHA-256 of a picture's file; raises like `open_source`."""
    return hashlib.sha256(open_source(source)[0]).hexdigest()
