"""Settings: as mappings, as YAML files found by name, and as words of a command line.

A *setting* is anything that a run can be given. Its name is dotted, as on the command line:
``model.style.weight``. Everything here works on plain mappings and knows neither torch nor
Lightning.
"""

import codecs
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nst_lightning.checks import typed
from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.files import local_path

Settings = Mapping[str, Any]

DEFAULTS = Path(__file__).with_name("defaults.yaml")
"""What every run starts from."""
# Of the place where the program is started, of a clone, and of an installed package (see setup.py).
CONFIG_FOLDERS = (
    Path("configs"),
    Path(__file__).parents[1] / "configs",
    Path(__file__).with_name("configs"),
)
CONFIG_KINDS = ("", "recipes", "overlays", "controls", "looks", "grids", "sagemaker")

_MOST_PARTS = 100_000  # of a YAML document with its aliases written out
_DEEPEST = 100  # Python's own limit is another in every program that this is a guest of

EXTRA_TERMS = "model.extra"
"""The setting that is a dictionary: given whole, it replaces the one before it."""

SETTINGS_OPTION = "--settings."
"""What a setting of a run is preceded by in commands that make many runs."""


@typed()
def find_config(name: str | os.PathLike[str]) -> str:
    """Return the path of a config given by path or by name.

    Args:
        name: ``my.yaml``, ``klimt``, ``klimt.yaml``, ``recipes/gatys.yaml``: a file, or what is
            found in ``configs/`` and its folders.

    Raises:
        InputError: If it is nowhere, or an address: a config says what code is run.
    """
    name = os.fspath(name)
    if "://" in name:
        raise InputError(f"--config: {name} is an address; download it, read it, and name the file")
    name = str(local_path(name)) if name.startswith("~") else name
    if Path(name).is_file():
        return name
    folders = [folder / kind for folder in CONFIG_FOLDERS for kind in CONFIG_KINDS]
    for folder in folders:
        for candidate in (folder / name, folder / f"{name}.yaml"):
            if candidate.is_file():
                return str(candidate)
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    first = sorted({path.stem for folder in CONFIG_FOLDERS for path in folder.glob("*.yaml")})
    kinds = sorted({f"{f.name}/" for f in folders if f.name in CONFIG_KINDS and f.is_dir()})
    raise InputError(
        f"--config: there is no file {name}{did_you_mean(Path(name).stem, known)} "
        f"(in configs/: {', '.join([*first, *kinds])})"
    )


def find_configs(words: Sequence[str]) -> list[str]:
    """Return a command line with each config's path in full, where ``--config klimt`` will do.

    Raises:
        InputError: If a config is nowhere, or is no YAML with a mapping at its top.
    """
    found = list(words)
    for index, word in enumerate(found):
        if word in ("--config", "-c") and index + 1 < len(found):
            found[index + 1] = _readable(found[index + 1])
        elif word.startswith("--config="):
            found[index] = f"--config={_readable(word.removeprefix('--config='))}"
    return found


def _readable(name: str) -> str:
    path = find_config(name)
    read_yaml(path)
    return path


@typed()
def read_yaml(
    path: str | os.PathLike[str], what: str = "--config", keys: str = "data: and model:"
) -> dict[str, Any]:
    """Read a YAML file that has a mapping at its top; messages name the option and such keys.

    Raises:
        InputError: If it cannot be read, is not YAML, or holds no mapping.
    """
    import yaml

    try:
        data = Path(path).read_bytes()
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InputError("it is in UTF-16; save it as UTF-8")
        text = data.decode()
        content = load_yaml(text)
    except InputError as error:
        raise InputError(f"{what}: {path}: {error}") from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        why = getattr(error, "problem", None) or getattr(error, "strerror", None) or error
        raise InputError(f"{what}: {path}{line} is not YAML: {why}") from error
    if not isinstance(content, dict):
        raise InputError(f"{what}: {path} holds no settings; write keys such as {keys}")
    return content


