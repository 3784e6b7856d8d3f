"""The argument parser: one line for a mistake, with the nearest name that exists."""

import contextlib
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser, get_loader, set_loader, set_parsing_settings

from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.options import (
    load_yaml,
)
from nst_lightning.short_names import ELSEWHERE

_ONCE = "yaml with each key once"
"""A parser mode of ours: other programs' parsers in this process stay as they are."""


def _load(text: str) -> Any:
    try:
        return load_yaml(text, get_loader("yaml"))
    except InputError as error:  # of which file, jsonargparse does not say
        raise InputError(f"{error} of {' '.join(text.split())[:40]!r}") from error


set_loader(_ONCE, _load, (yaml.YAMLError,))


@contextlib.contextmanager
def local_configs() -> Iterator[None]:
    """Have jsonargparse read no file from an address, as Lightning's command line lets it."""
    set_parsing_settings(config_read_mode_fsspec_enabled=False)
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(f"a file of settings is no text in UTF-8: {error}") from error
    finally:
        set_parsing_settings(config_read_mode_fsspec_enabled=True)


class OneLineErrors:
    """For a jsonargparse parser: raises :class:`InputError` where that prints usage and exits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"parser_mode": _ONCE, **kwargs})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Turn jsonargparse's message into one line that says what to do."""
        assert isinstance(self, ArgumentParser)
        raise InputError(_missing_package(ex) or explain(message, self)) from ex


class OneLineParser(OneLineErrors, ArgumentParser):
    """The parser of a command that is not one run; options are written out in full."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)


def explain(message: str, parser: ArgumentParser) -> str:
    """Return the part of a jsonargparse message that a person can act on, in one line.

    The parser of a nested class explains first, and its line comes back within the outer message.

    Args:
        message: Possibly many lines: every alternative of a union that did not fit.
        parser: Where the names that exist are looked up.
    """
    if switch := re.search(
        r"Parser key ['\"](\w+)['\"](?=.*Subtypes: \[<class 'bool'>, <class '\w+\.)", message, re.S
    ):
        if re.search(r"import path|type: <class 'NoneType'>", message):
            return f"{switch.group(1)}: expected true or false, or keys of its own"
        message = message.replace("- Expected a <class 'bool'>", "")
    if match := re.search(r"[Uu]nrecognized arguments: ?(\S*)", message):
        option = match.group(1).split("=")[0] or "''"
        return f"unknown option {option}{_nearest(option, parser)}"
    if match := re.search(r"Group '([\w.]+)' does not accept option '([\w.]+)'", message):
        key = ".".join(match.groups())
        return f"unknown key {key}{_nearest(f'--{key}', parser).replace('--', '')}"
    if match := _UNKNOWN_KEY.search(message):
        key = next(group for group in match.groups() if group)
        return f"unknown key {key}{_nearest(f'--{key}', parser).replace('--', '')}"
    key = ".".join(re.findall(r"Parser key ['\"]([\w.]+)['\"]", message))
    if match := re.search(r"Unable to load config '([^']+)'(.*)", message, re.DOTALL):
        given, why = match.groups()
        if not Path(given).is_file():
            return f"{key.split('.')[0]}: there is no file {given} with its settings"
        why = re.sub(r"Parser key.*", "", why, flags=re.DOTALL).strip(" -\n")
        return f"{key.split('.')[0]}: {given} holds no settings of it{why and f': {why}'}"
    if match := re.search(r"No module named '([\w.]+)'", message):
        return f"{key}: there is no module {match.group(1)}, nor a file of that name"
    if match := re.search(
        r"(?:Expected a dot import path string|Unexpected import path format): (\S+)", message
    ):
        given = match.group(1)
        if given.lower() == "none":
            return f"{key}: there is no class {given}; use null to leave it out"
        return f"{key}: there is no class {given}{did_you_mean(given, _class_names())}"
    # The second form is lazy_loader's.
    if match := re.search(
        r"module '([\w.]+)' has no attribute '(\w+)'|No ([\w.]+) attribute (\w+)", message
    ):
        module, given = (group for group in match.groups() if group)
        return f"{key}: there is no {given} in {module}{did_you_mean(given, _class_names())}"
    lines = [line.strip(" -\t") for line in message.splitlines()]
    said = [line for line in lines if line and not _BOILERPLATE.match(line)]
    text = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", " ".join(said) or " ".join(lines))
    text = re.sub(r"\b[Ee]xpected an? (?:typing\.)?Literal\[([^]]*)\]", r"expected one of \1", text)
    text = re.sub(r"^Expected", "expected", text).replace(". Got value: ", ", got ")
    text = re.sub(
        r"'(\w+)' object (?:does not support item assignment|is not iterable)",
        r"expected a list, got one \1",
        text,
    )
    text = re.sub(
        r"Not of type \w+: (\S*) ?does not conform to restriction v(\S+)",
        lambda match: f"{match[1] or 'it'} must be {match[2]}",
        text,
    )
    text = re.sub(r"^(expected a list)(?:, got one \w+)? expected (one of)", r"\1 or \2", text)
    text = re.sub(r"\ba (?=int\b)", "an ", text)
    text = re.sub(r"(?<=[\w'\x22]) [Ee]xpected (?=an? |one of )", " or ", text)
    text = re.sub(
        r"Not a valid subclass of (\w+)(.*?) Subclass types expect one of: .*",
        r"expected a \1: the name of a class, or class_path and init_args\2",
        text,
    )
    text = re.sub(
        r"Type .* class: Expected '(.*?)' to be a subclass of (\w+)\..*", r"\1 is no \2", text
    )
    given = re.search(r"^ *Given value: (.*)$", message, re.MULTILINE)
    if given and text.startswith("expected") and ", got " not in text:
        text += f", got {given.group(1)}"
    if not key:
        return text
    # An inner parser's line begins with the key that it knows: the two make the full name.
    if match := re.match(r"(?:unknown key )([\w.]+)(.*)", text):
        return f"unknown key {key}.{match.group(1)}{match.group(2)}"
    inner = re.match(r"[a-z_]+[\w.]*: ", text)
    return f"{key}.{text}" if inner else f"{key}: {text}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _missing_package(error: BaseException | None) -> str | None:
    """Say which package a class wants that is not installed, if that is what is wrong."""
    for cause in _causes(error):
        # With a name it is a module of the user's own that is not found.
        if isinstance(cause, ModuleNotFoundError) and cause.name is None:
            return f"a package is missing: {' '.join(str(cause).split())}"
    return None


def innermost(error: BaseException) -> InputError:
    """Find the line that a class wrote, under jsonargparse's list of alternatives."""
    for cause in _causes(error):
        if isinstance(cause, InputError):
            return cause
        if isinstance(cause, yaml.representer.RepresenterError):
            what = f"config.yaml cannot hold {cause.args[-1]!r}, the default of an argument"
            return InputError(f"{what}; give that argument as a plain word")
    if missing := _missing_package(error):
        return InputError(missing)
    lines = [line.strip(" -") for line in str(error).splitlines() if line.startswith("  - ")]
    return InputError(lines[0] if lines else str(error))


