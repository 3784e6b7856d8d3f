"""Runs the runs of a grid in one process: encoders and targets are made once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.cli import LightningArgumentParser
from torch import Tensor

from nst_lightning.callbacks import ImageCheckpoint, RunSummary, StyleProgressBar
from nst_lightning.cli import StyleCLI, fit
from nst_lightning.encoder import VGG19Encoder
from nst_lightning.grids.snapshots import Snapshots
from nst_lightning.grids.spec import Run
from nst_lightning.losses.term import Reference
from nst_lightning.metrics.evaluate import STYLE_LAYERS, PictureMetrics
from nst_lightning.parser import find_config
from nst_lightning.quiet import quiet_lightning

_ENCODINGS = 4


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
        self._metrics: tuple[Any, PictureMetrics] | None = None

    def rows(self, run: Run) -> dict[int, dict[str, Any]]:
        """Return step -> row of the snapshots that are there already."""
        found = {}
        for step in run.snapshots:
            path = self.folder / run.name / f"step-{step:05d}.json"
            if path.is_file():
                found[step] = json.loads(path.read_text(encoding="utf-8"))
        return found

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
        folder = self.folder / run.name
        with quiet_lightning():
            cli = _GridCLI(self._arguments(run, folder), self._encoders)
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
    def _arguments(run: Run, folder: Path) -> list[str]:
        args = ["fit"]
        for config in run.configs:
            args += ["--config", str(find_config(config))]
        settings: Mapping[str, Any] = {
            "images.every_n_steps": 0,
            "images.save_best": False,
            **run.settings,
            "trainer.max_epochs": 1,
            "data.steps_per_epoch": run.steps,
            "trainer.default_root_dir": str(folder),
        }
        args += [
            f"--{key}={value if isinstance(value, str) else json.dumps(value)}"
            for key, value in settings.items()
        ]
        if (folder / "checkpoints" / "last.ckpt").is_file():
            args.append("--ckpt_path=last")
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
        sources = (pair.content_source, *pair.style_sources, pair.size_rule, pair.style_scale)
        key = (tuple(map(str, sources)), pair.largest, tuple(pair.blend))
        if self._metrics is None or self._metrics[0] != key:
            pair.use_scale(len(pair.scales))
            encoder = self._encoders.setdefault("metrics", VGG19Encoder(STYLE_LAYERS))
            measure = PictureMetrics(pair.content, pair.styles, encoder, pair.blend, learned=False)
            self._metrics = (key, measure)
            pair.use_scale(0)
        return self._metrics[1]
