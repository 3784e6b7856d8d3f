"""Paints one job of the app, and shows it as it is painted."""

import functools
import time
from pathlib import Path
from typing import Any, Self

from lightning.pytorch import Callback, LightningModule, Trainer

from nst_lightning.app.gallery import Gallery
from nst_lightning.app.jobs import Job, Jobs
from nst_lightning.callbacks import StyleProgressBar
from nst_lightning.callbacks.picture_feed import PictureFeed
from nst_lightning.session import open_run


def paint(gallery: Gallery, job: Job, jobs: Jobs) -> Path:
    """Paint a job into a gallery and return the picture's file.

    Raises:
        InputError: If a picture or a setting is wrong.
    """
    began, folder = time.monotonic(), gallery.new_folder(job)
    try:
        sources = gallery.keep_sources(job, folder)
        session = open_run(
            job.choices.settings
            | {"data.content": sources[0], "data.style": sources[1]}
            | {"trainer.default_root_dir": str(folder), "images.format": "png"}
            | {"images.every_n_steps": 0, "images.save_best": False},
            job.choices.config,
            # A name such as [1].jpg is a list to YAML.
            content=sources[0],
            styles=[sources[1]],
            summary=False,
            progress=False,
            checkpoints=False,
        )
        feed = PictureFeed(lambda picture: jobs.report(picture=picture), lambda: jobs.watched)
        session.run(StyleProgressBar(functools.partial(_Bar, jobs)), feed, _Stop(jobs))
    except BaseException:
        gallery.forget(folder)
        raise
    seconds, steps = time.monotonic() - began, session.trainer.global_step
    of = steps if session.finished else int(session.trainer.estimated_stepping_batches)
    return gallery.finish(folder, job, seconds, steps, of)


class _Bar:
    """A progress bar that is the state of the jobs."""

    is_shown = True

    def __init__(self, jobs: Jobs, steps: float, details: str) -> None:
        self._jobs = jobs
        jobs.report(steps=int(steps), details=details)

    def start(self) -> Self:
        """Nothing is to be opened."""
        return self

    def stop(self) -> None:
        """Nothing is to be closed."""

    def update(
        self,
        completed: float | None = None,
        *,
        details: str | None = None,
        left: float | None = None,
    ) -> None:
        """Change what is given."""
        given = {"step": completed, "details": details, "left": left}
        self._jobs.report(**{key: value for key, value in given.items() if value is not None})


class _Stop(Callback):
    """Ends the run after the step in hand where that was asked for."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look whether it was."""
        if self._jobs.stop.is_set():
            trainer.should_stop = True
