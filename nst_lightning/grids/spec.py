"""What a grid file says: axes of values, and the runs that give all its pictures."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from nst_lightning.data.sources import ARTWORKS_PREFIX, SAMPLE_PREFIX
from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.options import digest, find_config, lay_over, lookup, read_yaml

PICTURES = ("data.content", "data.style")
EPOCHS, STEPS = "trainer.max_epochs", "data.steps_per_epoch"
_KEYS = ("title", "configs", "settings", "axes")
_AXIS_KEYS = ("name", "key", "values")
MEASURES = (
    "ssim/content",
    "mse/content",
    "self_similarity/content",
    "style_distance",
    "patch_distance/style",
    "colour_distance/style",
    "total_variation",
    "deltas/horizontal",
    "deltas/vertical",
)
"""Measures of a picture that a grid's table has."""
COLUMNS = (
    "step",
    "seconds",
    "ended",
    "loss",
    "best_loss",
    "first_explosion",
    "exploded",
    "picture",
    *MEASURES,
)
"""Columns of a grid's table, beside its axes and the loss of every term."""


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
        configs: Of runs; they lie below everything.
        settings: Dotted key -> value, for all cells.
        axes: At least one.
    """

    title: str
    configs: Sequence[str]
    settings: Mapping[str, Any]
    axes: Sequence[Axis]

    @property
    def size(self) -> int:
        """Number of cells."""
        return math.prod(len(axis.values) for axis in self.axes)


@dataclass(frozen=True)
class Cell:
    """One picture of the grid: where it stands, and how long its run is.

    Attributes:
        labels: One for each axis.
        epochs: Of its run.
        steps_per_epoch: As they were asked for.
        added: What an epoch has besides them; see ``ImagePair.added_steps``.
    """

    labels: tuple[str, ...]
    epochs: int
    steps_per_epoch: int
    added: int = 0

    @property
    def step(self) -> int:
        """The step of its run that shows it."""
        return self.epochs * (self.steps_per_epoch + self.added)


@dataclass
class Run:
    """One run of the trainer, which serves all cells that differ in their length only.

    Attributes:
        configs: In the order in which they are laid over one another.
        settings: Dotted key -> value, on top of them.
        cells: What it serves.
        whole: Its pictures depend on how long it will be, as with a weight schedule: all its cells
            are of one length, and it has their epochs.
        pictures: Digests of the files that it reads.
    """

    configs: Sequence[str]
    settings: Mapping[str, Any]
    cells: list[Cell] = field(default_factory=list)
    whole: bool = False
    pictures: Sequence[str] = ()

    @property
    def steps(self) -> int:
        """Length of the run."""
        return max(cell.step for cell in self.cells)

    @property
    def snapshots(self) -> list[int]:
        """Steps whose pictures are wanted."""
        return sorted({cell.step for cell in self.cells})

    @property
    def epochs(self) -> int:
        """Epochs of the trainer; one where they make no difference."""
        return self.cells[0].epochs if self.whole else 1

    def apart(self) -> "list[Run]":
        """Return one run for each length of its cells."""
        lengths: dict[tuple[int, int], list[Cell]] = {}
        for cell in self.cells:
            lengths.setdefault((cell.epochs, cell.steps_per_epoch), []).append(cell)
        return [replace(self, cells=cells, whole=True) for cells in lengths.values()]

    @cached_property
    def name(self) -> str:
        """Folder of the run: the same for the same settings, so that a stopped grid goes on."""
        # What the configs and pictures hold, not what they are called: changed, it is another run.
        texts = [Path(find_config(name)).read_text(encoding="utf-8") for name in self.configs]
        length = [self.epochs, self.steps] if self.whole else None
        # Where a run is shown is not what is painted.
        settings = {k: v for k, v in self.settings.items() if k.split(".")[0] != "preview"}
        return digest([texts, settings, length, list(self.pictures)])[:12]


def read_grid(path: Path) -> Grid:
    """Read a grid file.

    Raises:
        InputError: If a key is unknown or missing, or an axis has no values.
    """
    content = read_yaml(path, keys="title:, configs:, settings: and axes:")
    for key in content:
        if key not in _KEYS:
            raise InputError(
                f"{path}: unknown key {key}{did_you_mean(key, _KEYS)} ({', '.join(_KEYS)})"
            )
    axes = content.get("axes")
    if not isinstance(axes, list) or not axes:
        raise InputError(f"{path}: axes is missing; list at least one, with name, key and values")
    configs = content.get("configs") or []
    settings = content.get("settings") or {}
    if not isinstance(settings, dict):
        raise InputError(f"{path}: settings must be keys such as data.size with their values")
    made = [_axis(path, number, axis) for number, axis in enumerate(axes, start=1)]
    names = [axis.name for axis in made]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: two axes are called {name}; give each its own name")
    return Grid(
        title=str(content.get("title") or path.stem),
        configs=[configs] if isinstance(configs, str) else list(configs),
        settings=lay_over(settings),
        axes=made,
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
        labels = distinct([[str(label)] for label in values])
        given_values = zip(labels, values.values(), strict=True)
        return Axis(name, [_labelled(where, label, value, key) for label, value in given_values])
    if not key:
        raise InputError(f"{where} ({name}): a list of values needs a key, such as model.tv.weight")
    return Axis(name, labelled(key, values))


def _labelled(where: str, label: str, given: Any, key: str | None) -> Value:
    if key:
        return Value(label, {key: given})
    given = given or {}
    if not isinstance(given, dict):
        raise InputError(f"{where}: under {label} write settings such as data.size: 64")
    settings = lay_over(given)
    configs = settings.pop("config", [])
    return Value(label, settings, [configs] if isinstance(configs, str) else configs)


def labelled(key: str, values: Sequence[Any]) -> list[Value]:
    """Return a value of an axis for each value of a setting, no two with the same label."""
    spoken = _picture_labels if key in PICTURES else _labels
    labels = distinct([spoken(value) for value in values])
    return [Value(label, {key: value}) for label, value in zip(labels, values, strict=True)]


def _labels(value: Any) -> list[str]:
    """Return labels for a value, from short to exact."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [str(value)]
    return [f"{value:g}", repr(value)]


