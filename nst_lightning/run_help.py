"""The help of ``fit`` and ``test``: what matters first, and of a class what is in effect."""

import argparse
import inspect
import pkgutil
import re
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

from nst_lightning.given import looks, spell_out
from nst_lightning.options import DEFAULTS, lookup, read_yaml
from nst_lightning.say import program, say

GROUPS = ("data", "model", "images", "checkpoint", "explosion", "trainer")
"""Of the settings; the trainer's are Lightning's, and come last."""
CLASSES = ("content", "style", "tv", "encoder", "optimizer")
"""Settings of the model that are classes."""

_HEADS = {"fit": "Paint a picture.", "test": "Measure a finished picture; needs --ckpt_path."}
_COLUMN = 20
_ASKS = re.compile(rf"-h|--help|--help=all|--(?:{'|'.join(GROUPS)})\.help")
_ASKS_CLASS = re.compile(rf"--model\.({'|'.join(CLASSES)})\.help")
_HELP: dict[str, dict[str, str]] = {
    "pictures": {
        "PHOTO, --content": "a path, an address or sample:NAME",
        "PAINTING, --style": "the same; several are blended: '[a.jpg, b.jpg]'",
    },
    "how it looks": {
        "--strength": "0: nearly the photograph; 1: the painting's own forms",
        "--look": "{looks}",
        "--style_scale": "larger strokes",
        "--init": "begin with content, blurred, style, noise, grey or a file",
        "--style_weight": "and --content_weight, --tv_weight: the balance of losses",
    },
    "how long, how large": {
        "--steps": "at full size; smaller ones take data.octave_steps",
        "--size": "long side in pixels",
    },
    "output": {
        "-o, --out": "a file such as out.png, or a folder for the whole run",
        "--overwrite true": "replace that file, or a run of other pictures",
        "--ckpt_path last": "go on where the same command was stopped",
        "--preview true": "see it painted in a browser (--preview.host, --preview.port)",
        "-c, --config": "settings from YAML, by path or by a name in configs/",
        "--seed": "of noise; --weights: of VGG-19, bundled, imagenet or a file",
    },
}
_IN_BRACKETS = {
    "PHOTO, --content": "data.content",
    "PAINTING, --style": "data.style",
    "--strength": "model.strength",
    "--style_scale": "data.style_scale",
    "--steps": "data.steps_per_epoch",
    "--size": "data.size",
    "-o, --out": "trainer.default_root_dir",
}
"""Whose default is shown."""


def asked(words: Sequence[str]) -> str:
    """Return the word of a command line that asks for help which is given here; else nothing."""
    for index, word in enumerate(words):
        named = index + 1 < len(words) and not words[index + 1].startswith("-")
        if _ASKS.fullmatch(word) or (_ASKS_CLASS.fullmatch(word) and not named):
            return word
    return ""


def show(word: str, words: Sequence[str], command: str) -> int:
    """Print the help that was asked for; return the exit code.

    Args:
        word: What :func:`asked` found.
        words: The whole command line, whose configs and options decide what is in effect.
        command: ``fit`` or ``test``.

    Raises:
        InputError: If something else on the command line is wrong.
    """
    if word in ("-h", "--help"):
        say(_first_page(command))  # before torch is imported, which takes seconds
        words = ()
    parser, config = _parsed(spell_out([other for other in words if other != word]), command)
    if word in ("-h", "--help"):
        say(_names(parser))
    elif found := _ASKS_CLASS.fullmatch(word):
        say(_class_page(found[1], config.model[found[1]]))
    else:
        say(_described(parser, "" if word == "--help=all" else word[2:].removesuffix(".help")))
    return 0


def _first_page(command: str) -> str:
    defaults = read_yaml(DEFAULTS)
    lines = [
        f"usage: {program(command)} PHOTO PAINTING [-o PICTURE] [options]",
        f"{_HEADS[command]} In brackets: the default.",
    ]
    for title, options in _HELP.items():
        lines.append(f"{title}:")
        for name, text in options.items():
            text = text.replace("{looks}", ", ".join(looks()))
            default = lookup(defaults, _IN_BRACKETS.get(name, ""))
            text += "" if default is None else f" [{default}]"
            lines += _wrapped(f"  {name:{_COLUMN - 2}}{text}", _COLUMN)
    return "\n".join(lines)