_UNKNOWN_KEY = re.compile(
    r"No action for key ['\"]([\w.]+)|[Kk]ey ['\"]([\w.]+)['\"] is not expected"
    r"|does not accept (?:nested key|option) ['\"]([\w.]+)|^Option '([\w.]+)' is not accepted"
)
_BOILERPLATE = re.compile(
    r"Does not validate against any|Subtypes:|Errors:|Expected a <class 'NoneType'>|Given value"
    r"|Problem with given class_path|Parser key|Expected a None|Expected a path but"
)


def _class_names() -> list[str]:
    """Names of the classes that a configuration may want."""
    modules = (
        "nst_lightning.losses",
        "nst_lightning.optim",
        "nst_lightning.callbacks",
        "torch.optim",
    )
    return [
        name
        for module in modules
        for name, value in vars(importlib.import_module(module)).items()
        if inspect.isclass(value)
    ]


def option_names(parser: Any) -> Iterator[str]:
    """Yield every long option of a parser, those of the default classes included."""
    for action in parser._actions:
        for option in action.option_strings:
            if option.startswith("--") and not option.endswith(("help", "print_shtab")):
                yield option
    for key in parser.get_defaults().keys(branches=True):
        yield f"--{key}".replace(".init_args", "")


def _nearest(option: str, parser: ArgumentParser) -> str:
    known = sorted({*option_names(parser), *getattr(parser, "short", ())})
    word = option.lstrip("-").lower().replace("-", "_")
    meant = ELSEWHERE.get(word.removeprefix("data.").removeprefix("model."))
    if f"--{meant}" in known and option != f"--{meant}":
        return f"; did you mean --{meant}?"
    return did_you_mean(option, known)
