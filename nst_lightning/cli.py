"""The command line: a LightningCLI with named terms and one-line errors."""

import contextlib
import importlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

# Lightning 2.6 uses calls that jsonargparse 5 removes; the pin in pyproject.toml answers that.
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
# Large tensors in large pages, where the system has them; torch asks once, so before its import.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from nst_lightning.callbacks import (
    GracefulStop,
    ImageCheckpoint,
    LossExplosion,
    RunCheckpoint,
    RunSummary,
    StyleProgressBar,
)
from nst_lightning.checkpoint_io import WholeCheckpointIO, checkpoint_settings
from nst_lightning.csv_logger import RunCSVLogger
from nst_lightning.data.image_pair import ImagePair
from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.files import atomic_write, check_folder
from nst_lightning.memory import keep_memory
from nst_lightning.module import NeuralStyleTransfer
from nst_lightning.nulls import refuse_nulls
from nst_lightning.parser import OneLineParser, find_configs
from nst_lightning.quiet import quiet_lightning
from nst_lightning.settings import differing, public_settings

SUBCOMMANDS = {
    "fit": "Paint a picture. What a term or the optimiser takes: --model.style.help and so on.",
    "test": "Measure a finished picture; needs --ckpt_path.",
}
COMMANDS = {
    "compare": (
        "nst_lightning.compare.command",
        "Paint contents x styles and measure them beside fast style transfer, on a page.",
    ),
    "artworks": (
        "nst_lightning.artworks.command",
        "Count and measure a folder of paintings, with tables and figures.",
    ),
    "grid": (
        "nst_lightning.grids.command",
        "Paint any settings times any values, on one labelled sheet and in one table.",
    ),
}
"""Commands that are not one run of the trainer: the module whose ``main(args)`` returns the exit
code, imported when it is asked for, and a line of help."""
DEFAULTS = Path(__file__).with_name("defaults.yaml")
INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C


class SaveRunConfig(SaveConfigCallback):
    """Writes ``config.yaml`` once the run really starts, so that a refused run leaves nothing."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write nothing yet."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the configuration that repeats this run."""
        config = self.config.clone()
        config.pop("config", None)
        config.pop("ckpt_path", None)
        path = Path(trainer.default_root_dir, self.config_filename)
        with atomic_write(path) as part:
            part.write_text(self.parser.dump(config, skip_none=False), encoding="utf-8")