def _picture_labels(source: Any) -> list[str]:
    text = str(source)
    if text.startswith((SAMPLE_PREFIX, ARTWORKS_PREFIX)) or not isinstance(source, str):
        return [text]
    path = Path(text)
    return [path.stem, path.name, str(Path(*path.parts[-2:])), text]


def distinct(choices: Sequence[Sequence[str]]) -> list[str]:
    """Choose one label of each list, the first that no other has; number them if there is none."""
    labels: list[str] = []
    for own in choices:
        others = [set(other) for other in choices if other is not own]
        free = [label for label in own if not any(label in other for other in others)]
        labels.append(free[0] if free else own[-1])
    return [
        label if labels.count(label) == 1 else f"{label} ({labels[:place].count(label) + 1})"
        for place, label in enumerate(labels)
    ]


def _read(config: str) -> Any:
    return read_yaml(find_config(config))


def configured(configs: Sequence[str], key: str, read: Callable[[str], Any] = _read) -> Any:
    """Return what the last of some configs that has a dotted key says for it, or None."""
    values = [lookup(read(config), key) for config in configs]
    return next((value for value in reversed(values) if value is not None), None)


def plan(grid: Grid, more: Mapping[str, Any], below: Sequence[str] = ()) -> list[Run]:
    """Return the runs of a grid, each with the cells that it serves.

    A run of 5 epochs has the picture of 3 epochs on its way, so cells that differ in epochs and
    steps alone are one run, unless something in it depends on how long it will be: see
    :meth:`Run.apart`.

    Args:
        grid: The grid.
        more: Settings of the command line; they beat the grid's.
        below: Configs that lie below the grid's, for epochs and steps where no other says them.
    """
    more = lay_over(more)
    read = cache(_read)
    runs: dict[str, Run] = {}
    for values in itertools.product(*(axis.values for axis in grid.axes)):
        settings: dict[str, Any] = dict(grid.settings)
        configs = list(grid.configs)
        for value in values:
            settings = lay_over(settings, value.settings)
            configs += value.configs
        settings = lay_over(settings, more)
        lengths = []
        for key, least_known in ((EPOCHS, 1), (STEPS, 100)):
            number = settings.pop(key, None)
            if number is None:
                number = configured([*below, *configs], key, read)
            number = least_known if number is None else number
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise InputError(f"{key}: {number!r} is not a whole number of at least 1")
            lengths.append(number)
        run = Run(configs, settings)
        cell = Cell(tuple(value.label for value in values), *lengths)
        runs.setdefault(run.name, run).cells.append(cell)
    return list(runs.values())
