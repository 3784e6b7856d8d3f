"""A pair's folder: a run folder, the pictures beside it, and what all of them were made of."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nst_lightning.data.images import load_image
from nst_lightning.data.output import save_image
from nst_lightning.errors import InputError
from nst_lightning.files import write_whole
from nst_lightning.run_folder import CHECKPOINT, CURVES, PICTURE, RunFolder

if TYPE_CHECKING:
    from torch import Tensor

RECORD = "compare.json"
RESULT = f"{PICTURE}.png"


@dataclass
class Record:
    """The content of ``compare.json``.

    Attributes:
        run: Digest of the settings and pictures that the run was started with; empty if the run was
            made elsewhere.
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


class PairFolder(RunFolder):
    """A pair's folder; ``compare.json`` is read once, and counts as missing if it is damaged.

    Args:
        path: The folder; it may be bare or missing.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self.record = Record(**json.loads((path / RECORD).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            self.record = Record()

    def write_record(self) -> None:
        """Write ``compare.json``, whole."""
        write_whole(self.path / RECORD, json.dumps(asdict(self.record), indent=1) + "\n")

    def holds(self, file: str) -> bool:
        """Whether a picture is there and can be read."""
        try:
            load_image(self.path / file)
        except InputError:
            return False
        return True

    @property
    def is_foreign(self) -> bool:
        """Whether its picture was made elsewhere, by ``fit`` or in a cloud."""
        return not self.record.run and self.holds(RESULT)

    def is_finished(self, run: str) -> bool:
        """Whether it holds the picture of a run, or one made elsewhere.

        Args:
            run: Digest of the run.
        """
        made = self.record.run == run and self.record.finished and self.holds(RESULT)
        return made or self.is_foreign

    def begin(self, run: str) -> None:
        """Make room for a run that starts from its first step.

        Args:
            run: Digest of the run.
        """
        for name in (RESULT, CHECKPOINT, CURVES):
            (self.path / name).unlink(missing_ok=True)
        self.path.mkdir(parents=True, exist_ok=True)
        self.record.run, self.record.finished, self.record.seconds = run, False, 0.0
        self.write_record()

    def has(self, name: str, made_of: str) -> bool:
        """Whether a picture beside the result is there.

        Args:
            name: Its file, without ``.png``.
            made_of: Digest of what it is to be made of.
        """
        file = f"{name}.png"
        return self.record.others.get(file) == made_of and self.holds(file)

    def add(self, name: str, picture: "Tensor", made_of: str) -> None:
        """Write a picture beside the result; the record is the caller's to write.

        Args:
            name: Its file, without ``.png``.
            picture: Shape (1, 3, H, W), values in [0, 1].
            made_of: Digest of what it was made of.
        """
        save_image(picture, self.path / f"{name}.png")
        self.record.others[f"{name}.png"] = made_of
