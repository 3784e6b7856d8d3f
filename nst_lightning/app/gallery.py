"""What was painted in the app: a folder a picture, found again after a restart."""

import contextlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nst_lightning.app.choices import CONTROLS, FROM_PICTURE, Choices, looks
from nst_lightning.app.jobs import Job
from nst_lightning.data.decoding import open_header
from nst_lightning.data.images import load_image
from nst_lightning.data.metadata import read_settings
from nst_lightning.data.output import save_image
from nst_lightning.data.resizing import at_most
from nst_lightning.data.sources import SAMPLE_PREFIX, open_source
from nst_lightning.data.which_pictures import SEPARATOR, label_of, safe_name
from nst_lightning.errors import InputError
from nst_lightning.files import write_whole
from nst_lightning.options import lookup
from nst_lightning.run_folder import PICTURE

_RECORD = "app.json"
_SIDE = 320
_SHOWN = 60
"""Pictures of the gallery, the newest first."""


@dataclass(frozen=True)
class Entry:
    """A picture of the gallery.

    Attributes:
        file: The picture, with its settings inside.
        record: What the app noted of it: label, look, steps, seconds, width and height; the size
            that was asked for where it is finished, and all steps where it was stopped.
    """

    file: Path
    record: Mapping[str, Any]

    @property
    def thumbnail(self) -> Path:
        """The picture made small for the page."""
        return _thumbnail(self.file.parent)

    @property
    def label(self) -> str:
        """What people call it."""
        return str(self.record.get("label") or self.file.parent.name)

    @property
    def look(self) -> str:
        """The look that it was painted in, if it is one of ours."""
        look = str(self.record.get("look"))
        return look if look in (*looks(), FROM_PICTURE) else ""

    @property
    def choices(self) -> Choices | None:
        """What it was painted with, as far as it is said here; None where that is not known."""
        settings = read_settings(self.file)
        own = {name: lookup(settings, setting) for name, setting in CONTROLS.items()}
        if not self.look or None in own.values():
            return None
        return Choices(self.look, base={"model.style": lookup(settings, "model.style")}, **own)

    @property
    def pixels(self) -> str:
        """Width and height."""
        width, height = self.record.get("width"), self.record.get("height")
        if not (width and height):  # an older record
            with open_header(*open_source(self.file)) as picture:
                width, height = picture.size
        return f"{width} \N{MULTIPLICATION SIGN} {height} px"

    @property
    def stopped(self) -> str:
        """At which step it was stopped, in words; empty if it is finished."""
        if "size" in self.record or "steps" not in self.record:
            return ""
        of = f" of {self.record['of']}" if "of" in self.record else ""
        return f"stopped at step {self.record['steps']}{of}"

    def caption(self) -> str:
        """Say how it was made, in one line."""
        words = chosen.words if (chosen := self.choices) else ""
        return ", ".join(filter(None, [self.label, words, self.pixels, self.stopped]))


class Gallery:
    """The folder of the app.

    Args:
        folder: Where each picture gets a folder of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new_folder(self, job: Job) -> Path:
        """Make a folder that no picture had before: ``0012-cat--klimt``."""
        name = SEPARATOR.join(safe_name(label_of(s)) for s in (job.content, job.style))
        number = max((n for path in self._folders() if (n := _number(path))), default=0) + 1
        folder = self.folder / f"{number:04d}-{name}"
        folder.mkdir(parents=True)
        return folder

    def keep_sources(self, job: Job, folder: Path) -> tuple[str, str]:
        """Copy what was dropped beside the picture, so that its config.yaml repeats it."""
        kept = []
        for role, source in (("photograph", job.content), ("painting", job.style)):
            if not source.startswith(SAMPLE_PREFIX):
                path = folder / role / Path(source).name
                write_whole(path, open_source(source)[0])
                source = str(path)
            kept.append(source)
        return kept[0], kept[1]

    def finish(self, folder: Path, job: Job, seconds: float, steps: int, of: int) -> Path:
        """Note what the picture itself does not say, and make it small for the page; return it.

        Args:
            folder: Of the picture.
            job: That it is.
            seconds: It took.
            steps: That were taken.
            of: How many there were to take.
        """
        painted, file = folder / f"{PICTURE}.png", _result(folder)
        pixels = load_image(painted)
        small, alpha = at_most(pixels.pixels, pixels.alpha, _SIDE)
        save_image(small, _thumbnail(folder), alpha=alpha)
        height, width = pixels.pixels.shape[-2:]
        record = {"label": job.label, "look": job.choices.look, "steps": steps}
        record |= {"width": width, "height": height, "seconds": round(seconds, 1)}
        # One that was stopped says nothing of the time that others take.
        record |= {"of": of} if steps < of else {"size": job.choices.size}
        write_whole(folder / _RECORD, json.dumps(record))
        # Last: with it the gallery has the picture. Under a name of its own, it is saved by that.
        painted.replace(file)
        return file

    def forget(self, folder: Path) -> None:
        """Remove the folder of a picture that was refused; one with a picture in it stays."""
        if not (folder / f"{PICTURE}.png").is_file():
            shutil.rmtree(folder, ignore_errors=True)

    def entries(self) -> list[Entry]:
        """Return the newest pictures, the newest first."""
        found = []
        for folder in sorted(self._folders(), key=_number, reverse=True):
            file, record = _result(folder), {}
            if not (file.is_file() and _thumbnail(folder).is_file()):
                continue
            with contextlib.suppress(OSError, ValueError):
                record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
            found.append(Entry(file, record if isinstance(record, dict) else {}))
            if len(found) == _SHOWN:
                break
        return found

    def shown(self) -> list[tuple[str, str]]:
        """Return each picture's thumbnail and caption."""
        pictures = []
        for entry in self.entries():
            with contextlib.suppress(InputError):  # another file of that name
                pictures.append((str(entry.thumbnail), entry.caption()))
        return pictures

    def find(self, thumbnail: str) -> Entry:
        """Return the picture of a thumbnail that a page showed.

        Raises:
            InputError: If it is there no more.
        """
        name = Path(thumbnail).name
        for entry in self.entries():
            if entry.thumbnail.name == name:
                return entry
        raise InputError(f"{name} is in the gallery no more; load the page anew")

    def expected(self, choices: Choices) -> float | None:
        """Return how many seconds a picture may take, by those that were painted in that look."""
        for entry in self.entries():
            seconds, size = (entry.record.get(key) for key in ("seconds", "size"))
            if entry.record.get("look") == choices.look and seconds and size:
                return float(seconds * (choices.size / size) ** 2)
        return None

    def _folders(self) -> list[Path]:
        return [path for path in self.folder.glob("[0-9]*-*") if path.is_dir()]


def _result(folder: Path) -> Path:
    return folder / f"{folder.name}.png"


def _thumbnail(folder: Path) -> Path:
    return folder / f"{folder.name}.webp"  # each of another name: that is what a page gives back


def _number(folder: Path) -> int:
    digits = folder.name.partition("-")[0]
    return int(digits) if digits.isdecimal() else 0
