"""Where things are inside a training job, read from what SageMaker's toolkit sets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nst_lightning.cloud.hyperparameters import PAINTING, SDK_PREFIXES, TRIAL
from nst_lightning.errors import InputError
from nst_lightning.options import digest

CHANNEL_KEYS = {
    "content": "data.content",
    "style": "data.style",
    "init": "data.init",
    "weights": "model.encoder.weights",
    "content_mask": "data.content_mask",
    "style_mask": "data.style_mask",
}
"""Input channel -> the setting that its file becomes, or its files where the setting is a list."""

CODE_CHANNEL, CONFIG_CHANNEL = "code", "config"
SETTINGS_FILE = "settings.json"
"""File of the config channel with the settings that are too long for hyper-parameters."""
FINISHED = "finished"
"""Folder among the checkpoints for what is finished, each picture with all its files in one."""


@dataclass(frozen=True)
class Task:
    """One of the pictures that a job paints.

    Attributes:
        number: Its number in the job.
        key: Its name.
        settings: Of its run, by dotted name.
        folder: Of its run, among those that SageMaker copies to S3: a restarted job finds it.
        kept: Where its picture is once it is finished.
        failed: Where the reason is for which this attempt made none.
        film: Which frames of a clip it is, and how they are held together; empty for a picture.
    """

    number: int
    key: str
    settings: dict[str, Any]
    folder: Path
    kept: Path
    failed: Path
    film: dict[str, Any]


def kept_name(painting: str, failed: int = 0) -> str:
    """Return the name of what is kept of a picture, or of the reason why an attempt failed.

    Args:
        painting: Its fingerprint.
        failed: The attempt.
    """
    return f"{painting}-{failed}.txt" if failed else f"{painting}.tar.gz"


@dataclass(frozen=True)
class Container:
    """Folders and hyper-parameters of one job.

    Attributes:
        base: ``/opt/ml``, or what stands in for it.
        settings: The hyper-parameters with their types, by dotted name.
        channels: Folder of every input channel.
        model: Folder that SageMaker packs and uploads when the job is done.
    """

    base: Path
    settings: Mapping[str, Any]
    channels: Mapping[str, Path]
    model: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Container":
        """Read the environment of a job.

        Args:
            environ: ``SM_HPS``, ``SM_CHANNELS``, ``SM_CHANNEL_*``, ``SM_MODEL_DIR``.

        Raises:
            InputError: If this is no SageMaker job.
        """
        if "SM_HPS" not in environ:
            raise InputError(
                "SM_HPS is not set: entry.py runs inside a SageMaker job; use train.py here"
            )
        base = Path(environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
        names = json.loads(environ.get("SM_CHANNELS", "[]"))
        return cls(
            base=base,
            settings=json.loads(environ["SM_HPS"]),
            channels={name: Path(environ[f"SM_CHANNEL_{name.upper()}"]) for name in names},
            model=Path(environ.get("SM_MODEL_DIR", base / "model")),
        )

    def configs(self) -> list[Path]:
        """Return the run's config files, in the order in which they are laid over one another."""
        return [path for path in self._files(CONFIG_CHANNEL) if path.name != SETTINGS_FILE]

    def tasks(self) -> list[Task]:
        """Return the pictures that the launcher wants to have painted, in order.

        Raises:
            InputError: If a channel does not hold exactly one file.
        """
        told = sorted(item for item in self.settings.items() if item[0].startswith(PAINTING))
        return [self.task(int(name.removeprefix(PAINTING)), one) for name, one in told]

    def _shared(self) -> dict[str, Any]:
        shared: dict[str, Any] = {}
        for path in self._files(CONFIG_CHANNEL):
            if path.name == SETTINGS_FILE:
                shared |= json.loads(path.read_text(encoding="utf-8"))
        ours = (*SDK_PREFIXES, PAINTING)
        return shared | {k: v for k, v in self.settings.items() if not k.startswith(ours)}

    def task(self, number: int, told: Mapping[str, Any]) -> Task:
        """Return what is to be done for one picture.

        Args:
            number: In the job.
            told: Its ``key``, ``id``, ``attempt``, ``settings``, ``channels`` by role, and
                ``film`` if it is one.

        Raises:
            InputError: If a channel does not hold exactly one file.
        """
        made_of, shared, film = told["id"], self._shared(), told.get("film", {})
        if TRIAL in self.settings:  # other values make another picture, maybe on a warm instance
            made_of += f"-{digest(shared)[:10]}"
        folder = self.base / "checkpoints" / made_of
        whole = {**shared, **told["settings"], "trainer.default_root_dir": str(folder)}
        for role, name in CHANNEL_KEYS.items():
            channel = told["channels"].get(role, role)
            if channel in self.channels and isinstance(names := whole.get(name), list):
                here = {path.name: str(path) for path in self._files(channel)}
                whole[name] = [here.get(file, file) for file in names]
            elif channel in self.channels and film and len(self._files(channel)) > 1:
                whole[name] = str(self.channels[channel])  # a folder of frames
            elif channel in self.channels:
                whole[name] = str(self._file(channel))
        names = (kept_name(made_of, attempt) for attempt in (0, told["attempt"]))
        kept, failed = (folder.parent / FINISHED / name for name in names)
        # Sorted, so that a class comes before its arguments.
        return Task(number, told["key"], dict(sorted(whole.items())), folder, kept, failed, film)

    def _files(self, channel: str) -> list[Path]:
        folder = self.channels.get(channel)
        return [] if folder is None else sorted(path for path in folder.iterdir() if path.is_file())

    def _file(self, channel: str) -> Path:
        files = self._files(channel)
        if len(files) != 1:
            raise InputError(
                f"channel {channel}: there are {len(files)} files in it, not one; "
                "give each job a folder of its own in S3"
            )
        return files[0]
