"""What the person at the terminal sees of a launch."""

from collections import Counter
from typing import Any

from nst_lightning.cloud.fleet import Fleet
from nst_lightning.cloud.manifest import JobState, PictureState

_ORDER = ("InProgress", "Stopping", "Failed", "Lost", "Stopped", "Not started", "Completed")
_COLOURS = {"Completed": "green", "Failed": "red", "Lost": "red", "Stopped": "yellow"}


def summary(fleet: Fleet) -> str:
    """Return one line: how many jobs are in which state, and what has been paid for."""
    pictures = fleet.manifest.pictures.values()
    counts = Counter(picture.state for picture in pictures)
    parts = [f"{counts[state]} {state}" for state in ("Pending", *_ORDER) if counts[state]]
    jobs = fleet.manifest.jobs.values()
    billable = sum(job.billed_before + job.billable for job in jobs)
    price = fleet.manifest.launch.job.price_per_hour
    money = f", about {billable / 3600 * price:.2f} of money" if price else ""
    return (
        f"{len(pictures)} pictures in {len(jobs)} jobs: {', '.join(parts)}; "
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

    pictures = sorted(
        (
            (key, picture, job)
            for job in fleet.manifest.jobs.values()
            for key, picture in job.pictures.items()
            if picture.state != "Pending"
        ),
        key=lambda item: _ORDER.index(item[1].state) if item[1].state in _ORDER else 0,
    )
    table = Table(title=fleet.manifest.launch.name, caption=summary(fleet))
    for column in ("painting", "state", "loss", "style", "s", "what"):
        table.add_column(column, justify="right" if column in ("loss", "s") else "left")
    for key, picture, job in pictures[:rows]:
        colour = _COLOURS.get(picture.state)
        state = f"[{colour}]{picture.state}[/]" if colour else picture.state
        metrics = picture.metrics or job.metrics
        table.add_row(
            escape(key),
            state,
            _number(metrics.get("loss")),
            _number(metrics.get("style_loss")),
            str(picture.seconds),
            escape(_remark(picture, job, key in fleet.collected)),
        )
    if rows is not None and len(pictures) > rows:
        table.add_row("…", f"{len(pictures) - rows} more", "", "", "", "")
    return table


def _remark(picture: PictureState, job: JobState, collected: bool) -> str:
    if picture.state == "Completed":
        return "picture is here" if collected else "picture not here yet"
    return picture.reason or (job.secondary if job.secondary != job.state else "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
