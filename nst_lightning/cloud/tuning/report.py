"""One report of a search, whoever searched: trials.csv and report.md."""

import math
from collections.abc import Sequence
from pathlib import Path

from nst_lightning.cloud.table import Row
from nst_lightning.cloud.tuning.space import Tuning
from nst_lightning.files import write_csv, write_whole
from nst_lightning.run_folder import RunFolder


def write_report(folder: Path, name: str, tuning: Tuning, rows: Sequence[Row], by: str) -> Path:
    """Write ``trials.csv`` and ``report.md``, the best trial first and those without a value last.

    Args:
        folder: Where to; pictures are in ``runs/KEY`` below it.
        name: Of the search.
        tuning: What was searched.
        rows: The trials; what was tried is among their metrics.
        by: Who searched.

    Returns:
        The report's path.
    """
    sign = 1 if tuning.goal == "minimize" else -1

    def rank(row: Row) -> float:
        value = row.metrics.get(tuning.objective) if row.state == "Completed" else None
        return math.inf if value is None else sign * value

    order = sorted((row for row in rows if row.job), key=rank)
    table = [
        {"trial": row.key, "state": row.state, **row.metrics, "remark": row.remark} for row in order
    ]
    write_csv(folder / "trials.csv", table, ["trial", "state", *tuning.ranges, tuning.objective])
    done = [row for row in order if math.isfinite(rank(row))]
    ranges = (f"`{k}` {r.min:g} to {r.max:g} ({r.scale})" for k, r in tuning.ranges.items())
    columns = dict.fromkeys([*tuning.ranges, tuning.objective, "style_distance", "ssim"])
    lines = [
        f"# Search {name}",
        "",
        f"{by}: {len(order)} trials, {len(done)} of them completed; `{tuning.objective}` was to be "
        f"{tuning.goal}d over {', '.join(ranges)}.",
        "",
    ]
    if done:
        best = done[0].metrics
        options = " ".join(f"--{key} {best[key]:.4g}" for key in tuning.ranges)
        lines += [
            f"Best: trial {done[0].key}, {tuning.objective} {best[tuning.objective]:.4g}, with "
            f"`{options}`.",
            "",
        ]
    lines += [f"| trial | state | {' | '.join(columns)} | |", "|---" * (len(columns) + 3) + "|"]
    for row in order:
        numbers = [f"{row.metrics[c]:.4g}" if c in row.metrics else "" for c in columns]
        picture = RunFolder(folder / "runs" / row.key).picture
        last = f"![]({picture.relative_to(folder).as_posix()})" if picture else row.remark
        lines.append(f"| {' | '.join([row.key, row.state, *numbers, last])} |")
    write_whole(folder / "report.md", "\n".join(lines) + "\n")
    return folder / "report.md"
