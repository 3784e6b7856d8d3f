"""One pair painted, gone on with, or taken from an earlier run."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import LambdaCallback

from nst_lightning.compare.pair_folder import PairFolder
from nst_lightning.data.which_pictures import Pair
from nst_lightning.errors import InputError
from nst_lightning.fingerprint import decisive, file_digests
from nst_lightning.objective import SharedTargets
from nst_lightning.options import digest, lay_over
from nst_lightning.session import Session, open_run

OnStep = Callable[[int], None]


@dataclass
class Painter:
    """Paints pairs with the same settings; encoders and targets are made once.

    Args:
        settings: Of every run, by their dotted names.
        configs: Config files that lie below the settings.
        size: Long side of the pictures in pixels, or what ``data.size_rule`` makes of it.
        runs: Folder of the pairs' folders.
    """

    settings: Mapping[str, Any]
    configs: Sequence[str]
    size: int
    runs: Path
    shared: SharedTargets = field(default_factory=SharedTargets)

    def plan(self, pair: Pair) -> tuple[dict[str, Any], int]:
        """Open a run, and leave it at that.

        Returns:
            The settings, and digests of the files, that decide what picture comes out of a content
            and a style; and the steps of one run.

        Raises:
            InputError: If a setting is wrong.
        """
        session = self._open(pair, writes=False)
        settings = decisive(session.settings)
        return settings | {"files": file_digests(settings)}, session.steps

    def check(self, pairs: Iterable[Pair]) -> None:
        """Begin a run and leave it before its first step: what every run refuses costs no work.

        Args:
            pairs: One after another is begun until one is not refused: what is wrong with a pair's
                pictures is no fault of the settings.

        Raises:
            InputError: What the first one was refused for, if all of them are.
        """
        errors: list[InputError] = []
        for pair in pairs:
            try:
                self._open(pair, writes=False).check()
            except InputError as error:
                errors.append(error)
            else:
                return
        if errors:
            raise errors[0]

    def paint(self, pair: Pair, folder: PairFolder, run: str, on_step: OnStep) -> None:
        """Paint a pair into its folder, or go on from the checkpoint of the same run.

        Args:
            pair: What to paint.
            folder: Its folder.
            run: Digest of the run.
            on_step: Called with the number of steps taken, at the start and after each step.

        Raises:
            InputError: If a picture or a setting is wrong.
            KeyboardInterrupt: If the run was stopped; picture and checkpoint are kept.
        """
        # A finished run whose picture is gone has nothing left to go on with.
        goes_on = folder.record.run == run and not folder.record.finished
        goes_on = goes_on and folder.checkpoint is not None
        session = self._open(pair, resume="last" if goes_on else None)
        if not goes_on:
            session.pair.setup("fit")  # a picture that cannot be read leaves no folder behind
            folder.begin(run)

        def report(trainer: Any, *_: Any) -> None:
            on_step(trainer.global_step)

        started = time.monotonic()
        try:
            session.run(LambdaCallback(on_train_start=report, on_train_batch_end=report))
            folder.record.finished = not session.stopped
        finally:
            folder.record.seconds += time.monotonic() - started
            folder.write_record()
        if session.stopped:
            raise KeyboardInterrupt

    def _open(self, pair: Pair, *, writes: bool = True, resume: str | None = None) -> Session:
        own = {
            "data.content": pair.content.source,
            "data.style": pair.style.source,
            "data.size": self.size,
            "trainer.default_root_dir": str(self.runs / pair.name),
            "images.format": "png",
            "overwrite": True,  # the pair's folder says by itself what is in it
        }
        return open_run(
            lay_over(self.settings, own),
            self.configs,
            resume=resume,
            # A name such as [1].jpg is a list to YAML.
            content=pair.content.source,
            styles=[pair.style.source],
            summary=False,
            progress=False,
            pictures=writes,
            checkpoints=writes,
            shared=self.shared,
        )


def run_digest(settings: Mapping[str, Any], content: str, style: str) -> str:
    """Return what distinguishes one run from another.

    Args:
        settings: Those that decide what picture comes out.
        content: Digest of the content.
        style: Digest of the style.
    """
    return digest([settings, content, style])
