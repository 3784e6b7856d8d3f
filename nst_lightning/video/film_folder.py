"""A film's folder: what is kept of each painted frame, so that a killed film goes on."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from nst_lightning.data.output import save_image
from nst_lightning.errors import InputError
from nst_lightning.files import write_whole
from nst_lightning.run_folder import FILM, RunFolder
from nst_lightning.run_place import numbered
from nst_lightning.video.painting import LEVELS, Painted


def find_folder(first: Path, film: str, anew: bool) -> Path:
    """Return the folder of a film: that which holds it, or else the first of the name without any.

    Args:
        first: Named after clip and paintings; the others are ``clip--waves-2`` and so on.
        film: Digest of what decides every picture.
        anew: Whether another film in the first may go, if it is in none.
    """
    places = map(FilmFolder, numbered(first))
    found = next(place for place in places if place.is_of(film) or not place.is_used)
    if anew and not found.is_of(film):
        return first
    return found.path


class FilmFolder:
    """Where a film is painted.

    ``frames/000001.png`` are the finished pictures; ``passes/1/000001.safetensors`` what later
    frames need of each frame, whole levels of 16 bits, until the film is finished.

    Args:
        path: The folder; it may be missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def holds(self, film: str, overwrite: bool) -> bool:
        """Return whether frames of a film are there already; nothing is changed.

        Args:
            film: Digest of what decides every picture.
            overwrite: Whether another film in it may go.

        Raises:
            InputError: If it holds another film and that is not to go.
        """
        if self.is_of(film):
            return True
        if self.is_used and not overwrite:
            raise InputError(
                f"{self.path} holds a film of other pictures or settings, or a run; give another "
                "--folder, or --overwrite true to paint it anew"
            )
        return False

    def is_of(self, film: str) -> bool:
        """Whether it holds frames of a film."""
        return bool(self._record().get("film") == film)

    @property
    def is_used(self) -> bool:
        """Whether there is a film in it, or anything that a run writes."""
        return RunFolder(self.path).holds_a_run

    def begin(self, film: str, about: Mapping[str, Any]) -> None:
        """Take the folder for a film; frames of another one go.

        Args:
            film: Digest of what decides every picture.
            about: What the record says of it besides, for people.
        """
        for pattern in ("frames/*.png", "passes/*/*.safetensors"):
            for path in self.path.glob(pattern):
                path.unlink()
        self._write({"film": film, **about})

    @property
    def finished(self) -> int:
        """How many frames a finished film has; 0 if there is still something to do."""
        count = int(self._record().get("finished") or 0)
        return count if all(self.picture(index).is_file() for index in range(count)) else 0

    def wrote(self, out: Path) -> bool:
        """Whether a file is this film, written before."""
        return str(out.absolute()) in (self._record().get("written") or [])

    def write_down(self, out: Path) -> None:
        """Note that the film was written there."""
        record = self._record()
        written = [*(record.get("written") or []), str(out.absolute())]
        self._write({**record, "written": sorted(set(written))})

    def finish(self, count: int) -> None:
        """Note that the film is finished, and delete what was kept for later frames."""
        self._write({**self._record(), "finished": count})
        with contextlib.suppress(OSError):
            for path in self.path.glob("passes/*/*.safetensors"):
                path.unlink()
            for path in [*self.path.glob("passes/*"), self.path / "passes"]:
                path.rmdir()

    def _write(self, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, indent=1, ensure_ascii=False)
        write_whole(self.path / FILM, text + "\n")

    def _record(self) -> dict[str, Any]:
        try:
            found = json.loads((self.path / FILM).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def picture(self, index: int) -> Path:
        """Return where a frame's finished picture is, counted from 0."""
        return self.path / "frames" / f"{index + 1:06}.png"

    def _kept(self, number: int, index: int) -> Path:
        return self.path / "passes" / str(number + 1) / f"{index + 1:06}.safetensors"

    def keep(self, number: int, index: int, painted: Painted, begins: bool) -> None:
        """Keep a frame of a pass, both counted from 0; whole, and its picture before it.

        Args:
            number: Of the pass.
            index: Of the frame.
            painted: The frame.
            begins: Whether a scene begins with it.
        """
        parts = {
            "frame": torch.from_numpy(np.ascontiguousarray(painted.frame)),
            "raw": torch.from_numpy((painted.raw * LEVELS).round().numpy().astype(np.uint16)),
        }
        parts["age"] = painted.age.byte()
        if painted.matches is not None:
            parts["matches"] = painted.matches.int()
        save_image(painted.shown, self.picture(index))
        # Last: where it is, the picture is.
        data = save(parts, {"begins": str(int(begins)), "picture": self._picture_digest(index)})
        write_whole(self._kept(number, index), data)

    def mend(self, number: int) -> None:
        """Forget frames of the last pass without their pictures: these are painted again.

        On one disk there is none; files that came here one by one may lack the last.
        """
        for path in self._kept(number, 0).parent.glob("*.safetensors"):
            if _told(path.read_bytes()).get("picture") != self._picture_digest(int(path.stem) - 1):
                path.unlink()

    def _picture_digest(self, index: int) -> str:
        picture = self.picture(index)
        return hashlib.sha256(picture.read_bytes()).hexdigest() if picture.is_file() else ""

    def has(self, number: int, index: int) -> bool:
        """Whether a frame of a pass is kept."""
        return self._kept(number, index).is_file()

    def load(self, number: int, index: int) -> tuple[Painted, bool]:
        """Return a frame of a pass, without its picture, and whether a scene begins with it.

        Raises:
            InputError: If it cannot be read.
        """
        path = self._kept(number, index)
        try:
            data = path.read_bytes()
            parts = load(data)
            begins = _told(data)["begins"] == "1"
            raw = parts["raw"].float() / LEVELS
            matches = parts.get("matches")
            frame, age = parts["frame"].numpy(), parts["age"].float()
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise InputError(f"{path} cannot be read ({error}); delete it") from error
        matches = None if matches is None else matches.long()
        return Painted(frame, raw, raw, matches, age), begins


def _told(data: bytes) -> dict[str, str]:
    """Return what a safetensors file says besides its tensors."""
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length])["__metadata__"])
