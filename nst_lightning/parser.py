"""The argument parser: one line for a mistake, with the nearest name that exists."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from lightning.pytorch.cli import LightningArgumentParser

from nst_lightning.errors import InputError, did_you_mean

# Of the place where the program is started, of a clone, and of an installed package (see setup.py).
CONFIG_FOLDERS = (
    Path("configs"),
    Path(__file__).parents[1] / "configs",
    Path(__file__).with_name("configs"),
)
CONFIG_KINDS = ("", "recipes", "overlays", "controls", "grids")


class OneLineParser(LightningArgumentParser):
    """Raises :class:`InputError` where jsonargparse prints its usage and exits."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Turn jsonargparse's message into one line that says what to do."""
        raise InputError(explain(message, self)) from ex


def explain(message: str, parser: LightningArgumentParser) -> str:
    """Return the part of a jsonargparse message that a person can act on, in one line.

    The parser of a nested class explains first, and its line comes back within the outer message.

    Args:
        message: Possibly many lines: every alternative of a union that did not fit.
        parser: Where the names that exist are looked up.
    """
    if match := re.search(r"[Uu]nrecognized arguments: (\S+)", message):
        option = match.group(1).split("=")[0]
        return f"unknown option {option}{_nearest(option, parser)}"
    if match := _UNKNOWN_KEY.search(message):
        key = next(group for group in match.groups() if group)
        return f"unknown key {key}{_nearest(f'--{key}', parser).replace('--', '')}"
    key = ".".join(re.findall(r"Parser key ['\"]([\w.]+)['\"]", message))
    if match := re.search(r"Expected a dot import path string: (\S+)", message):
        given = match.group(1)
        return f"{key}: there is no class {given}{did_you_mean(given, _class_names())}"
    if match := re.search(r"module '([\w.]+)' has no attribute '(\w+)'", message):
        module, given = match.groups()
        return f"{key}: there is no {given} in {module}{did_you_mean(given, _class_names())}"
    lines = [line.strip(" -\t") for line in message.splitlines()]
    said = [line for line in lines if line and not _BOILERPLATE.match(line)]
    text = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", " ".join(said) or " ".join(lines))
    text = re.sub(r"\b[Ee]xpected an? (?:typing\.)?Literal\[([^]]*)\]", r"expected one of \1", text)
    text = re.sub(r"^Expected", "expected", text).replace(". Got value: ", ", got ")
    text = re.sub(r"\ba (?=int\b)", "an ", text)
    text = re.sub(
        r"Not a valid subclass of (\w+) Subclass types expect one of: .*",
        r"expected a \1: the name of a class, or class_path and init_args",
        text,
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


def option_names(parser: LightningArgumentParser) -> Iterator[str]:
    """Yield every long option of a parser and its subcommands, nested defaults included."""
    for action in parser._actions:
        yield from (o for o in action.option_strings if o.startswith("--") and ".help" not in o)
        subparsers = action.choices if isinstance(action.choices, dict) else {}
        for subparser in subparsers.values():
            yield from option_names(subparser)
            for key in subparser.get_defaults().keys(branches=True):
                yield f"--{key}".replace(".init_args", "")


def _nearest(option: str, parser: LightningArgumentParser) -> str:
    return did_you_mean(option, sorted(set(option_names(parser))))


def find_configs(args: list[str]) -> list[str]:
    """Let ``--config klimt.yaml`` find ``configs/klimt.yaml``, ``configs/recipes/`` and so on.

    Args:
        args: Command-line arguments.

    Returns:
        The arguments with each config's path in full.

    Raises:
        InputError: If a config is nowhere.
    """
    found = list(args)
    for index, arg in enumerate(found):
        if arg in ("--config", "-c") and index + 1 < len(found):
            found[index + 1] = str(find_config(found[index + 1]))
        elif arg.startswith("--config="):
            found[index] = f"--config={find_config(arg.removeprefix('--config='))}"
    return found


def find_config(name: str) -> Path | str:
    """Return the path of one config given by path or by name.

    Raises:
        InputError: If it is nowhere.
    """
    if "://" in name:
        return name
    if Path(name).is_file():
        return _checked(Path(name))
    folders = [folder / sub for folder in CONFIG_FOLDERS for sub in CONFIG_KINDS]
    for folder in folders:
        for candidate in (folder / name, folder / f"{name}.yaml"):
            if candidate.is_file():
                return _checked(candidate)
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    first = sorted({path.stem for folder in CONFIG_FOLDERS for path in folder.glob("*.yaml")})
    kinds = sorted({f.name + "/" for f in folders if f.name in CONFIG_KINDS and f.is_dir()})
    raise InputError(
        f"--config: there is no file {name}{did_you_mean(Path(name).stem, known)} "
        f"(in configs/: {', '.join([*first, *kinds])})"
    )


def _checked(path: Path) -> Path:
    """Return the path of a file that holds YAML with a mapping at its top."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        why = getattr(error, "problem", None) or error
        raise InputError(f"--config: {path}{line} is not YAML: {why}") from error
    if not isinstance(content, dict):
        raise InputError(f"--config: {path} holds no settings; write keys such as data: and model:")
    return path