def load_yaml(text: str, load: Callable[[str], Any] | None = None) -> Any:
    """Return what YAML or JSON says, where each key may stand once and aliases stay small.

    Args:
        text: The document.
        load: Reads it; PyYAML's ``safe_load`` if None.

    Raises:
        yaml.YAMLError: If it is none.
        InputError: If two keys are the same to YAML, of which it would keep the last; if it holds
            itself, or is too large with its aliases written out.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        _count(loader.get_single_node(), loader, {})
        content = (load or yaml.safe_load)(text)
    except RecursionError as error:
        raise InputError("it is nested too deeply") from error
    finally:
        loader.dispose()
    seen = set()
    for name in _settings_named(content):
        if name in seen:
            raise InputError(f"the key {name} stands twice")
        seen.add(name)
    return content


def _count(node: Any, loader: Any, known: dict[int, int], depth: int = 0) -> int:
    """Return how many parts a node has, its aliases written out; ``known``: 0 while one counts."""
    import yaml

    def error(problem: str, at: Any) -> InputError:
        return InputError(f"{problem} (line {at.start_mark.line + 1})")

    if depth > _DEEPEST:
        raise error("it is nested too deeply", node)
    if id(node) not in known:
        known[id(node)], count, seen = 0, 1, set()
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    problem = "a key must be a word"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                # To YAML yes is true, and 0x1 is 1.
                same = "<<" if key.tag.endswith(":merge") else loader.construct_object(key)
                if same in seen:
                    raise error(f"the key {key.value} stands twice", key)
                seen.add(same)
                count += _count(value, loader, known, depth + 1)
        elif isinstance(node, yaml.SequenceNode):
            count += sum(_count(item, loader, known, depth + 1) for item in node.value)
        if count > _MOST_PARTS:
            raise error("its aliases make too much of it", node)
        known[id(node)] = count
    if not known[id(node)]:
        raise error("it holds itself", node)
    return known[id(node)]


def _settings_named(content: Any, prefix: str = "") -> Iterator[str]:
    """Yield what mappings in mappings set, by dotted names: ``size`` of ``data``, ``data.size``."""
    for key, value in content.items() if isinstance(content, dict) else ():
        whole = f"{prefix}{key}" if isinstance(key, str) else f"{prefix}{(key,)}"
        name = whole.replace(".init_args.", ".").removesuffix(".class_path")
        if isinstance(value, dict) and value:
            yield from _settings_named(value, f"{whole}.")
        else:
            yield name


def write_yaml(settings: Settings) -> str:
    """Return settings as YAML; a text that some reader takes for a number, such as 1e5, quoted."""
    import yaml

    def represent(dumper: Any, text: str) -> Any:
        try:
            float(text)
        except ValueError:
            return dumper.represent_str(text)
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'")

    quoting: Any = type("Quoting", (yaml.SafeDumper,), {})
    quoting.add_representer(str, represent)
    return str(yaml.dump(settings, Dumper=quoting, sort_keys=False, allow_unicode=True))


def flatten(settings: Settings, prefix: str = "") -> dict[str, Any]:
    """Return nested settings by their dotted names; what holds a ``class_path`` stays whole."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        whole = name == EXTRA_TERMS or (isinstance(value, Mapping) and "class_path" in value)
        if isinstance(value, Mapping) and value and not whole:
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def lay_over(*layers: Settings) -> dict[str, Any]:
    """Return settings by their dotted names, those of later layers on top.

    A setting that is given again moves to the end, for settings are applied one after another: a
    class with its arguments after it, null without them.
    """
    settings: dict[str, Any] = {}
    for layer in layers:
        for name, value in flatten(layer).items():
            under = {o: settings.pop(o) for o in [*settings] if o.startswith(f"{name}.")}
            settings.pop(name, None)
            settings[name] = value
            if value is not None:
                settings |= under
    return settings


def lookup(settings: Settings, name: str) -> Any:
    """Return the value of a setting, or None if there is none.

    Args:
        settings: Nested or by dotted names; ``init_args`` need not be named.
        name: Dotted, such as ``model.style.weight``.
    """
    if name in settings:
        return settings[name]
    place: Any = settings
    for key in name.split("."):
        if isinstance(place, Mapping) and key not in place:
            place = place.get("init_args")
        place = place.get(key) if isinstance(place, Mapping) else None
    return place


def differing(now: Settings, then: Settings, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield ``(name, now, then)`` for every setting of ``then`` that is another now."""
    for key, old in then.items():
        new = now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differing(new, old, f"{prefix}{key}.")
        elif new != old:
            yield f"{prefix}{key}".replace(".init_args", ""), new, old


def digest(value: Any) -> str:
    """Return a digest of anything that JSON can hold: 64 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def to_words(settings: Settings) -> list[str]:
    """Return settings by dotted names as words for another process: ``--data.size=64``."""
    return [
        f"--{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in settings.items()
    ]


def take_settings(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Take every ``--settings.KEY VALUE`` out of a command line.

    Returns:
        The settings by their dotted names, each value as YAML reads it, and the other words.

    Raises:
        InputError: If an option has no name or no value.
    """
    import yaml

    settings: dict[str, Any] = {}
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word == "--settings" or word.startswith("--settings="):
            raise InputError(
                "--settings: name the setting, as in --settings.model.style.weight 1e5"
            )
        if not word.startswith(SETTINGS_OPTION):
            rest.append(word)
            continue
        name, sign, value = word.removeprefix(SETTINGS_OPTION).partition("=")
        if not sign:
            value = next(waiting, "--")
            if value.startswith("--"):
                raise InputError(f"{SETTINGS_OPTION}{name} needs a value")
        try:
            given = load_yaml(value)
        except yaml.YAMLError:
            given = value
        settings = lay_over(settings, {name: given})
    return settings, rest


def refuse_reserved(settings: Settings, reserved: Mapping[str, str]) -> None:
    """Raise ``InputError`` for a setting that a command sets itself; ``reserved`` says by what."""
    for name, instead in reserved.items():
        if name in settings:
            raise InputError(f"{SETTINGS_OPTION}{name}: the command sets it; use {instead}")
