"""What a pair's folder holds, and of which settings and pictures it was made."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nst_lightning.files import atomic_write

NAME = "compare.json"
PICTURE = "stylized.png"
_NOT_DECISIVE = ("content", "style", "artworks")
_TRAINER_KEYS = ("max_epochs", "max_steps", "precision", "callbacks")


@dataclass
class Manifest:
    """The file ``compare.json`` of a run folder.

    Attributes:
        run: Digest of the settings and pictures that the run was started with.
        finished: Whether the run has taken all its steps.
        seconds: Time spent on it so far.
        others: File name -> digest of what it was made of, for the pictures beside the result.
        times: File name -> seconds it took.
        notes: Remarks on how the pictures were read.
    """

    run: str = ""
    finished: bool = False
    seconds: float = 0.0
    others: dict[str, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Return a folder's manifest; an empty one if it has none, or none that can be read."""
        try:
            return cls(**json.loads((folder / NAME).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, folder: Path) -> None:
        """Write it whole."""
        with atomic_write(folder / NAME) as part:
            part.write_text(json.dumps(vars(self), indent=1) + "\n", encoding="utf-8")


def digest(value: Any) -> str:
    """Return a digest of anything that JSON can hold."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide what picture comes out, without those of the pair.

    Args:
        config: The whole configuration of a run, as nested dictionaries.
    """
    data = {key: value for key, value in config["data"].items() if key not in _NOT_DECISIVE}
    trainer = {key: config["trainer"].get(key) for key in _TRAINER_KEYS}
    kept = {key: config.get(key) for key in ("seed_everything", "model", "explosion")}
    return {**kept, "data": data, "trainer": trainer}
