"""Whether a film is the same one: a digest of all that decides its pictures."""

import hashlib
from pathlib import Path

from nst_lightning.data.sources import source_digest
from nst_lightning.data.which_pictures import pictures_in
from nst_lightning.files import expanded
from nst_lightning.fingerprint import decisive, file_digests
from nst_lightning.options import digest
from nst_lightning.session import Session
from nst_lightning.video.clip import ClipInfo
from nst_lightning.video.flow import method_name


def film_digest(session: Session, source: str, info: ClipInfo, passes: int, every: int) -> str:
    """Return the digest of what decides every picture of a film.

    Args:
        session: The run of one of its frames.
        source: Its clip.
        info: Of that.
        passes: How often it is gone through.
        every: Each how-manieth frame is painted.
    """
    settings = decisive(session.settings)
    # What is in them, wherever they are: another machine goes on with the film.
    settings["files"] = [*file_digests(session.settings, _digest_of).values()]
    settings["film"] = [
        passes,
        every,
        str(info.start),
        [str(time) for time in info.times],
        method_name(),
        _clip_digest(source),
    ]
    return digest(settings)


def _digest_of(source: str) -> str:
    return "" if source == "a frame" else source_digest(source)


def _clip_digest(source: str) -> str:
    """Return the SHA-256 of a clip: of its file, or of the names and files of a folder."""
    path = expanded(source)
    files = [path] if path.is_file() else map(Path, sorted(pictures_in(source) or []))
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.name} {source_digest(str(file))}\n".encode())
    return whole.hexdigest()