def _wrapped(text: str, indent: int) -> list[str]:
    width = min(100, shutil.get_terminal_size().columns)
    return textwrap.wrap(
        text, width, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False
    )


def _names(parser: Any) -> str:
    """Return every setting's name by its group, the trainer's last."""
    lines = ["all settings (--data.help describes a group, --help=all all of them):"]
    for group in GROUPS:
        if group == "trainer":
            lines.append("Lightning's trainer (--trainer.help):")
        names = dict.fromkeys(action.dest.partition(".")[2] for action in _actions(parser, group))
        lines += _wrapped(f"  --{group}.KEY  {', '.join(filter(None, names))}", 4)
        if group == "model":
            of_parts = " ".join(f"--model.{name}.help" for name in CLASSES)
            lines += _wrapped(f"  parts, with what is in effect: {of_parts}", 4)
    return "\n".join(lines)


def _actions(parser: Any, group: str) -> list[argparse.Action]:
    return [
        action
        for action in parser._actions
        if group in ("", action.dest.partition(".")[0]) and not action.dest.endswith(".help")
    ]


def _described(parser: Any, group: str) -> str:
    """Return argparse's help of a group, or of all of them, the trainer's last."""
    shown = _actions(parser, group)
    for action in parser._actions:
        if action not in shown and action.help:
            action.help = argparse.SUPPRESS
    groups = parser._action_groups
    groups.sort(key=lambda one: any(a.dest.startswith("trainer.") for a in one._group_actions))
    parser.usage, parser.description = argparse.SUPPRESS, None
    text: str = parser.format_help()
    # The file is that of the defaults.
    return re.sub(r"default config file locations:.*?\n\n", "", text, flags=re.DOTALL).strip()


def _class_page(name: str, value: Any) -> str:
    """Return what a class of the model takes, with the values in effect."""
    from nst_lightning.run_cli import RunParser

    key = f"model.{name}"
    others = f"another class: --{key}.help CLASS, one of {', '.join(_classes(name))}"
    if value is None:
        return f"{key} is null: left out; {others}"
    kind = pkgutil.resolve_name(value.class_path)
    parser = RunParser(usage=argparse.SUPPRESS, description="", add_help=False)
    # What a run itself gives to an encoder and an optimiser: layers, and the picture.
    skip = {1} if name in ("encoder", "optimizer") else set()
    parser.add_class_arguments(kind, key, skip=skip, fail_untyped=False)
    known = {action.dest: action for action in parser._actions}
    known[key].help = argparse.SUPPRESS  # all of it in a file
    given = dict(value.get("init_args") or {})
    parser.set_defaults({f"{key}.{k}": v for k, v in given.items() if f"{key}.{k}" in known})
    # What a library's own text says of its default is not what is in effect.
    text = re.sub(r"(\(type:\s[^()]*,\s+)default:", r"\1now:", parser.format_help().strip())
    return "\n".join([f"{key} is {value.class_path}; {others}", "", text])


def _classes(name: str) -> list[str]:
    """Return the names of this package's classes that a part of the model may be of."""
    from torch.optim import Optimizer

    from nst_lightning import encoder, losses, optim

    module, base = {
        "encoder": (encoder, encoder.VGG19Encoder),
        "optimizer": (optim, Optimizer),
    }.get(name, (losses, losses.LossTerm))
    found = {n: getattr(module, n) for n in dir(module)}
    made_up = (losses.LossTerm, losses.SummedTerm)  # what terms are made from
    return [
        name
        for name, kind in found.items()
        if inspect.isclass(kind) and issubclass(kind, base) and kind not in made_up
    ]


def _parsed(words: Sequence[str], command: str) -> tuple[Any, Any]:
    """Return the parser of a run and what it makes of words; nothing is built."""
    from nst_lightning.quiet import quiet_lightning
    from nst_lightning.run_cli import RunCLI

    class Parsed(Exception):  # noqa: N818 it is no error
        pass

    class ParsingCLI(RunCLI):
        def _settle_folder(self, found: str | None = None, *, goes_on: bool = False) -> None:
            if goes_on or found:  # else no picture is read for the help's sake
                super()._settle_folder(found, goes_on=goes_on)

        def instantiate_classes(self) -> None:
            raise Parsed(self.parser, self.config)

    try:
        with quiet_lightning():
            ParsingCLI(words, command, parts=frozenset())
    except Parsed as parsed:
        return parsed.args[0], parsed.args[1]
    raise AssertionError
