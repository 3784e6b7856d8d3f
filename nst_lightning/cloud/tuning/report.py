"""One report of a search, whoever searched: trials.csv and report.md."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nst_lightning.cloud.tuning.space import Tuning
from nst_lightning.files import write_csv, write_whole


@dataclass
class Trial:
    """One set of values that was tried.

    Attributes:
        number: From 0.
        state: ``Completed``, ``Failed`` or ``Stopped``.
        values: Setting -> value.
        metrics: What the run measured.
        folder: Of its pictures, relative to the report's; empty if there is none.
        reason: Why it failed.
    """

    number: int
    state: str
    values: dict[str, float]
    metrics: dict[str, float] = field(default_factory=dict)
    folder: str = ""
    reason: str = ""


def ranked(trials: Sequence[Trial], tuning: Tuning) -> list[Trial]:
    """Return the trials, the best first and those without a value last."""
    sign = 1 if tuning.goal == "minimize" else -1

    def rank(trial: Trial) -> tuple[bool, float]:
        value = trial.metrics.get(tuning.objective)
        good = trial.state == "Completed" and value is not None
        return not good, sign * value if good and value is not None else 0.0

    return sorted(trials, key=rank)


def write_report(folder: Path, name: str, tuning: Tuning, trials: Sequence[Trial], by: str) -> Path:
    """Write ``trials.csv`` and ``report.md``.

    Args:
        folder: Where to.
        name: Of the search.
        tuning: What was searched.
        trials: All of them.
        by: Who searched.

    Returns:
        The report's path.
    """
    order = ranked(trials, tuning)
    names = dict.fromkeys(key for trial in order for key in trial.metrics)
    rows = [
        {
            "trial": trial.number,
            "state": trial.state,
            **trial.values,
            **trial.metrics,
            "folder": trial.folder,
            "reason": trial.reason,
        }
        for trial in order
    ]
    write_csv(folder / "trials.csv", rows, ["trial", "state", *tuning.ranges, *names])
    path = folder / "report.md"
    write_whole(path, "\n".join(_markdown(name, tuning, order, by)) + "\n")
    return path


def _markdown(name: str, tuning: Tuning, order: Sequence[Trial], by: str) -> list[str]:
    done = [t for t in order if t.state == "Completed" and tuning.objective in t.metrics]
    ranges = ", ".join(
        f"`{k}` {r.min:g} to {r.max:g} ({r.scale})" for k, r in tuning.ranges.items()
    )
    lines = [
        f"# Search {name}",
        "",
        f"{by}: {len(order)} trials, {len(done)} of them completed; `{tuning.objective}` was to be "
        f"{tuning.goal}d over {ranges}.",
        "",
    ]
    if done:
        best = done[0]
        options = " ".join(f"--{key} {value:.4g}" for key, value in best.values.items())
        lines += [
            f"Best: trial {best.number}, {tuning.objective} "
            f"{best.metrics[tuning.objective]:.4g}, with `{options}`.",
            "",
        ]
    columns = [*tuning.ranges, tuning.objective, *_further(tuning)]
    lines.append("| trial | state | " + " | ".join(columns) + " | picture |")
    lines.append("|" + "---|" * (len(columns) + 3))
    for trial in order:
        cells = [trial.values.get(c, trial.metrics.get(c)) for c in columns]
        numbers = " | ".join("" if cell is None else f"{cell:.4g}" for cell in cells)
        picture = f"![]({trial.folder}/stylized.png)" if trial.folder else trial.reason
        lines.append(f"| {trial.number} | {trial.state} | {numbers} | {picture} |")
    return lines


def _further(tuning: Tuning) -> list[str]:
    return [name for name in ("style_distance", "ssim") if name != tuning.objective]
