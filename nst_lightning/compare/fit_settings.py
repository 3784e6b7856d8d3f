"""Settings of ``fit`` within ``compare``: ``--fit.KEY VALUE`` and ``fit:`` in its configs."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from nst_lightning.errors import InputError
from nst_lightning.parser import find_config

OPTION = "--fit."

_OURS = {
    "data.content": "--contents",
    "data.style": "--styles",
    "data.size": "--size",
    "trainer.default_root_dir": "--out or --runs",
    "images.format": "nothing: the pictures are PNG files",
    "ckpt_path": "nothing: an unfinished pair goes on by itself",
}
"""Settings that are the comparison's own -> what to use instead."""


def lay_over(configs: list[Path], args: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Collect the settings of ``fit`` from config files and options, later ones on top.

    jsonargparse would let the ``fit:`` of one file replace that of another whole.

    Args:
        configs: Config files of ``compare``, the lowest first.
        args: Options of ``compare``.

    Returns:
        The settings by their dotted names, and the options without ``--fit.…``.

    Raises:
        InputError: If an option has no value, or a ``fit:`` is no mapping.
    """
    settings: dict[str, Any] = {}
    for path in configs:
        given = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("fit") or {}
        if not isinstance(given, dict):
            raise InputError(f"--config: {path}: fit: is not a mapping of settings of fit")
        _put(settings, given)
    rest: list[str] = []
    waiting = iter(args)
    for arg in waiting:
        if arg == "--fit" or arg.startswith("--fit="):
            raise InputError("--fit: name the setting, as in --fit.model.style.weight 1e5")
        if not arg.startswith(OPTION):
            rest.append(arg)
            continue
        key, sign, value = arg.removeprefix(OPTION).partition("=")
        if not sign:
            value = next(waiting, "--")
            if value.startswith("--"):
                raise InputError(f"{OPTION}{key} needs a value")
        try:
            _put(settings, {key: yaml.safe_load(value)})
        except yaml.YAMLError:
            _put(settings, {key: value})
    for key, instead in _OURS.items():
        if key in settings:
            raise InputError(f"{OPTION}{key} belongs to the comparison; use {instead}")
    return settings, rest


def _put(settings: dict[str, Any], given: Mapping[str, Any]) -> None:
    for key, value in flat(given):
        # At the end, not in its old place: options are applied one after another.
        settings.pop(key, None)
        settings[key] = value


def flat(given: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield ``(dotted name, value)``; what holds a ``class_path`` stays whole.

    Args:
        given: Nested mappings, their keys dotted or not.
        prefix: Goes before every name.
    """
    for key, value in given.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value and "class_path" not in value:
            yield from flat(value, f"{name}.")
        else:
            yield name, value


def as_options(settings: Mapping[str, Any]) -> list[str]:
    """Return settings as options of ``fit``; ``config`` names config files of ``fit``.

    Raises:
        InputError: If such a file is nowhere.
    """
    options = []
    configs = settings.get("config") or []
    for name in configs if isinstance(configs, list) else [configs]:
        options += ["--config", str(find_config(str(name)))]
    for key, value in settings.items():
        if key != "config":
            options.append(f"--{key}={value if isinstance(value, str) else json.dumps(value)}")
    return options
