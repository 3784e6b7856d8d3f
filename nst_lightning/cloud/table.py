"""What the person at the terminal sees of a launch."""

from collections import Counter
from typing import Any

from nst_lightning.cloud.fleet import Fleet
from nst_lightning.cloud.manifest import JobState

_ORDER = ("InProgress", "Stopping", "Failed", "Lost", "Stopped", "Not started", "Completed")
_COLOURS = {"Completed": "green", "Failed": "red", "Lost": "red", "Stopped": "yellow"}


def summary(fleet: Fleet) -> str:
    """Return one line: how many jobs are in which state, and what has been paid for."""
    jobs = fleet.manifest.jobs.values()
    counts = Counter(job.state for job in jobs)
    parts = [f"{counts[state]} {state}" for state in ("Pending", *_ORDER) if counts[state]]
    billable = sum(job.billable for job in jobs)
    price = fleet.manifest.launch.job.price_per_hour
    money = f", about {billable / 3600 * price:.2f} of money" if price else ""
    return (
        f"{len(fleet.manifest.jobs)} jobs: {', '.join(parts)}; "
        f"{len(fleet.done())} pictures here; {billable} s billable{money}"
    )


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
    table = Table(title=fleet.manifest.launch.name, caption=summary(fleet))
    for column in ("painting", "state", "loss", "style", "s", "billed s", "what"):
        table.add_column(column, justify="right" if column in ("loss", "s", "billed s") else "left")
    for key, job in jobs[:rows]:
        colour = _COLOURS.get(job.state)
        state = f"[{colour}]{job.state}[/]" if colour else job.state
        table.add_row(
            escape(key),
            state,
            _number(job.metrics.get("loss")),
            _number(job.metrics.get("style_loss")),
            str(job.seconds),
            str(job.billable),
            escape(_remark(job, key in fleet.collected)),
        )
    if rows is not None and len(jobs) > rows:
        table.add_row("…", f"{len(jobs) - rows} more", "", "", "", "", "")
    return table


def _remark(job: JobState, collected: bool) -> str:
    if job.state == "Completed":
        return "picture is here" if collected else "picture not here yet"
    return job.reason or (job.secondary if job.secondary != job.state else "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
