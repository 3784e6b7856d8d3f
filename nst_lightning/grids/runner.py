"""Runs the runs of a grid in one process: encoders and targets are made once."""

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import LambdaCallback

from nst_lightning.checkpoint_io import checkpoint_step
from nst_lightning.data.image_pair import ImagePair
from nst_lightning.data.sources import source_digest
from nst_lightning.fingerprint import file_digests
from nst_lightning.grids.snapshots import Snapshots
from nst_lightning.grids.spec import Run
from nst_lightning.metrics.evaluate import PictureMetrics
from nst_lightning.metrics.views import MEASURED_LAYERS
from nst_lightning.objective import SharedTargets
from nst_lightning.options import lay_over
from nst_lightning.session import Session, open_run

ENDLESS = 10**6
"""Steps of an epoch that no run ends."""


class Runner:
    """Makes the pictures of runs.

    Args:
        folder: Of all runs.
        measure: Also measure every picture (SSIM, style distance, ...).
    """

    def __init__(self, folder: Path, measure: bool = True) -> None:
        self.folder = folder
        self.measure = measure
        self._shared = SharedTargets()
        self._digest = cache(source_digest)
        self._metrics: tuple[Any, PictureMetrics] | None = None

    def rows(self, run: Run) -> dict[int, dict[str, Any]]:
        """Return step -> row of the snapshots that are there already."""
        found = {}
        for step in run.snapshots:
            path = self.folder / run.name / f"step-{step:05d}.json"
            with contextlib.suppress(OSError, ValueError):  # missing or damaged: made again
                row = json.loads(path.read_text(encoding="utf-8"))
                # A picture that is not finite has no losses, and is not written.
                if "loss" not in row or path.with_suffix(".png").is_file():
                    found[step] = row
        return found

    def ready(self, runs: Iterable[Run]) -> list[Run]:
        """Return the runs as they are to be made: apart where their length matters.

        Raises:
            InputError: If a setting of one of them is wrong.
        """
        found = []
        for run in runs:
            session = self._open(run, run.steps, writes=False)
            pair = session.pair
            # The paintings that a query names, not the query.
            found_in = {"content": pair.content_source, "style": pair.style_sources}
            decides = {
                "data": {**session.settings["data"], **found_in, "init": pair.init},
                "model": session.settings["model"],
                "trainer": {"callbacks": session.settings["trainer"]["callbacks"]},
            }
            pictures = list(file_digests(decides, self._digest).values())
            cells = [replace(cell, added=pair.added_steps) for cell in run.cells]
            run = replace(run, cells=cells, pictures=pictures)
            found += run.apart() if session.depends_on_length else [run]
        return found

    def check(self, run: Run) -> None:
        """Begin a run and leave it before its first step: whatever ``fit`` refuses is refused.

        Raises:
            InputError: If something about it is wrong.
        """
        # A cell is the picture of a run of its own length, and the shortest may be too short.
        self._open(run, min(run.snapshots), writes=False).check()

    def make(
        self, run: Run, on_step: Callable[[], None] | None = None
    ) -> dict[int, dict[str, Any]]:
        """Run, or go on with, what is missing of a run.

        Args:
            run: What to run.
            on_step: Called after every step; without it the run has a bar of its own.

        Returns:
            Step -> row of all its snapshots; fewer if it was stopped.
        """
        if len(found := self.rows(run)) == len(run.snapshots):
            return found
        session = self._open(
            run,
            run.steps,
            resume="last" if self._can_go_on(run, found) else None,
            progress=on_step is None,
        )
        session.pair.setup("fit")
        measure = self._measure_for(session.pair) if self.measure else None
        # Before the checkpoint: a step is not done before its picture is kept.
        counter = [LambdaCallback(on_train_batch_end=lambda *_: on_step())] if on_step else []
        session.run(Snapshots(session, run.snapshots, measure), *counter)
        return self.rows(run)

    def _open(
        self,
        run: Run,
        steps: int,
        *,
        writes: bool = True,
        resume: str | None = None,
        progress: bool = False,
    ) -> Session:
        settings = lay_over(
            {"images.every_n_steps": 0, "images.save_best": False},
            run.settings,
            _length(run, steps),
            {"trainer.default_root_dir": str(self.folder / run.name), "overwrite": True},
        )
        return open_run(
            settings,
            run.configs,
            resume=resume,
            summary=False,
            progress=progress,
            pictures=False,
            checkpoints=writes,
            shared=self._shared,
        )

    def _can_go_on(self, run: Run, made: Mapping[int, Any]) -> bool:
        """Whether there is a checkpoint, and none of the missing pictures lies before it."""
        path = self.folder / run.name / "checkpoints" / "last.ckpt"
        if not path.is_file():
            return False
        first = min(step for step in run.snapshots if step not in made)
        return checkpoint_step(path) < first

    def _measure_for(self, pair: ImagePair) -> PictureMetrics:
        sources = (pair.content_source, *pair.style_sources, pair.size_rule)
        sizes = (pair.style_resize, pair.style_scale, pair.strokes, pair.largest)
        key = (tuple(map(str, sources)), sizes, tuple(pair.blend))
        if self._metrics is None or self._metrics[0] != key:
            pair.use_scale(len(pair.scales))
            encoder = self._shared.measuring_encoder(MEASURED_LAYERS)
            self._metrics = (key, PictureMetrics.of(pair, encoder, learned=False))
            pair.use_scale(0)
        return self._metrics[1]


def _length(run: Run, steps: int) -> dict[str, int]:
    if run.whole:
        # The pair adds the octaves' steps itself.
        asked = run.cells[0].steps_per_epoch
        return {"trainer.max_epochs": run.epochs, "data.steps_per_epoch": asked}
    # Within one epoch without end, so that a grid with more epochs goes on from this one's last.
    return {
        "trainer.max_epochs": -1,
        "trainer.max_steps": steps,
        "data.steps_per_epoch": max(steps, ENDLESS),
    }