class StyleCLI(LightningCLI):
    """LightningCLI for :class:`NeuralStyleTransfer` on an :class:`ImagePair`.

    Three callbacks have keys of their own (``images``, ``checkpoint``, ``explosion``); further ones
    go into ``trainer.callbacks``.
    """

    def __init__(self, args: list[str], run: bool = True) -> None:
        self.resumed_from: Path | None = None
        defaults: dict[str, Any] = {"default_config_files": [str(DEFAULTS)]}
        super().__init__(
            NeuralStyleTransfer,
            ImagePair,
            save_config_callback=SaveRunConfig,
            trainer_defaults={
                **{"devices": 1, "logger": True, "log_every_n_steps": 1},
                "enable_model_summary": False,
            },
            seed_everything_default=0,
            parser_class=OneLineParser,
            parser_kwargs={
                "description": "Neural style transfer; fit is assumed where no command is given.",
                **{name: defaults | {"description": text} for name, text in SUBCOMMANDS.items()},
            }
            if run
            else defaults,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=args,
            run=run,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Only what makes sense for one picture."""
        known = LightningCLI.subcommands()
        return {name: known[name] | {"verbose", "weights_only"} for name in SUBCOMMANDS}

    def _add_subcommands(self, parser: LightningArgumentParser, **kwargs: Any) -> None:
        """List the other commands, too; :func:`main` has taken them before anything is parsed."""
        super()._add_subcommands(parser, **kwargs)
        for name, (_, text) in COMMANDS.items():
            empty = OneLineParser(description=text)
            listed: Any = parser._subcommands_action
            listed.add_subcommand(name, empty, help=text)

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
            help="Also log to TensorBoard, with pictures.",
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse; with a checkpoint its settings go below the configs and the command line."""
        super().parse_arguments(parser, args)
        command = self.config.get("subcommand")
        if command is None or not self.config[command].get("ckpt_path"):
            return
        path = self._find_checkpoint(command)
        self.config[command]["ckpt_path"] = path and str(path)
        if path is None:
            return
        settings = checkpoint_settings(path)
        with tempfile.TemporaryDirectory() as folder:
            below = Path(folder, "checkpoint.yaml")
            below.write_text(yaml.safe_dump(settings), encoding="utf-8")
            super().parse_arguments(parser, [command, "--config", str(below), *args[1:]])
        self.config[command]["ckpt_path"] = str(path)
        self._dump_config()
        for key, now, then in differing(self.config_dump, settings):
            print(f"note: {key} is {now} (the checkpoint was made with {then})", file=sys.stderr)
        del self.config_dump

    def _find_checkpoint(self, command: str) -> Path | None:
        given = self.config[command].ckpt_path
        if given != "last":
            if not Path(given).is_file():
                raise InputError(
                    f"--ckpt_path: there is no file {given}; give a checkpoint, or last"
                )
            return Path(given)
        path = Path(self.config[command].trainer.default_root_dir, "checkpoints", "last.ckpt")
        if path.is_file():
            return path
        if command == "fit":
            print(
                f"note: no checkpoint yet at {path}; starting from the beginning", file=sys.stderr
            )
            return None
        raise InputError(f"--ckpt_path: there is no {path}; run fit first, or give a path")

    def _parse_ckpt_path(self) -> None:
        """Do nothing: Lightning's way lets the checkpoint beat the command line."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Add the callbacks and loggers that every run has."""
        config = self._get(self.config_init, "trainer")
        root = config["default_root_dir"]
        if root is None:
            raise InputError("trainer.default_root_dir: null is no folder; name one")
        if self.subcommand == "fit":
            check_folder(root)
        if config["devices"] not in (1, "1", "auto", -1, "-1") or config["num_nodes"] != 1:
            raise InputError("trainer.devices: one picture is optimised on one device; use 1")
        config["devices"] = 1
        callbacks = [GracefulStop(), RunSummary()]
        if config.pop("enable_progress_bar") is not False:
            callbacks.append(StyleProgressBar())
        self.trainer_defaults["callbacks"] = callbacks
        config["enable_progress_bar"] = False
        config["logger"] = self._loggers(config["logger"], root)
        plugins = config["plugins"] or []
        config["plugins"] = [
            *(plugins if isinstance(plugins, list) else [plugins]),
            WholeCheckpointIO(),
        ]
        try:
            return super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, ValueError) as error:
            raise InputError(f"trainer: {error}") from error

    def instantiate_classes(self) -> None:
        """Build the objects; what one of them says of a wrong value becomes the whole message."""
        config = self.config[self.subcommand] if self.subcommand else self.config
        refuse_nulls(
            config.as_dict(),
            {
                **{"model": NeuralStyleTransfer, "data": ImagePair, "trainer": Trainer},
                **{"explosion": LossExplosion, "images": ImageCheckpoint},
                "checkpoint": RunCheckpoint,
            },
        )
        try:
            super().instantiate_classes()
        except ValueError as error:
            raise innermost(error) from error

    def _loggers(self, given: Any, root: str) -> Any:
        if given is False or self.subcommand != "fit":
            return False
        loggers = given if isinstance(given, list) else [] if given in (None, True) else [given]
        if self._get(self.config_init, "tensorboard"):
            from lightning.pytorch.loggers import TensorBoardLogger

            try:
                loggers.append(TensorBoardLogger(root, name="", version="tensorboard"))
            except ModuleNotFoundError as error:
                raise InputError("--tensorboard: install the package tensorboard first") from error
        return [RunCSVLogger(root), *loggers]

    def after_instantiate_classes(self) -> None:
        """Tell the model what a checkpoint and a picture's metadata should say."""
        self._dump_config()
        dump = self.config_dump
        self.model.settings = {key: dump[key] for key in ("seed_everything", "model", "data")}
        # Where somebody keeps a data set or a mask is nobody's business.
        hidden = ("artworks", "content_mask", "style_mask")
        data = {key: value for key, value in dump["data"].items() if key not in hidden}
        self.model.public_settings = public_settings(dump | {"data": data})

    def fit(self, **kwargs: Any) -> None:
        """Run the trainer."""
        fit(self.trainer, **kwargs)

    def test(self, **kwargs: Any) -> None:
        """Measure a finished picture and print a table."""
        from nst_lightning.metrics.table import print_measures

        if not kwargs.get("ckpt_path"):
            raise InputError("test needs --ckpt_path: give a checkpoint, or last")
        with quiet_lightning():
            measures = self.trainer.test(verbose=False, **kwargs)[0]
        print_measures(measures, self.model.unavailable_measures)


