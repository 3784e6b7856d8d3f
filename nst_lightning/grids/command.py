"""The command line of ``grid``."""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_lightning.command_options import add_pictures, add_preview, shown_in_a_browser
from nst_lightning.data.which_pictures import find_sources
from nst_lightning.errors import INTERRUPTED, InputError
from nst_lightning.files import check_folder, write_csv
from nst_lightning.grids.spec import (
    COLUMNS,
    EPOCHS,
    STEPS,
    Axis,
    Grid,
    Run,
    Value,
    configured,
    labelled,
    plan,
    read_grid,
)
from nst_lightning.options import DEFAULTS, find_configs, refuse_reserved, take_settings
from nst_lightning.parser import OneLineParser
from nst_lightning.progress import ProgressBar
from nst_lightning.run_folder import occupied
from nst_lightning.say import is_terminal, say_loading

if TYPE_CHECKING:
    from nst_lightning.grids.runner import Runner

DESCRIPTION = (
    "Paint a grid: any settings times any values, on one labelled sheet (OUT/grid.png) and in one "
    "table (OUT/grid.csv). Stopped or killed, the same command goes on where it was. Any setting "
    "of a run may be added as --settings.KEY VALUE, such as --settings.model.tv.weight 0."
)
MANY = 40
"""Runs from which on the command asks first."""


def make_parser() -> OneLineParser:
    """Return the parser of ``grid``."""
    parser = OneLineParser(prog=f"{Path(sys.argv[0]).name} grid", description=DESCRIPTION)
    parser.add_argument(
        "-c", "--config", type=str, action="append", required=True, help="Grid file or its name."
    )
    add_pictures(parser, " In place of the grid's own; several make an axis.")
    parser.add_argument("--size", type=int | None, default=None, help="Another data.size.")
    parser.add_argument("--out", type=str | None, default=None, help="outputs/grids/NAME if null.")
    parser.add_argument(
        "--measure", type=bool, default=True, help="SSIM, style distance, deltas too."
    )
    add_preview(parser)
    parser.add_argument("--yes", action="store_true", help="Do not ask before many runs.")
    return parser


def main(words: Sequence[str]) -> int:
    """Paint a grid.

    Args:
        words: Options of ``grid``.

    Returns:
        The exit code: 0, or 130 if it was stopped.

    Raises:
        InputError: If something given is wrong.
    """
    parser = make_parser()
    more, rest = take_settings(shown_in_a_browser(find_configs(words), parser))
    given = parser.parse_args(rest)
    if len(given.config) > 1:
        raise InputError(f"--config: a grid is one file, not {len(given.config)}; leave one")
    path = Path(given.config[0])
    grid = read_grid(path)
    refuse_reserved(more, RESERVED)
    if given.size is not None:
        refuse_reserved(more, {"data.size": "--size alone"})
        more["data.size"] = given.size
    grid = _with_pictures(grid, given, more)
    for name in (axis.name for axis in grid.axes):
        if name in COLUMNS or name.endswith("_loss"):
            raise InputError(
                f"{path}: the axis {name} is called like a column of the table; rename it"
            )
    out = check_folder(given.out or Path("outputs", "grids", path.stem))
    if not given.yes:
        _ask(grid, math.prod(len({_run_settings(v) for v in axis.values}) for axis in grid.axes))
    planned = plan(grid, more, [str(DEFAULTS)])
    say_loading()
    from nst_lightning.grids.runner import Runner

    runner = Runner(out / "runs", given.measure)
    runs = runner.ready(planned)
    if not given.yes and len(runs) > len(planned):
        _ask(grid, len(runs))
    with occupied(out):
        whole = _paint_all(grid, runs, out, runner)
    if not whole:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    return 0


RESERVED = {
    "data.content": "--contents",
    "data.style": "--styles",
    "trainer.default_root_dir": "--out",
    "ckpt_path": "nothing: an unfinished grid goes on by itself",
}


