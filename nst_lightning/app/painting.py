"""Paints one job of the app, and shows it as it is painted."""

import functools
import time
from pathlib import Path
from typing import Any, Self

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image

from nst_lightning.app.gallery import Gallery
from nst_lightning.app.jobs import Job, Jobs
from nst_lightning.callbacks import StyleProgressBar
from nst_lightning.data.encoding import quantise
from nst_lightning.data.image_pair import pictures_of
from nst_lightning.data.resizing import at_most, fit_long_side
from nst_lightning.session import open_run

SIDE = 512
"""Long side, at most, of the picture on the way, in pixels."""
_EVERY = 1.0
"""Seconds between two pictures on the way, at least."""


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
        session.run(StyleProgressBar(functools.partial(_Bar, jobs)), _Feed(jobs))
    except BaseException:
        gallery.forget(folder)
        raise
    seconds, steps = time.monotonic() - began, session.trainer.global_step
    gallery.finish(folder, job, seconds, steps, stopped=not session.finished)
    return session.picture_path


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


class _Feed(Callback):
    """Shows the picture on the way, and ends the run where that was asked for."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs, self._shown = jobs, 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show the picture once a second, while somebody looks."""
        if self._jobs.stop.is_set():
            trainer.should_stop = True
        now = time.monotonic()
        if not self._jobs.watched or now - self._shown < _EVERY:
            return
        self._shown = now
        if (picture := _as_pillow(trainer, pl_module)) is not None:
            self._jobs.report(picture=picture)


def _as_pillow(trainer: Trainer, model: Any) -> Image.Image | None:
    """Return the picture in the size in which all of a run's are shown; None if it is not one."""
    pair = pictures_of(trainer)
    pixels, alpha = at_most(model.picture(), pair.alpha, SIDE)
    if not bool(torch.isfinite(pixels).all()):
        return None
    picture = Image.fromarray(quantise(pixels, alpha, 8))
    width, height = pair.largest
    if max(width, height) > SIDE:
        height, width = fit_long_side(width, height, SIDE)
    return picture.resize((width, height), Image.Resampling.BICUBIC)
