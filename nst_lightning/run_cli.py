"""Lightning's command line class as the builder of one run: from settings to its parts."""

import copy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from nst_lightning.board import make_logger
from nst_lightning.callbacks import (
    GracefulStop,
    ImageCheckpoint,
    LossExplosion,
    RunCheckpoint,
    RunSummary,
    StyleProgressBar,
)
from nst_lightning.checkpoint_io import WholeCheckpointIO, checkpoint_settings, checkpoint_step
from nst_lightning.command_options import add_overwrite
from nst_lightning.csv_logger import RunCSVLogger
from nst_lightning.data.image_pair import ImagePair
from nst_lightning.data.images import Picture
from nst_lightning.data.metadata import public_settings
from nst_lightning.encoder import VGG19Encoder
from nst_lightning.errors import InputError
from nst_lightning.files import check_folder, local_path
from nst_lightning.given import with_other_terms
from nst_lightning.module import NeuralStyleTransfer
from nst_lightning.nulls import refuse_nulls
from nst_lightning.objective import SharedTargets
from nst_lightning.options import DEFAULTS, Settings, differing
from nst_lightning.parser import OneLineErrors, innermost, local_configs
from nst_lightning.preview import PreviewAddress, previews, with_address
from nst_lightning.processor import usable_accelerator
from nst_lightning.refusals import check_callbacks
from nst_lightning.run_config import SaveRunConfig
from nst_lightning.run_place import find_place, made_of, name_of, refuse_others
from nst_lightning.say import say
from nst_lightning.short_names import LOOK, OUT, SHORT_NAMES

PARTS = frozenset({"summary", "progress", "pictures", "checkpoints"})
"""What a run may be opened without: the closing lines, the bar, all pictures, all checkpoints."""


class RunParser(OneLineErrors, LightningArgumentParser):
    """Lightning's parser with one-line errors; ``short`` are names spelled out before it."""

    short = tuple(f"--{name}" for name in (*SHORT_NAMES, LOOK, OUT))


