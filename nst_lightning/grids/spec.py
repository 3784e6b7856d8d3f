"""What a grid file says: axes of values, and the runs that give all its pictures."""

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.parser import find_config

EPOCHS, STEPS = "trainer.max_epochs", "data.steps_per_epoch"
_KEYS = ("title", "base", "settings", "axes")
_AXIS_KEYS = ("name", "key", "values")


@dataclass(frozen=True)
class Value:
    """One value of an axis: its label, and the settings and configs that it stands for."""

    label: str
    settings: Mapping[str, Any]
    configs: Sequence[str] = ()


@dataclass(frozen=True)
class Axis:
    """A name and its values; the last axis goes across the sheet."""

    name: str
    values: Sequence[Value]


@dataclass(frozen=True)
class Grid:
    """A grid file.

    Attributes:
        title: Heads the sheet.
        base: Configs that lie below everything.
        settings: Dotted key -> value, for all cells.
        axes: At least one.
    """

    title: str
    base: Sequence[str]
    settings: Mapping[str, Any]
    axes: Sequence[Axis]

    @property
    def size(self) -> int:
        """Number of cells."""
        return math.prod(len(axis.values) for axis in self.axes)


@dataclass(frozen=True)
class Cell:
    """One picture of the grid: where it stands, and the step of its run that shows it."""

    labels: tuple[str, ...]
    step: int


@dataclass
class Run:
    """One run of the trainer, which serves all cells that differ in their length only.

    Attributes:
        configs: In the order in which they are laid over one another.
        settings: Dotted key -> value, on top of them.
        cells: What it serves.
    """

    configs: Sequence[str]
    settings: Mapping[str, Any]
    cells: list[Cell] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """Length of the run."""
        return max(cell.step for cell in self.cells)

    @property
    def snapshots(self) -> list[int]:
        """Steps whose pictures are wanted."""
        return sorted({cell.step for cell in self.cells})

    @cached_property
    def name(self) -> str:
        """Folder of the run: the same for the same settings, so that a stopped grid goes on."""
        # What the configs say, not what they are called: a changed one is another run.
        texts = [Path(find_config(name)).read_text(encoding="utf-8") for name in self.configs]
        text = json.dumps([texts, dict(self.settings)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_grid(path: Path) -> Grid:
    """Read a grid file.

    Raises:
        InputError: If a key is unknown or missing, or an axis has no values.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"--config: {path} cannot be read as YAML: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"--config: {path} is no grid; write title, base, settings and axes")
    for key in content:
        if key not in _KEYS:
            raise InputError(
                f"{path}: unknown key {key}{did_you_mean(key, _KEYS)} ({', '.join(_KEYS)})"
            )
    axes = content.get("axes")
    if not isinstance(axes, list) or not axes:
        raise InputError(f"{path}: axes is missing; list at least one, with name, key and values")
    base = content.get("base") or []
    settings = content.get("settings") or {}
    if not isinstance(settings, dict):
        raise InputError(f"{path}: settings must be keys such as data.size with their values")
    return Grid(
        title=str(content.get("title") or path.stem),
        base=[base] if isinstance(base, str) else list(base),
        settings=settings,
        axes=[_axis(path, number, axis) for number, axis in enumerate(axes, start=1)],
    )


def _axis(path: Path, number: int, given: Any) -> Axis:
    where = f"{path}: axis {number}"
    if not isinstance(given, dict):
        raise InputError(f"{where} must have name, key and values")
    for key in given:
        if key not in _AXIS_KEYS:
            raise InputError(f"{where}: unknown key {key}{did_you_mean(key, _AXIS_KEYS)}")
    name, key, values = given.get("name"), given.get("key"), given.get("values")
    name = str(name or key or f"axis {number}")
    if not values or not isinstance(values, list | dict):
        raise InputError(f"{where} ({name}) has no values; give a list, or labels with settings")
    if isinstance(values, dict):
        return Axis(name, [_labelled(where, str(k), v, key) for k, v in values.items()])
    if not key:
        raise InputError(f"{where} ({name}): a list of values needs a key, such as model.tv.weight")
    return Axis(name, [Value(_spoken(value), {key: value}) for value in values])


def _labelled(where: str, label: str, given: Any, key: str | None) -> Value:
    if key:
        return Value(label, {key: given})
    given = given or {}
    if not isinstance(given, dict):
        raise InputError(f"{where}: under {label} write settings such as data.size: 64")
    settings = dict(given)
    configs = settings.pop("config", [])
    return Value(label, settings, [configs] if isinstance(configs, str) else configs)


def _spoken(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:g}"


def plan(grid: Grid, more: Mapping[str, Any], default: tuple[int, int]) -> list[Run]:
    """Return the runs of a grid, each with the cells that it serves.

    A run of 5 epochs has the picture of 3 epochs on its way, so cells that differ in epochs and
    steps alone are one run: nothing in it may depend on how long it will be. That is so of all that
    the framework has but weight schedules.

    Args:
        grid: The grid.
        more: Settings of the command line; they beat the grid's.
        default: Epochs and steps an epoch where no cell says them.
    """
    runs: dict[str, Run] = {}
    for values in itertools.product(*(axis.values for axis in grid.axes)):
        settings: dict[str, Any] = dict(grid.settings)
        configs = list(grid.base)
        for value in values:
            settings |= value.settings
            configs += value.configs
        settings |= more
        epochs, steps = settings.pop(EPOCHS, default[0]), settings.pop(STEPS, default[1])
        for key, number in ((EPOCHS, epochs), (STEPS, steps)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise InputError(f"{key}: {number!r} is not a whole number of at least 1")
        run = Run(configs, settings)
        cell = Cell(tuple(value.label for value in values), epochs * steps)
        runs.setdefault(run.name, run).cells.append(cell)
    return list(runs.values())
