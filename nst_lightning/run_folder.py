"""What a run folder says about its run: its picture, settings, losses and checkpoint."""

import contextlib
import csv
import json
import math
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from nst_lightning.errors import InputError
from nst_lightning.files import check_folder, remove_parts, write_error
from nst_lightning.options import load_yaml

Curves = dict[str, list[tuple[int, float]]]
"""Term -> (step, weighted loss); the sum is called ``loss``."""

CONFIG, CURVES, CHECKPOINT = "config.yaml", "metrics.csv", "checkpoints/last.ckpt"
FULL_CONFIG = "config-full.yaml"
"""Every setting of the run, beside those that were chosen in ``config.yaml``."""
MADE_OF = "made_of.json"
"""What a later run sees by whether it is the same one."""
FILM = "film.json"
"""What a film's folder says of it; no run goes there."""
MEASURES = "metrics.json"
PICTURE = "stylized"
"""The name of a run's picture, without its ending."""

_FOLDERS = ("images", "checkpoints", "tensorboard")
_ENDINGS = ("png", "jpg", "webp", "tiff", "gif")
_PICTURES = [f"{name}.{end}" for name in (PICTURE, "film") for end in _ENDINGS]
_FILES = (CONFIG, FULL_CONFIG, MADE_OF, CURVES, CHECKPOINT, *_PICTURES, "contact_sheet.png")
_ON_THE_WAY = [f"images/{name}.{end}" for name in ("step-[0-9]*[0-9]", "best") for end in _ENDINGS]
_OF_A_RUN = (*_FILES[3:], *_ON_THE_WAY, "tensorboard/events.out.*", "tensorboard/hparams.yaml")
LOCK = ".lock"


def forget_older_run(folder: Path) -> None:
    """Delete what an older run left in a folder where a new one begins: nothing of it is mixed in.

    What a link points to is deleted, and the link kept.
    """
    try:
        for pattern in _OF_A_RUN:
            for path in folder.glob(pattern):
                Path(os.path.realpath(path)).unlink(missing_ok=True)
    except OSError as error:
        raise write_error(error.filename or folder, error) from error


@contextlib.contextmanager
def occupied(folder: Path, *inner: str) -> Iterator[None]:
    """Keep a folder for this process alone; nothing of ours is left in it afterwards.

    The lock is the operating system's, so that it ends with the process, however that ends. Of one
    that was killed, what it was writing is removed.

    Args:
        folder: Made if it is not there.
        *inner: Patterns of the folders in it that nobody else writes into meanwhile.

    Raises:
        InputError: If another process or thread is at it, it cannot be written, or something in it
            is a folder that should be a file or the other way round.
    """
    for pattern in _FILES:
        for path in folder.glob(pattern):
            if path.is_dir():
                raise InputError(f"cannot write {path}: a folder of that name is in the way")
    for name in _FOLDERS:
        if os.path.lexists(folder / name):  # a link to nowhere, too
            check_folder(folder / name)
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    path, lock = folder / LOCK, FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        path.write_text(str(os.getpid()), encoding="utf-8")
    except Timeout as error:
        owner = path.read_text(encoding="utf-8") if path.is_file() else "unknown"
        raise InputError(
            f"{folder}: another run is at it (process {owner}); wait for its end, or choose "
            "another folder"
        ) from error
    except OSError as error:
        raise write_error(path, error) from error
    try:
        for place in (folder, *(place for pattern in inner for place in folder.glob(pattern))):
            remove_parts(place)
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()
        for made in missing:
            with contextlib.suppress(OSError):  # not empty: the run wrote something
                made.rmdir()


class RunFolder:
    """A run's folder; each file is read when it is first asked for, and once.

    What a run writes after that is seen by a new object only. The folder may be bare or missing.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def picture(self) -> Path | None:
        """The picture's file; None if there is none. A stopped run has one, too."""
        return next((p for p in sorted(self.path.glob(f"{PICTURE}.*")) if p.is_file()), None)

    @cached_property
    def checkpoint(self) -> Path | None:
        """The checkpoint of the last step taken; None if there is none."""
        path = self.path / CHECKPOINT
        return path if path.is_file() else None

    @cached_property
    def config_path(self) -> Path:
        """Where the whole configuration is; of an older run, or one made by hand, config.yaml."""
        full = self.path / FULL_CONFIG
        return full if full.is_file() else self.path / CONFIG

    @cached_property
    def config_text(self) -> str:
        """The whole configuration as it stands; empty if there is none."""
        path = self.config_path
        try:
            return path.read_text(encoding="utf-8") if path.is_file() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not the configuration of a run: {error}") from error

    @cached_property
    def config(self) -> dict[str, Any]:
        """The run's whole configuration, nested; empty if there is none.

        Raises:
            InputError: If the file is there but is no configuration of a run.
        """
        if not self.config_text:
            return {}
        why = ""
        try:
            config = load_yaml(self.config_text)
        except yaml.YAMLError as error:
            config, why = None, f": {error}"
        if not isinstance(config, dict) or not isinstance(config.get("data"), dict):
            raise InputError(f"{self.config_path} is not the configuration of a run{why}")
        return config

    @cached_property
    def made_of(self) -> dict[str, Any]:
        """Identities of its pictures and settings; empty if there are none, or of another kind."""
        try:
            found = json.loads((self.path / MADE_OF).read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def holds_a_run(self) -> bool:
        """Whether a run or a film left something in it that a new one would replace."""
        patterns = (*_FILES, *_ON_THE_WAY, FILM)
        left = (path for pattern in patterns for path in self.path.glob(pattern))
        return any(path.is_file() for path in left)

    @cached_property
    def curves(self) -> Curves:
        """The losses of ``metrics.csv`` by term, finite values only; empty if there is none."""
        path = self.path / CURVES
        curves: Curves = {}
        if not path.is_file():
            return curves
        with path.open(newline="", encoding="utf-8", errors="replace") as handle:
            for row in csv.DictReader(handle):
                for name, text in row.items():
                    if name != "loss" and not str(name).endswith("_loss"):
                        continue
                    try:
                        step, value = int(row["step"]), float(text)
                    except (KeyError, TypeError, ValueError):
                        continue
                    if math.isfinite(value):
                        curves.setdefault(name.removesuffix("_loss"), []).append((step, value))
        return dict(sorted(curves.items(), key=lambda item: item[0] != "loss"))