def fit(trainer: Trainer, **kwargs: Any) -> None:
    """Run a trainer; Ctrl-C stays a KeyboardInterrupt, where Lightning calls ``sys.exit(1)``."""
    listening = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(**kwargs)
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        # Lightning lets the process ignore Ctrl-C from here on; a notebook lives on and needs it.
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGINT, listening)
        raise stop.__context__ from None


def main(args: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        args: Arguments; those of the process if None.

    Returns:
        The exit code: 0, 2 for a mistake in what was given, 130 if the run was stopped by Ctrl-C.
    """
    args = list(sys.argv[1:] if args is None else args)
    try:
        if args and args[0] in COMMANDS:
            prepare_process()
            code: int = importlib.import_module(COMMANDS[args[0]][0]).main(args[1:])
            return code
        cli = run(args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    callbacks: list[Any] = cli.trainer.callbacks  # type: ignore[attr-defined]
    asked = any(getattr(callback, "received", None) for callback in callbacks)
    stopped = asked and not RunCheckpoint.finished(cli.trainer)
    if stopped:
        print("stopped; the same command with --ckpt_path last goes on from here", file=sys.stderr)
    return INTERRUPTED if stopped else 0


def run(args: list[str]) -> StyleCLI:
    """Parse the arguments, run, and return the command line with its trainer, model and data.

    Args:
        args: Arguments; ``fit`` is assumed where no subcommand is given.

    Raises:
        InputError: If something given is wrong.
    """
    prepare_process()
    args = find_configs(with_subcommand(args))
    with quiet_lightning():
        return StyleCLI(args)


def prepare_process() -> None:
    """Keep memory for reuse, and look for the user's own classes where the program was started."""
    keep_memory()
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))


def innermost(error: BaseException) -> InputError:
    """Find the line that a class wrote, under jsonargparse's list of alternatives."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):
            return cause
        cause = cause.__cause__ or cause.__context__
    said = [line.strip(" -") for line in str(error).splitlines() if line.startswith("  - ")]
    return InputError(said[0] if said else str(error))


def with_subcommand(args: list[str]) -> list[str]:
    """Put ``fit`` first unless a subcommand or a plea for help is there.

    Raises:
        InputError: If the first word is neither.
    """
    if not args or args[0] in ("-h", "--help", "--version"):
        return args or ["fit"]
    if args[0].startswith("-"):
        return ["fit", *args]
    if args[0] not in SUBCOMMANDS:
        known = [*SUBCOMMANDS, *COMMANDS]
        raise InputError(
            f"unknown command {args[0]!r}{did_you_mean(args[0], known)} ({', '.join(known)})"
        )
    return args
