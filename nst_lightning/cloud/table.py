"""What the person at the terminal sees of a launch."""

import time
from collections import Counter
from typing import Any

from nst_lightning.cloud.fleet import Fleet
from nst_lightning.cloud.logs import console_address
from nst_lightning.cloud.manifest import JobState
from nst_lightning.progress import duration

_ORDER = ("InProgress", "Stopping", "Failed", "Lost", "Stopped", "Not started", "Completed")
_COLOURS = {"Completed": "green", "Failed": "red", "Lost": "red", "Stopped": "yellow"}


def summary(fleet: Fleet) -> str:
    """Return one line: how many jobs are in which state, what was paid for, and may be at most."""
    manifest, jobs = fleet.manifest, fleet.manifest.jobs.values()
    counts = Counter(job.state for job in jobs)
    parts = [f"{counts[state]} {state}" for state in ("Pending", *_ORDER) if counts[state]]
    how, billed, most = manifest.launch.job, 0.0, 0.0
    for job in jobs:
        so_far = job.billable or (_seconds(job) if job.running else 0)
        billed += so_far
        ends = job.final or manifest.rehearsal
        most += so_far if ends else max(so_far, how.max_run)
    line = f"{len(jobs)} jobs: {', '.join(parts)}; {len(fleet.done())} pictures here; "
    line += f"{billed:.0f} s billable"
    if how.price_per_hour and not manifest.rehearsal:
        so_far, at_most = (seconds / 3600 * how.price_per_hour for seconds in (billed, most))
        line += f": about {so_far:.2f} {how.currency} so far, at most {at_most:.2f}"
    return line


def job_table(fleet: Fleet, rows: int | None = None) -> Any:
    """Return a rich table of the jobs, the running and the failed ones first.

    Args:
        fleet: The jobs.
        rows: How many fit; all if None.
    """
    from rich.markup import escape
    from rich.table import Table

    jobs = sorted(
        (item for item in fleet.manifest.jobs.items() if item[1].state != "Pending"),
        key=lambda item: _ORDER.index(item[1].state) if item[1].state in _ORDER else 0,
    )
    clock = duration(time.monotonic() - fleet.began)  # it shows that the launcher does not hang
    table = Table(title=f"{fleet.manifest.launch.name}  {clock}", caption=summary(fleet))
    for column in (
        "painting",
        "state",
        "step",
        "time",
        "left",
        "loss",
        "style",
        "billed s",
        "what",
    ):
        left = column in ("painting", "state", "what")
        table.add_column(column, justify="left" if left else "right")
    for key, job in jobs[:rows]:
        colour, name = _COLOURS.get(job.state), escape(key)
        if not fleet.manifest.rehearsal:
            where = console_address(fleet.aws.region, fleet.manifest.name_of(key))
            name = f"[link={where}]{name}[/link]"
        table.add_row(
            name,
            f"[{colour}]{job.state}[/]" if colour else job.state,
            *progress(job),
            _number(job.metrics.get("loss")),
            _number(job.metrics.get("style_loss")),
            str(job.billable or ""),
            escape(remark(fleet, key)),
        )
    if rows is not None and len(jobs) > rows:
        table.add_row("…", f"{len(jobs) - rows} more")
    return table


def progress(job: JobState) -> tuple[str, str, str]:
    """Return a job's step of how many, the time since its training began, and the time left."""
    step, steps = (job.metrics.get(name, 0) for name in ("step", "steps"))
    done = f"{step:.0f}/{steps:.0f}" if steps else ""
    seconds = _seconds(job)
    taken = duration(seconds) if seconds else ""
    if not (job.state == "InProgress" and step and seconds):
        return done, taken, ""
    return done, taken, duration(seconds * (steps - step) / step)


def _seconds(job: JobState) -> float:
    """Return the seconds that a job has trained, by the clock while it runs."""
    if job.running and job.began:
        return max(0.0, time.time() - job.began)
    return job.seconds


def remark(fleet: Fleet, key: str) -> str:
    """Return what else there is to say of a job: why it failed, or what it is at."""
    job = fleet.manifest.jobs[key]
    if job.state == "Completed":
        return "picture is here" if key in fleet.collected else "picture not here yet"
    return job.reason or (job.secondary if job.secondary != job.state else "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
