"""The launcher's command line: YAML below options, one-line errors, as train.py."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from jsonargparse.typing import NotEmptyStr

from nst_lightning.cloud.config import AwsConfig, Launch
from nst_lightning.cloud.tuning.space import Tuning
from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.parser import OneLineParser, add_pictures, parse_command

COMMANDS = {
    "launch": "Start one job for every content and style, watch them, bring the pictures back.",
    "watch": "Go on with a launch from any machine: start, watch, collect.",
    "collect": "Bring back the pictures that are finished.",
    "stop": "Stop every job of a launch.",
    "relaunch": "Start the failed and lost jobs again, and only those.",
    "tune": "Search the weights with SageMaker, or with Optuna on this machine.",
}


RESERVED = {
    "data.content": "--contents",
    "data.style": "--styles",
    "trainer.default_root_dir": "--out",
    "ckpt_path": "the same launch again, which goes on from its checkpoints",
    "config": "--configs",
}
"""Settings that the launcher sets -> what to use instead."""


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
    if words and words[0] in ("-h", "--help"):
        _overview().parse_args(words)
    if not words or words[0].startswith("-"):
        words = ["launch", *words]
    command, *words = words
    if command not in COMMANDS:
        raise InputError(
            f"unknown command {command!r}{did_you_mean(command, COMMANDS)} ({', '.join(COMMANDS)})"
        )
    parser = _parser(command)
    values = parser.instantiate(parse_command(parser, words, reserved=RESERVED))
    if values.get("size") is not None:
        values.settings["data.size"] = values.size
    launch = Launch(**{"contents": [], "styles": [], **_fields_of(Launch, values)})
    return Request(**{**_fields_of(Request, values), "command": command, "launch": launch})


def _fields_of(kind: type, values: Any) -> dict[str, Any]:
    """Return those values that a dataclass has fields for; where one is null, its default holds."""
    names = [item.name for item in fields(kind)]
    return {name: values[name] for name in names if values.get(name) is not None}


def _overview() -> OneLineParser:
    parser = OneLineParser(
        prog="launch.py", description="Many paintings at once on Amazon SageMaker."
    )
    commands = parser.add_subcommands(required=True)
    for name, text in COMMANDS.items():
        commands.add_subcommand(name, _parser(name), help=text)
    return parser


def _parser(command: str) -> OneLineParser:
    parser = OneLineParser(prog=f"launch.py {command}", description=COMMANDS[command])
    if command in ("launch", "tune"):
        parser.add_argument("--config", action="config", help="A YAML file, or several.")
        add_pictures(parser)
        parser.add_argument("--size", type=int | None, help="Their data.size.")
        parser.add_argument(
            "--configs",
            type=NotEmptyStr,
            nargs="+",
            default=[],
            help="Configurations of train.py, laid over one another.",
        )
        parser.add_class_arguments(Launch, skip={"contents", "styles", "configs"})
        _flag(parser, "--dry_run", "Print every request and an estimate; call nothing.")
        _flag(parser, "--rehearse", "Run it on this machine with AWS's toolkit, without AWS.")
    else:
        parser.add_argument("name", help="Name of the launch.")
        parser.add_argument("--out", type=str | None, help="Its folder; outputs/NAME if null.")
        parser.add_class_arguments(AwsConfig, "aws")
    if command == "launch":
        _flag(parser, "--no_wait", "Start what the limits allow now, and come back later.")
    if command == "tune":
        parser.add_class_arguments(Tuning, "tuning")
        _flag(parser, "--local", "Search with Optuna on this machine.")
    if command == "relaunch":
        parser.add_argument("--only", nargs="+", help="Keys of single jobs.")
        _flag(parser, "--stopped", "Also what was stopped.")
    return parser


def _flag(parser: OneLineParser, name: str, text: str) -> None:
    """Add an option without a value."""
    parser.add_argument(name, action="store_true", help=text)
