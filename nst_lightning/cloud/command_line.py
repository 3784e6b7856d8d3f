"""The launcher's command line: YAML below options, one-line errors, as train.py."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from nst_lightning.cloud.config import AwsConfig, Launch
from nst_lightning.cloud.hyperparameters import flatten
from nst_lightning.cloud.tuning.space import Tuning
from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.parser import OneLineParser

CONFIGS = Path(__file__).parents[2] / "configs" / "sagemaker"

COMMANDS = {
    "launch": "Start one job for every content and style, watch them, bring the pictures back.",
    "watch": "Go on with a launch from any machine: start, watch, collect.",
    "collect": "Bring back the pictures that are finished.",
    "stop": "Stop every job of a launch.",
    "relaunch": "Start the failed and lost jobs again, and only those.",
    "tune": "Search the weights with SageMaker, or with Optuna on this machine.",
}


@dataclass
class Request:
    """What was asked for.

    Attributes:
        command: One of COMMANDS.
        launch: Of the YAML and the options; for watch and so on, where to find the launch.
        tuning: For ``tune``.
        dry_run: Print the requests; call nothing.
        rehearse: Run it on this machine.
        no_wait: Start what the limits allow, and come back later.
        local: Search on this machine.
        only: Keys of the jobs to relaunch; all if None.
        stopped: Also relaunch what was stopped.
    """

    command: str
    launch: Launch
    tuning: Tuning | None = None
    dry_run: bool = False
    rehearse: bool = False
    no_wait: bool = False
    local: bool = False
    only: list[str] | None = None
    stopped: bool = False


def parse(args: Sequence[str]) -> Request:
    """Read the command line.

    Args:
        args: ``launch`` is assumed where no command is given.

    Raises:
        InputError: If something given is wrong.
    """
    words = list(args)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = ["launch", *words]
    if words[0] not in (*COMMANDS, "-h", "--help"):
        raise InputError(
            f"unknown command {words[0]!r}{did_you_mean(words[0], COMMANDS)} "
            f"({', '.join(COMMANDS)})"
        )
    words, settings = _take_settings(_find_configs(words))
    parser = _parser()
    parsed = parser.instantiate_classes(parser.parse_args(words))
    values = parsed[parsed.subcommand]
    launch = Launch(**{"contents": [], "styles": [], **_fields_of(Launch, values)})
    files = [str(path) for path in values.get("config") or []]
    launch = replace(launch, settings={**_settings_of(files), **settings})
    options = _fields_of(Request, values)
    return Request(**{**options, "command": parsed.subcommand, "launch": launch})


def _fields_of(kind: type, values: Any) -> dict[str, Any]:
    """Return those values that a dataclass has fields for."""
    return {item.name: values[item.name] for item in fields(kind) if item.name in values}


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="launch.py", description="Many paintings at once on Amazon SageMaker."
    )
    commands = parser.add_subcommands(required=True)
    for name, text in COMMANDS.items():
        sub = OneLineParser(description=text)
        if name in ("launch", "tune"):
            sub.add_argument("--config", action="config", help="A YAML file, or several.")
            _list(sub, "--contents", "Pictures to be painted: paths, URLs or sample:NAME.")
            _list(sub, "--styles", "Pictures to paint like.")
            _list(sub, "--configs", "Configurations of train.py, laid over one another.")
            sub.add_class_arguments(Launch, skip={"contents", "styles", "configs"})
            _flag(sub, "--dry_run", "Print every request and an estimate; call nothing.")
            _flag(sub, "--rehearse", "Run it on this machine with AWS's toolkit, without AWS.")
        else:
            sub.add_argument("name", help="Name of the launch.")
            sub.add_argument("--out", type=str | None, help="Its folder; outputs/NAME if null.")
            sub.add_class_arguments(AwsConfig, "aws")
        if name == "launch":
            _flag(sub, "--no_wait", "Start what the limits allow now, and come back later.")
        if name == "tune":
            sub.add_class_arguments(Tuning, "tuning")
            _flag(sub, "--local", "Search with Optuna on this machine.")
        if name == "relaunch":
            sub.add_argument("--only", nargs="+", help="Keys of single jobs.")
            _flag(sub, "--stopped", "Also what was stopped.")
        commands.add_subcommand(name, sub, help=text)
    return parser


def _flag(parser: OneLineParser, name: str, text: str) -> None:
    """Add an option without a value."""
    parser.add_argument(name, action="store_true", help=text)


def _list(parser: OneLineParser, name: str, text: str) -> None:
    """Add an option with several values."""
    parser.add_argument(name, type=str, nargs="+", default=[], help=text)


def _find_configs(words: list[str]) -> list[str]:
    """Let ``--config fanout.yaml`` find ``configs/sagemaker/fanout.yaml``."""
    found = list(words)
    for index, word in enumerate(words):
        if word == "--config" and index + 1 < len(words):
            found[index + 1] = str(find_config(words[index + 1]))
        elif word.startswith("--config="):
            found[index] = f"--config={find_config(word.removeprefix('--config='))}"
    return found


def find_config(name: str) -> Path:
    """Return the path of a launch's YAML given by path or by name.

    Raises:
        InputError: If it is nowhere, or no YAML.
    """
    candidates = [Path(name), *(CONFIGS / (name + end) for end in ("", ".yaml"))]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        known = sorted(p.stem for p in CONFIGS.glob("*.yaml"))
        raise InputError(
            f"--config: there is no file {name}{did_you_mean(Path(name).stem, known)} "
            f"(in configs/sagemaker/: {', '.join(known)})"
        )
    _read(path)
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"--config: {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"--config: {path} holds no settings; write keys such as contents:")
    return content


def _settings_of(files: list[str]) -> dict[str, Any]:
    """Return the settings of YAML files as they stand there: a quoted '007' stays text."""
    merged: dict[str, Any] = {}
    for file in files:
        given = _read(Path(file)).get("settings") or {}
        if not isinstance(given, dict):
            raise InputError(f"settings: {file} gives no keys and values there")
        merged |= flatten(given)
    return merged


def _take_settings(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Take ``--settings.KEY VALUE`` out of the command line: train.py's to read, in the job."""
    kept: list[str] = []
    settings: dict[str, str] = {}
    queue = iter(words)
    for word in queue:
        if not word.startswith("--settings."):
            kept.append(word)
            continue
        key, equals, value = word.removeprefix("--settings.").partition("=")
        if not equals:
            given = next(queue, None)
            if given is None:
                raise InputError(f"--settings.{key}: give a value")
            value = given
        settings[key] = value
    return kept, settings
