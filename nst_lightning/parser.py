"""The argument parser: one line for a mistake, with the nearest name that exists."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from lightning.pytorch.cli import LightningArgumentParser

from nst_lightning.errors import InputError, did_you_mean

CONFIG_FOLDERS = (Path("configs"), Path(__file__).parents[1] / "configs")


class OneLineParser(LightningArgumentParser):
    """Raises :class:`InputError` where jsonargparse prints its usage and exits."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Turn jsonargparse's message into one line that says what to do."""
        raise InputError(explain(message, self)) from ex


def explain(message: str, parser: LightningArgumentParser) -> str:
    """Return the part of a jsonargparse message that a person can act on, in one line.

    Args:
        message: Possibly many lines: every alternative of a union that did not fit.
        parser: Where the names that exist are looked up.
    """
    if match := re.search(r"[Uu]nrecognized arguments: (.*)", message):
        option = match.group(1).split()[0].split("=")[0]
        return f"unknown option {option}{_nearest_option(option, parser)}"
    unknown = re.search(
        r"No action for key ['\"]([\w.]+)|[Kk]ey ['\"]([\w.]+)['\"] is not expected"
        r"|does not accept nested key ['\"]([\w.]+)",
        message,
    )
    if unknown:
        key = next(group for group in unknown.groups() if group)
        return f"unknown key {key}{_nearest_option('--' + key, parser).replace('--', '')}"
    key = ".".join(re.findall(r"Parser key ['\"]([\w.]+)['\"]", message))
    if match := re.search(
        r"(?:class_path|class) ['\"]([\w.]+)['\"]:\s+-?\s*(?:Option|Key) '(\w+)'", message
    ):
        class_path, option = match.groups()
        return f"unknown key {key}.{option}{did_you_mean(option, _arguments(class_path))}"
    if match := re.search(r"Expected a dot import path string: (\S+)", message):
        given = match.group(1)
        return f"{key}: there is no class {given}{did_you_mean(given, _class_names())}"
    lines = [line.strip(" -\t") for line in message.splitlines()]
    said = [line for line in lines if line and not _BOILERPLATE.match(line)]
    text = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", " ".join(said) or " ".join(lines))
    text = re.sub(r"(?:typing\.)?Literal\[([^]]*)\]", r"one of \1", text)
    text = re.sub(r"^Expected", "expected", text)
    return f"{key}: {text}" if key else text


_BOILERPLATE = re.compile(
    r"Does not validate against any|Subtypes:|Errors:|Expected a <class 'NoneType'>|Given value"
    r"|Problem with given class_path|Parser key|Expected a None"
)


def _arguments(class_path: str) -> list[str]:
    """Names of the arguments that a class takes."""
    module, _, name = class_path.rpartition(".")
    try:
        return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    except (ImportError, AttributeError, ValueError):
        return []


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
    """Yield every long option of a parser and its subcommands."""
    for action in parser._actions:
        yield from (option for option in action.option_strings if option.startswith("--"))
        for choice in (getattr(action, "choices", None) or {}) if action.nargs == "A..." else ():
            yield from option_names(action.choices[choice])  # type: ignore[index,call-overload]


def _nearest_option(option: str, parser: LightningArgumentParser) -> str:
    return did_you_mean(option, sorted(set(option_names(parser))))


def find_configs(args: list[str]) -> list[str]:
    """Let ``--config klimt.yaml`` find ``configs/klimt.yaml`` and ``configs/recipes/``.

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
    if "://" in name or Path(name).is_file():
        return name
    folders = [folder / sub for folder in CONFIG_FOLDERS for sub in ("", "recipes", "overlays")]
    for folder in folders:
        for candidate in (folder / name, folder / f"{name}.yaml"):
            if candidate.is_file():
                return candidate
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    raise InputError(
        f"--config: there is no file {name}{did_you_mean(Path(name).stem, known)} "
        f"(in configs/: {', '.join(known)})"
    )


def option_value(args: list[str], option: str) -> str | None:
    """Return the last value given to an option, or None."""
    value: Any = None
    for index, arg in enumerate(args):
        if arg == option and index + 1 < len(args):
            value = args[index + 1]
        elif arg.startswith(f"{option}="):
            value = arg.partition("=")[2]
    return value