def _with_pictures(grid: Grid, given: Any, more: dict[str, Any]) -> Grid:
    """Put the command line's pictures in; several make an axis in place of the grid's own."""
    axes = list(grid.axes)
    for role in ("content", "style"):
        named = given[f"{role}s"]
        if not named:
            continue
        key = f"data.{role}"
        found = find_sources(named, f"{role}s", _folder_of_artworks(grid, more))
        sources = [source.source for source in found]
        axes = [axis for axis in axes if not any(key in value.settings for value in axis.values)]
        if len(sources) == 1:
            more[key] = sources[0]
        else:
            axes.insert(0, Axis(role, labelled(key, sources)))
    if not axes:
        raise InputError("the grid has no axis left; give several values to one of them")
    return Grid(grid.title, grid.configs, grid.settings, axes)


def _folder_of_artworks(grid: Grid, more: Mapping[str, Any]) -> str | None:
    """Return the folder of the paintings, from the command line, the grid or its configs."""
    key = "data.artworks"
    found = more.get(key) or grid.settings.get(key) or configured(grid.configs, key)
    return None if found is None else str(found)


def _ask(grid: Grid, runs: int) -> None:
    """Ask before many runs: counted without those that differ in their length only."""
    if runs <= MANY:
        return
    what = f"this grid has {grid.size} pictures from {runs} runs"
    if is_terminal(sys.stdin) and is_terminal(sys.stderr):
        print(f"{what}; go on? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise InputError(f"{what}; add --yes if you mean it, or take fewer values")


def _run_settings(value: Value) -> str:
    """Return what of a value makes another run, and not only a longer one."""
    settings = {k: v for k, v in value.settings.items() if k not in (EPOCHS, STEPS)}
    return repr((sorted(settings.items()), value.configs))


def _paint_all(grid: Grid, runs: list[Run], out: Path, runner: "Runner") -> bool:
    """Make every run, and write sheet and table after each; tell whether all is made."""
    started = time.monotonic()
    rows = {run.name: runner.rows(run) for run in runs}
    missing = [run for run in runs if len(rows[run.name]) < len(run.snapshots)]
    for run in missing:
        runner.check(run)
    print(
        f"{grid.size} pictures from {len(runs)} runs, {len(runs) - len(missing)} of them made, "
        f"{sum(run.steps for run in missing)} steps to go, into {out}",
        flush=True,
    )
    with ProgressBar(sum(run.steps for run in missing), "painting", unit="steps") as bar:
        for run in missing:
            rows[run.name] = runner.make(run, bar.advance)
            _write(grid, runs, rows, out)
            if len(rows[run.name]) < len(run.snapshots):
                return False
    table = _write(grid, runs, rows, out)
    exploded = sum(bool(row["exploded"]) for row in table)
    print(f"sheet    {out / 'grid.png'}")
    print(f"table    {out / 'grid.csv'}")
    print(f"exploded {exploded} of {len(table)} pictures" if exploded else "exploded none")
    print(f"time     {time.monotonic() - started:.0f} s")
    return True


def _write(
    grid: Grid, runs: list[Run], rows: Mapping[str, Mapping[int, dict[str, Any]]], out: Path
) -> list[dict[str, Any]]:
    """Write sheet and table of what there is; returns the table's rows."""
    from PIL import Image

    from nst_lightning.grids.sheet import draw_sheet, write_sheet

    table, tiles = [], {}
    for run in runs:
        for cell in run.cells:
            row = rows[run.name].get(cell.step)
            if row is None:
                continue
            path = out / "runs" / run.name / f"step-{cell.step:05d}.png"
            names = dict(zip([axis.name for axis in grid.axes], cell.labels, strict=True))
            there = path.is_file()
            where = str(path.relative_to(out)) if there else ""
            table.append({**names, **row, "picture": where})
            picture = None
            if there:
                with Image.open(path) as opened:
                    shown = opened.convert("RGBA")
                white = Image.new("RGBA", shown.size, "white")
                picture = Image.alpha_composite(white, shown).convert("RGB")
            tiles[cell.labels] = (picture, row)
    if not table:
        return table
    write_csv(out / "grid.csv", table, [axis.name for axis in grid.axes])
    write_sheet(draw_sheet(grid, tiles), out / "grid.png")
    return table