class RunCLI(LightningCLI):
    """Builds :class:`NeuralStyleTransfer`, :class:`ImagePair` and a trainer, and runs nothing.

    Three callbacks have keys of their own (``images``, ``checkpoint``, ``explosion``); further ones
    go into ``trainer.callbacks``.

    Args:
        given: Words of a command line, or mappings of settings that are laid over one another.
        command: ``fit`` or ``test``.
        parts: Which of :data:`PARTS` the run has.
        shared: Encoders and targets of other runs, to be used again.
        resume: Checkpoint to go on from where ``given`` names none: a path, or ``last``.
        content: The content, where it is not what ``data.content`` names.
        styles: The same for ``data.style``.

    Raises:
        InputError: If something given is wrong.
    """

    model: NeuralStyleTransfer
    datamodule: ImagePair

    def __init__(
        self,
        given: Sequence[Any],
        command: str = "fit",
        *,
        parts: frozenset[str] = PARTS,
        shared: SharedTargets | None = None,
        resume: str | None = None,
        content: Picture | None = None,
        styles: Sequence[Picture] | None = None,
    ) -> None:
        self.command, self.parts, self.shared, self.resume = command, parts, shared, resume
        self._content, self._styles = content, styles
        self.writes = not parts.isdisjoint({"pictures", "checkpoints"})
        self.stop = GracefulStop()
        super().__init__(
            NeuralStyleTransfer,
            ImagePair,
            save_config_callback=SaveRunConfig if self.writes else None,
            trainer_defaults={
                "devices": 1,
                "logger": True,
                "log_every_n_steps": 1,
                "enable_model_summary": False,
            },
            seed_everything_default=0,
            parser_class=RunParser,
            parser_kwargs={
                "prog": f"{Path(sys.argv[0]).name} {command}",
                "description": _DESCRIPTIONS[command],
                "default_config_files": [str(DEFAULTS)],
                "allow_abbrev": False,
            },
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=with_address(given),
            run=False,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Give the framework's callbacks keys of their own."""
        # In the order of their hooks: the guard mends the picture before it is written.
        parser.add_lightning_class_args(LossExplosion, "explosion")
        parser.add_lightning_class_args(ImageCheckpoint, "images")
        parser.add_lightning_class_args(RunCheckpoint, "checkpoint")
        parser.add_argument(
            "--tensorboard",
            type=bool,
            default=False,
            help="Log to TensorBoard, with pictures.",
        )
        add_overwrite(parser, "another run left in the folder, or in the file --out.")
        parser.add_argument(
            "--preview",
            type=bool | PreviewAddress,
            nargs="?",
            const=True,
            default=False,
            help="Show the picture in a browser as it is painted: at an address that is printed.",
        )
        parser.add_argument(
            "--ckpt_path",
            type=str | None,
            default=self.resume,
            help="Checkpoint to go on from, or to measure: a path, or last.",
        )
        if self.shared is not None:
            parser.add_instantiator(self.shared.encoder, VGG19Encoder)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse; with a checkpoint its settings go below the configs and the command line."""
        self.config = self._parsed(parser, args, {})
        self._refuse_nulls()
        self._settle_paths()
        last = self.config.ckpt_path == "last"
        if last or self.config.ckpt_path is None:
            self._settle_folder(goes_on=last)
        path = None if self.config.ckpt_path is None else self._find_checkpoint()
        if path is not None:
            settings = checkpoint_settings(path)
            root = self.config.trainer.default_root_dir if last else None
            self.config = self._parsed(parser, args, settings)
            self._refuse_nulls()
            self._settle_paths()
            self._settle_folder(root)
            self._dump_config()
            for key, now, then in differing(self.config_dump, settings):
                say(f"note: {key} is {now} (the checkpoint was made with {then})", error=True)
            del self.config_dump
        self.config.ckpt_path = path and str(path)
        if self.writes and self.command == "fit":
            there = {"goes_on": path is not None, "overwrite": self.config.overwrite}
            place = Path(self.config.trainer.default_root_dir)
            refuse_others(place, self.made_of, self.config.images.out, **there)

    def _refuse_nulls(self) -> None:
        classes: dict[str, type] = {
            "model": NeuralStyleTransfer,
            "data": ImagePair,
            "trainer": Trainer,
            "explosion": LossExplosion,
            "images": ImageCheckpoint,
            "checkpoint": RunCheckpoint,
        }
        given = self.config.as_dict()
        # A null with keys laid over it has those keys alone.
        if "content" not in (given["data"] or {}):
            given["data"] = None
        refuse_nulls(given, classes)

    def _settle_paths(self) -> None:
        """Expand ``~`` once, before anything asks where the run's folder is; refuse addresses."""
        for group, key in ((self.config.trainer, "default_root_dir"), (self.config, "ckpt_path")):
            if group[key] is not None:
                try:
                    group[key] = str(local_path(group[key]))
                except InputError as error:
                    name = f"--{key}" if group is self.config else f"trainer.{key}"
                    raise InputError(f"{name}: {error}") from error

    def _settle_folder(self, found: str | None = None, *, goes_on: bool = False) -> None:
        """Give the run its folder, unless that was found already."""
        data, trainer = self.config.data, self.config.trainer
        named = trainer.default_root_dir
        if named is None:
            raise InputError("trainer.default_root_dir: null is no folder; name one")
        content = data.content if self._content is None else self._content
        styles = data.style if isinstance(data.style, list) else [data.style]
        self.made_of = made_of(self.config.as_dict(), content, self._styles or styles)
        if found is None:
            again = goes_on or self.command == "test"
            anew = not self.writes or self.config.overwrite
            name = name_of(data.content, styles)
            found = str(find_place(named, name, self.made_of, goes_on=again, anew=anew))
        trainer.default_root_dir = found
        self.save_config_kwargs = {"named_folder": named, "made_of": self.made_of}

    @staticmethod
    @local_configs()
    def _parsed(parser: LightningArgumentParser, given: Sequence[Any], below: Settings) -> Any:
        lowest = parser.parse_object(copy.deepcopy(dict(below)))  # which it changes
        if all(isinstance(word, str) for word in given):
            return parser.parse_args(list(given), lowest) if below else parser.parse_args(given)
        config = lowest
        for layer in given:
            # As the command line does: one after another, and what is not named stays.
            config = parser.parse_object(with_other_terms(layer, config), config, defaults=False)
        # A class that was named anew gets its defaults, which the run's files then state.
        return parser.parse_object({}, config)

    def _find_checkpoint(self) -> Path | None:
        given = self.config.ckpt_path
        if given != "last":
            if not Path(given).is_file():
                raise InputError(
                    f"--ckpt_path: there is no file {given}; give a checkpoint, or last"
                )
            return Path(given)
        path = Path(self.config.trainer.default_root_dir, "checkpoints", "last.ckpt")
        if path.is_file():
            return path
        if self.command == "fit":
            say(f"note: no checkpoint yet at {path}; starting from the beginning", error=True)
            return None
        raise InputError(f"--ckpt_path: there is no {path}; run fit first, or give a path")

    def instantiate_classes(self) -> None:
        """Build the objects; what one of them says of a wrong value becomes the whole message."""
        try:
            super().instantiate_classes()
        except ValueError as error:
            raise innermost(error) from error

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with the callbacks and loggers that the run is to have."""
        built = self.config_init
        self.images: ImageCheckpoint = built["images"]
        self.explosion: LossExplosion = built["explosion"]
        config = {**built["trainer"], **kwargs}
        root = config["default_root_dir"]
        if self.command == "fit" and self.writes:
            check_folder(root)
        if config["devices"] not in (1, "1", "auto", -1, "-1") or config["num_nodes"] != 1:
            raise InputError("trainer.devices: one picture is optimised on one device; use 1")
        config["devices"] = 1
        config["accelerator"] = usable_accelerator(config["accelerator"])
        given = config["callbacks"] or []
        given = given if isinstance(given, list) else [given]
        check_callbacks(given)
        theirs = any(isinstance(callback, ProgressBar) for callback in given)
        checkpoints = "checkpoints" in self.parts and config["enable_checkpointing"] is not False
        shows_progress = config["enable_progress_bar"] is not False and "progress" in self.parts
        config["callbacks"] = [
            *given,
            self.explosion,
            *([self.images] if "pictures" in self.parts else []),
            *([built["checkpoint"]] if checkpoints else []),
            self.stop,
            *([StyleProgressBar()] if shows_progress and not theirs else []),
            *(previews(built["preview"]) if self.command == "fit" else []),
            *([RunSummary(self.images)] if "summary" in self.parts else []),
        ]
        config["enable_progress_bar"] = theirs
        config["enable_checkpointing"] = checkpoints
        config["logger"] = self._loggers(config["logger"], root)
        plugins = config["plugins"] or []
        config["plugins"] = [
            *(plugins if isinstance(plugins, list) else [plugins]),
            LightningEnvironment(),  # of one process, wherever a cluster's variables say it is
            WholeCheckpointIO(),
        ]
        try:
            return self._instantiate_trainer(config, [])
        except (MisconfigurationException, ValueError) as error:
            raise InputError(f"trainer: {error}") from error

    def _loggers(self, given: Any, root: str) -> Any:
        if given is False or self.command != "fit" or not self.writes:
            return False
        loggers = given if isinstance(given, list) else [] if given in (None, True) else [given]
        if self.config_init["tensorboard"]:
            path = self.config.ckpt_path
            step = checkpoint_step(Path(path)) if path else 0
            try:
                loggers.append(make_logger(root, self.config.as_dict(), step))
            except ModuleNotFoundError as error:
                raise InputError("--tensorboard: install the package tensorboard first") from error
        return [RunCSVLogger(root), *loggers]

    def after_instantiate_classes(self) -> None:
        """Give the model what a checkpoint and a picture's metadata should say."""
        try:
            self._dump_config()
        except ValueError as error:
            raise innermost(error) from error
        dump = self.config_dump
        self.model.settings = {key: dump[key] for key in ("seed_everything", "model", "data")}
        self.model.public_settings = public_settings(dump)
        self.model.objective.shared = self.shared


_DESCRIPTIONS: Mapping[str, str] = {
    "fit": "Paint a picture. What a term or the optimiser takes: --model.style.help and so on.",
    "test": "Measure a finished picture; needs --ckpt_path.",
}
