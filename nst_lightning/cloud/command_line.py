"""The launcher's command line: YAML below options, one-line errors, as train.py."""

import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Literal

from jsonargparse import Namespace
from jsonargparse.typing import NotEmptyStr

from nst_lightning.cloud.config import DECISIVE, AwsConfig, FilmConfig, JobConfig, Launch
from nst_lightning.cloud.tuning.space import Tuning
from nst_lightning.command_options import add_film, add_pictures, parse_command
from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.options import refuse_reserved
from nst_lightning.parser import OneLineParser
from nst_lightning.say import program

COMMANDS = {
    "launch": "Start the jobs that paint every content in every style, or a clip, watch them, "
    "bring the pictures back; assumed where no command is given.",
    "watch": "Go on with a launch or a search, from any machine: start, watch, collect.",
    "collect": "Bring back the pictures that are finished.",
    "stop": "Stop every job of a launch, or a search.",
    "relaunch": "Start the jobs that ended without a picture again, and only those.",
    "logs": "Print what a job has printed, from CloudWatch.",
    "tune": "Search the weights with SageMaker, or with Optuna on this machine.",
}

SETTINGS = (
    "Settings of a run, in a config; on the command line --settings.KEY VALUE, as in "
    "--settings.data.size 512."
)

RESERVED = {
    "data.content": "--contents",
    "data.style": "--styles",
    "trainer.default_root_dir": "--out",
    "ckpt_path": "the same launch again, which goes on from its checkpoints",
    "config": "--configs",
    "preview": "watch: nobody could open a job's page",
}
"""Settings that the launcher sets -> what to use instead."""
RESERVED_OF_A_CLIP = {"data.init": "nothing: a frame begins with the painting before it"}
SIDE = 384
"""Of a clip, as ``nst video`` has it."""


def parse(args: Sequence[str]) -> Namespace:
    """Read the command line.

    Args:
        args: ``launch`` is assumed where no command is given.

    Returns:
        The values of all options, ``command``, and ``launch``: of the YAML and the options; for
        ``watch`` and so on, where to find the launch.

    Raises:
        InputError: If something given is wrong.
    """
    if args and args[0] in ("-h", "--help"):
        parser = OneLineParser(
            prog=program("sagemaker"), description="Many paintings at once on Amazon SageMaker."
        )
        commands = parser.add_subcommands(required=True)
        for name, text in COMMANDS.items():
            commands.add_subcommand(name, OneLineParser(), help=text)
        parser.parse_args(args)
    named = args and not args[0].startswith("-")
    command, words = (args[0], args[1:]) if named else ("launch", args)
    if command not in COMMANDS:
        raise InputError(
            f"unknown command {command!r}{did_you_mean(command, COMMANDS)} ({', '.join(COMMANDS)})"
        )
    parser = _parser(command)
    try:
        values: Namespace = parser.instantiate(parse_command(parser, words, reserved=RESERVED))
    except InputError as error:
        if not re.search(r"^job\.environment[.:]|{.*environment", str(error)):
            raise
        key = str(error).partition(":")[0]
        raise InputError(
            f"{key}: environment variables are texts by their names, {{NAME: TEXT}}, a number in "
            "quotes; what was given may be secret and is not shown"
        ) from None
    if values.get("size") is not None:
        values.settings["data.size"] = values.size
    if command == "relaunch":  # what was given, without the defaults
        told = parser.parse_args(words, defaults=False).get("job")
        values.changes = told.as_dict() if told else {}
    film = _film(values) if values.get("clip") else None
    # Where a value is null, the default holds.
    given = {item.name: values.get(item.name) for item in fields(Launch)}
    given = {"contents": [], "styles": []} | {k: v for k, v in given.items() if v is not None}
    values.command, values.launch = command, Launch(**given, film=film)
    return values


def _film(values: Namespace) -> FilmConfig:
    """Return the clip that was asked for, and give its run the size that ``nst video`` has."""
    if values.contents:
        raise InputError("--clip: a launch paints a clip or --contents, not both")
    if isinstance(values.scenes, int) and values.scenes < 1:
        raise InputError(f"--scenes: {values.scenes} is not 1 or more, nor auto")
    refuse_reserved(values.settings, RESERVED_OF_A_CLIP)
    values.settings.setdefault("data.size", SIDE)
    told = {item.name: values.get(item.name) for item in fields(FilmConfig)}
    return FilmConfig(**{**told, "start": values["from"], "end": values.to})


def _parser(command: str) -> OneLineParser:
    prog = program(f"sagemaker {command}")
    parser = OneLineParser(prog=prog, description=COMMANDS[command])

    def flag(name: str, text: str) -> None:
        parser.add_argument(name, action="store_true", help=text)

    if command in ("launch", "tune"):
        parser.add_argument("--config", action="config", help="A YAML file, or several.")
        add_pictures(parser)
        parser.add_argument(
            "--size", type=int | None, help=f"Their data.size; of a clip {SIDE} if null."
        )
        parser.add_argument(
            "--configs",
            type=NotEmptyStr,
            nargs="+",
            default=[],
            help="Configurations of train.py, laid over one another.",
        )
        # parse_command reads them; jsonargparse would import the classes that they name, and torch.
        parser.add_argument("--settings", type=dict, default={}, help=SETTINGS)
        own = {"contents", "styles", "configs", "settings", "film"}
        parser.add_class_arguments(Launch, skip=own)
        flag("--dry_run", "Print every request and an estimate; call nothing.")
        flag("--rehearse", "Run it on this machine with AWS's toolkit, without AWS.")
        flag("--no_wait", "Start what the limits allow now, and come back later.")
    else:
        parser.add_argument("name", help="Name of the launch.")
        parser.add_argument("--out", type=str | None, help="Its folder; outputs/NAME if null.")
        parser.add_class_arguments(AwsConfig, "aws")
    if command == "launch":
        parser.add_argument(
            "--clip", type=NotEmptyStr | None, help="A clip to paint, as nst video does."
        )
        add_film(parser)
        parser.add_argument(
            "--scenes",
            type=int | Literal["auto"] | None,
            help="Cut the clip into so many parts at most, a job each, where scenes begin; auto: "
            "as many as run at once. One job if null.",
        )
        parser.add_argument(
            "--painted", type=str | None, help="The painted clip; OUT/painted.mp4 if null."
        )
    if command == "tune":
        parser.add_class_arguments(Tuning, "tuning")
        flag("--local", "Search with Optuna on this machine.")
    if command == "relaunch":
        parser.add_argument("--only", nargs="+", help="Keys of single jobs.")
        flag("--stopped", "Also what was stopped.")
        parser.add_class_arguments(JobConfig, "job", skip=DECISIVE)
    if command == "logs":
        parser.add_argument("key", help="Of the job, as the table has it.")
        flag("--follow", "Go on until the job has ended.")
    return parser
