"""Where a picture comes from: a path, a URL, a sample, or a data set of paintings."""

import base64
import difflib
import hashlib
import http.client
import ipaddress
import math
import os
import pkgutil
import re
import socket
import stat
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.request import url2pathname

from nst_lightning.data.samples import SAMPLES, sample_bytes
from nst_lightning.errors import InputError, did_you_mean, too_large
from nst_lightning.files import expanded

SAMPLE_PREFIX, ARTWORKS_PREFIX = "sample:", "artworks:"
# Named, not imported: this folder knows no wing.
_FIND_ARTWORKS = "nst_lightning.artworks.collection:find_files"
MAXIMUM_BYTES = 2**31
"""A file larger than this is not read."""
MAXIMUM_SECONDS = 300
"""A web server has so long for one picture."""
_SILENCE = 30
"""Seconds that it may say nothing."""
_LATE = f"no answer in time, {_SILENCE} s for a piece and {MAXIMUM_SECONDS} for all"
ALLOW_INNER = "NST_ALLOW_LINK_LOCAL"
"""Environment variable that, set to 1, lets link-local addresses be read."""
# Of Amazon in IPv6, and of Alibaba; the others' are link-local.
_METADATA = ("fd00:ec2::254", "100.100.100.200")

_Read = Callable[[int], bytes]
# Two letters at least, so that C:// stays a Windows path.
_URL = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.\-]+(://|::)|(?i:file):/)")
# Of an address, or of each link of a chain such as simplecache::https://...
_SCHEME = re.compile(r"(?:^|(?<=::))[a-zA-Z][a-zA-Z0-9+.\-]+(?=:)")
# The extra of this project, or else the package, that fsspec needs for a protocol.
_BACKENDS = {
    "s3": "pip install 'nst-lightning[sagemaker]' (or s3fs)",
    "s3a": "pip install 'nst-lightning[sagemaker]' (or s3fs)",
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
    if is_url(text):
        text = _SCHEME.sub(lambda scheme: scheme[0].lower(), text)
        if not text.startswith("file:"):
            return _remote(text), public_name(text)
        parts = urllib.parse.urlsplit(text)
        if parts.netloc not in ("", "localhost"):
            raise InputError(f"{text}: file://{parts.netloc} is another machine; write file:///...")
        return _local(url2pathname(parts.path)), text
    return _local(resolve_one(text)), text


def _local(source: str) -> bytes:
    if not source.strip():
        raise InputError("the name of a picture is empty; give a path, a URL or sample:NAME")
    try:
        path = expanded(source)
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{source} is a folder, not a picture; name a file in it")
        if not stat.S_ISREG(mode):
            raise InputError(f"{source} is a device or pipe, not a picture file")
        # Whole, not opened by name: Pillow 13.0 maps an uncompressed TIFF file into memory and then
        # garbles it if its EXIF orientation is a quarter turn.
        with path.open("rb") as handle:
            return _limited(handle.read, source)
    except InputError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"no such file: {source}{_nearest(expanded(source))}") from error
    except PermissionError as error:
        raise InputError(f"{source}: permission denied; check who may read it") from error
    except (OSError, ValueError, RuntimeError) as error:
        # A name too long or with a NUL in it; a ~user that does not exist.
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{source!r} cannot be opened: {reason}") from error


def _limited(read: Callable[[int], bytes], name: str, ends: float = math.inf) -> bytes:
    # Piece by piece: reading so many bytes at most asks for memory for all of them.
    data = bytearray()
    while part := read(2**20):
        data += part
        if len(data) > MAXIMUM_BYTES:
            raise too_large(name, MAXIMUM_BYTES)
        if time.monotonic() > ends:
            raise TimeoutError
    return bytes(data)


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
    folded = {Path(name).stem.casefold(): name for name in sorted(names)}
    close = difflib.get_close_matches(missing.stem.casefold(), folded, n=1)
    return f"; did you mean {missing.with_name(folded[close[0]])}?" if close else ""


def _remote(source: str) -> bytes:
    name = public_name(source)
    links = source.split("::")
    protocol = next((link for link in reversed(links) if "://" in link), source).split(":")[0]
    if source.startswith(("http://", "https://")):
        return _from_web(source, name)
    for link in links:
        if link.startswith("http"):
            _refuse_inner(link)
    import fsspec

    def fetch(read: Callable[[_Read], bytes]) -> bytes:
        with fsspec.open(source, "rb") as handle:
            return read(handle.read)

    try:
        return _in_time(fetch, name)
    except InputError:
        raise
    except TimeoutError as error:
        raise InputError(f"{name} cannot be reached ({_LATE}); check the network") from error
    except ImportError as error:
        how = _BACKENDS.get(protocol, f"({error})")
        raise InputError(f"{name}: reading {protocol}:// needs one more package: {how}") from error
    except FileNotFoundError as error:
        raise InputError(f"no such file: {name}") from error
    except PermissionError as error:
        raise InputError(f"{name}: permission denied; check your credentials") from error
    # Each backend has exceptions of its own (aiohttp, botocore, ...) that share no base class.
    except Exception as error:
        if isinstance(error, ValueError) and "protocol" in str(error).lower():
            unknown = str(error).split()[-1] if "known: " in str(error) else protocol
            hint = did_you_mean(unknown, ["http", "https", *_BACKENDS])
            raise InputError(f"{name}: unknown protocol {unknown}://{hint}") from error
        raise InputError(f"{name} cannot be read: {_reason(error, source)}") from error


def _in_time(fetch: Callable[[Callable[[_Read], bytes]], bytes], name: str) -> bytes:
    """Return what a backend fetches in a thread, which is left alone if it falls silent."""
    pieces: list[int] = []
    ended: list[bytes | Exception] = []

    def limited(read: _Read) -> bytes:
        def counted(size: int) -> bytes:
            pieces.append(size)
            return read(size)

        return _limited(counted, name, time.monotonic() + MAXIMUM_SECONDS)

    def work() -> None:
        try:
            ended.append(fetch(limited))
        except Exception as error:
            ended.append(error)

    worker, before = threading.Thread(target=work, daemon=True), -1
    worker.start()
    while worker.is_alive():
        worker.join(_SILENCE)
        if worker.is_alive() and len(pieces) == before:
            raise TimeoutError
        before = len(pieces)
    if isinstance(ended[0], Exception):
        raise ended[0]
    return ended[0]


def _from_web(address: str, name: str) -> bytes:
    """Return what a web server answers, within limits of size and time."""
    _refuse_inner(address)
    opener = urllib.request.build_opener(_Redirects)
    parts_of = urllib.parse.urlsplit(address)
    user, at, host = parts_of.netloc.rpartition("@")
    # Spaces and letters of other alphabets as servers want them; what is quoted stays.
    bare = urllib.parse.quote(parts_of._replace(netloc=host).geturl(), safe="%/:=&?~+!$,;'@()*[]")
    request = urllib.request.Request(bare, headers={"User-Agent": "nst_lightning"})
    if at:
        word = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {word}")
    try:
        with opener.open(request, timeout=_SILENCE) as answer:
            return _limited(answer.read1, name, time.monotonic() + MAXIMUM_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        why = f"cannot be read: the server answers with error {error.code}"
        if error.code in (401, 403):
            why = f"permission denied (the server answers {error.code}); check the address"
        elif error.code in (404, 410):
            raise InputError(f"no such file: {name}") from error
        elif "infinite loop" in str(error):
            why = "cannot be read: the server sends us round in a circle; check the address"
        raise InputError(f"{name}: {why}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        late = isinstance(reason, TimeoutError)
        why = _LATE if late else str(getattr(reason, "strerror", None) or reason)
        raise InputError(f"{name} cannot be reached ({why}); check the network") from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to the web alone, and not into the machine's own network settings."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        """Refuse what `_refuse_inner` does; urllib itself refuses ``file://``."""
        fp.close()  # what it says is not read, and a refusal would leave it open
        _refuse_inner(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refuse_inner(address: str) -> None:
    """Refuse an address where a cloud's machine keeps its credentials, unless that is allowed."""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("http", "https"):
        raise InputError(f"{public_name(address)}: a server may send us to http(s):// alone")
    if os.environ.get(ALLOW_INNER) == "1":
        return
    try:
        found = socket.getaddrinfo(parts.hostname, None)
    except (OSError, UnicodeError):  # what cannot be found cannot be opened either
        return
    for *_, place in found:
        address_ = ipaddress.ip_address(str(place[0]).partition("%")[0])
        inner = getattr(address_, "ipv4_mapped", None) or address_
        if inner.is_link_local or str(inner) in _METADATA:
            raise InputError(
                f"{public_name(address)}: an address of the machine's own network ({inner}) is not "
                f"read; set {ALLOW_INNER}=1 if you mean it"
            )


def _reason(error: Exception, source: str) -> str:
    """Return a backend's message on one line, without the secrets of a URL."""
    text = str(error).replace(source, public_name(source))
    for secret in re.findall(r"://([^/@\s]*@)", source):  # without its address, too
        text = text.replace(secret, "")
    text = re.sub(r"\?[^\s'\"]*", "", re.sub(r"://[^/@\s]*@", "://", text))
    kind = type(error).__name__
    return f"{kind}: {text}" if text.strip() else f"{kind}; check the network and try again"


def source_digest(source: str) -> str:
    """Return the SHA-256 of a picture's file; raises like `open_source`."""
    return hashlib.sha256(open_source(source)[0]).hexdigest()
