"""Runs the runs of a grid in one process: encoders and targets are made once."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.cli import LightningArgumentParser
from torch import Tensor

from nst_lightning.callbacks import ImageCheckpoint, RunSummary, StyleProgressBar
from nst_lightning.callbacks.weight_schedule import WeightSchedule
from nst_lightning.checkpoint_io import checkpoint_step
from nst_lightning.cli import StyleCLI, fit
from nst_lightning.data.image_pair import STARTS
from nst_lightning.data.sources import source_digest
from nst_lightning.encoder import VGG19Encoder
from nst_lightning.grids.snapshots import Snapshots
from nst_lightning.grids.spec import Run
from nst_lightning.losses.term import Reference
from nst_lightning.metrics.evaluate import STYLE_LAYERS, PictureMetrics
from nst_lightning.parser import find_config
from nst_lightning.quiet import quiet_lightning

_ENCODINGS = 4
_ENDLESS = 10**6


class _CheckedError(Exception):
    """Ends a run that was begun for its checks alone."""


class _ChecksOnly(Callback):
    """Lets a run go as far as all that ``fit`` checks, and no further; nothing is written yet."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Stop here."""
        raise _CheckedError


class _GridCLI(StyleCLI):
    """Parses and builds as ``fit`` does, with shared encoders, and leaves the running to us."""

    def __init__(self, args: list[str], encoders: dict[str, VGG19Encoder]) -> None:
        self.encoders = encoders
        super().__init__(args)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Let models that ask for the same encoder have one and the same."""
        super().add_arguments_to_parser(parser)
        parser.add_instantiator(self._encoder, VGG19Encoder)

    def _encoder(self, kind: type, *args: Any, **settings: Any) -> Any:
        settings.pop("applied_instantiation_links", None)
        key = repr((kind, args, sorted(settings.items())))
        if key not in self.encoders:
            self.encoders[key] = kind(*args, **settings)
        return self.encoders[key]

    def fit(self, **kwargs: Any) -> None:
        """Keep what the trainer is to be called with."""
        self.fit_arguments = kwargs


class Runner:
    """Makes the pictures of runs.

    Args:
        folder: Of all runs.
        measure: Also measure every picture (SSIM, style distance, ...).
    """

    def __init__(self, folder: Path, measure: bool = True) -> None:
        self.folder = folder
        self.measure = measure
        self._encoders: dict[str, VGG19Encoder] = {}
        self._references: dict[Any, Reference] = {}
        self._digest = cache(source_digest)
        self._metrics: tuple[Any, PictureMetrics] | None = None

    def rows(self, run: Run) -> dict[int, dict[str, Any]]:
        """Return step -> row of the snapshots that are there already."""
        found = {}
        for step in run.snapshots:
            path = self.folder / run.name / f"step-{step:05d}.json"
            if path.is_file():
                found[step] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def ready(self, runs: Iterable[Run]) -> list[Run]:
        """Return the runs as they are to be made: apart where their length matters.

        Raises:
            InputError: If a setting of one of them is wrong.
        """
        found = []
        for run in runs:
            cli = self._cli(run)
            pair = cli.datamodule
            sources = [pair.content_source, *pair.style_sources, pair.content_mask, pair.style_mask]
            if pair.init not in STARTS:
                sources.append(pair.init)
            pictures = [self._digest(source) for source in _flat(sources)]
            scheduled = any(isinstance(c, WeightSchedule) for c in cli.trainer.callbacks)  # type: ignore[attr-defined]
            apart = run.apart() if scheduled else [run]
            found += [replace(each, pictures=pictures) for each in apart]
        return found

    def check(self, run: Run) -> None:
        """Begin a run and leave it before its first step: whatever ``fit`` refuses is refused.

        Raises:
            InputError: If something about it is wrong.
        """
        # A cell is the picture of a run of its own length, and the shortest may be too short.
        cli = self._cli(run, min(run.snapshots))
        trainer: Any = cli.trainer
        schedules = [c for c in trainer.callbacks if isinstance(c, WeightSchedule)]
        trainer.callbacks = [*schedules, _ChecksOnly()]
        with quiet_lightning(), contextlib.suppress(_CheckedError):
            self._share(cli)
            fit(trainer, **cli.fit_arguments)

    def _cli(self, run: Run, steps: int | None = None, resume: bool = False) -> _GridCLI:
        with quiet_lightning():
            args = self._arguments(run, self.folder / run.name, steps or run.steps)
            return _GridCLI([*args, *(["--ckpt_path=last"] if resume else [])], self._encoders)

    def _can_go_on(self, run: Run, made: Mapping[int, Any]) -> bool:
        """Tell whether there is a checkpoint, and none of the missing pictures lies before it."""
        path = self.folder / run.name / "checkpoints" / "last.ckpt"
        if not path.is_file():
            return False
        first = min(step for step in run.snapshots if step not in made)
        return checkpoint_step(path) < first

    def make(self, run: Run, watch: Callback | None = None) -> dict[int, dict[str, Any]]:
        """Run, or go on with, what is missing of a run.

        Args:
            run: What to run.
            watch: A further callback, told of every step.

        Returns:
            Step -> row of all its snapshots; fewer if it was stopped.
        """
        if len(found := self.rows(run)) == len(run.snapshots):
            return found
        cli = self._cli(run, resume=self._can_go_on(run, found))
        with quiet_lightning():
            trainer: Any = cli.trainer
            unwanted = (RunSummary, ImageCheckpoint) + ((StyleProgressBar,) if watch else ())
            cli.datamodule.setup("fit")
            snapshots = Snapshots(run.snapshots, self._measure_for(cli) if self.measure else None)
            kept = [c for c in trainer.callbacks if not isinstance(c, unwanted)]
            # Before the checkpoint: a step is not done before its picture is kept.
            trainer.callbacks = [snapshots, *([watch] if watch else []), *kept]
            self._share(cli)
            fit(trainer, **cli.fit_arguments)
        return self.rows(run)

    @staticmethod
    def _arguments(run: Run, folder: Path, steps: int) -> list[str]:
        args = ["fit"]
        for config in run.configs:
            args += ["--config", str(find_config(config))]
        settings: Mapping[str, Any] = {
            "images.every_n_steps": 0,
            "images.save_best": False,
            **run.settings,
            **_length(run, steps),
            "trainer.default_root_dir": str(folder),
        }
        args += [
            f"--{key}={value if isinstance(value, str) else json.dumps(value)}"
            for key, value in settings.items()
        ]
        return args

    def _share(self, cli: StyleCLI) -> None:
        """Let runs with the same encoder share what it sees of contents and styles."""
        model: Any = cli.model
        key = id(model.encoder)
        encode = model.reference

        def reference(picture: Tensor, weight: float = 1.0) -> Reference:
            place = (key, tuple(picture.shape), picture.cpu().numpy().tobytes())
            if place not in self._references:
                while len(self._references) >= _ENCODINGS:
                    del self._references[next(iter(self._references))]
                self._references[place] = encode(picture)
            known = self._references[place]
            return Reference(known.image, known.features, weight)

        model.reference = reference

    def _measure_for(self, cli: StyleCLI) -> PictureMetrics:
        pair = cli.datamodule
        sources = (pair.content_source, *pair.style_sources, pair.size_rule)
        sizes = (pair.style_resize, pair.style_scale, pair.largest)
        key = (tuple(map(str, sources)), sizes, tuple(pair.blend))
        if self._metrics is None or self._metrics[0] != key:
            pair.use_scale(len(pair.scales))
            encoder = self._encoders.setdefault("metrics", VGG19Encoder(STYLE_LAYERS))
            measure = PictureMetrics(pair.content, pair.styles, encoder, pair.blend, learned=False)
            self._metrics = (key, measure)
            pair.use_scale(0)
        return self._metrics[1]


def _length(run: Run, steps: int) -> dict[str, int]:
    if run.whole:
        return {"trainer.max_epochs": run.epochs, "data.steps_per_epoch": steps // run.epochs}
    # Within one epoch without end, so that a grid with more epochs goes on from this one's last.
    return {
        **{"trainer.max_epochs": -1, "trainer.max_steps": steps},
        "data.steps_per_epoch": max(steps, _ENDLESS),
    }


def _flat(sources: Iterable[Any]) -> list[str]:
    """Return the files of lists of files in which some may be None."""
    nested = [source if isinstance(source, list) else [source] for source in sources]
    return [str(source) for group in nested for source in group if source is not None]
