"""What the person at the terminal sees of a launch or a search."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.logs import console_address
from nst_lightning.progress import duration

_ORDER = ("InProgress", "Stopping", "Failed", "Lost", "Stopped", "Not started", "Completed")
_COLOURS = {"Completed": "green", "Failed": "red", "Lost": "red", "Stopped": "yellow"}


@dataclass
class Row:
    """What is shown of one picture.

    Attributes:
        key: Its name.
        state: ``Pending``, SageMaker's own, ``Lost`` or ``Not started``.
        remark: Why there is none, or what its job is at.
        job: Name of the training job; empty if none was started.
        metrics: Last values by name; ``step`` of ``steps`` among them.
        began: When it was begun, in seconds since 1970; 0 if it was not.
        seconds: That it took, once it is over.
    """

    key: str
    state: str
    remark: str = ""
    job: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    began: float = 0.0
    seconds: float = 0.0

    @property
    def running(self) -> bool:
        """Whether SageMaker is at it."""
        return self.state in ("InProgress", "Stopping")

    @property
    def taken(self) -> float:
        """Seconds since it was begun, or that it took."""
        return time.time() - self.began if self.running and self.began else self.seconds


def summary(
    launch: Launch, rows: Sequence[Row], done: int, billed: tuple[float, float] | None
) -> str:
    """Return one line: what is in which state, what was paid for, and may be at most.

    Args:
        launch: With the price.
        rows: All pictures.
        done: How many pictures are here.
        billed: Seconds so far, and at most; None in a rehearsal, which costs nothing.
    """
    counts = Counter(row.state for row in rows)
    parts = [f"{counts[state]} {state}" for state in ("Pending", *_ORDER) if counts[state]]
    what = "parts" if launch.film else "pictures"
    line = f"{len(rows)} {what}: {', '.join(parts)}; {done} {what} here"
    if billed:
        line += f"; {billed[0]:.0f} s billed"
        if price := launch.job.price_per_hour:
            money = (f"{seconds / 3600 * price:.2f} {launch.job.currency}" for seconds in billed)
            line += f": about {next(money)}, and {next(money)} at most"
    return line


def table(
    title: str, rows: Sequence[Row], metrics: Sequence[str], region: str, most: int | None
) -> Any:
    """Return a rich table of the pictures, those that are painted and the failed ones first.

    Args:
        title: Above it.
        rows: All pictures.
        metrics: Names of those that are shown.
        region: Of the jobs, whose addresses a terminal may open; empty in a rehearsal.
        most: How many rows fit; all if None.
    """
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    order = {state: place for place, state in enumerate(_ORDER)}
    begun = sorted(
        (row for row in rows if row.state != "Pending"), key=lambda row: order.get(row.state, 0)
    )
    shown = Table(title=title)
    named = (name.removesuffix("_loss") for name in metrics)
    for column in ("painting", "state", "step", "time", "left", *named, "what"):
        left = column in ("painting", "state", "what")
        # Long reasons give way to numbers: a line below the table tells them whole.
        wraps = column in ("painting", "what")
        justify: Literal["left", "right"] = "left" if left else "right"
        shown.add_column(column, justify=justify, no_wrap=not wraps, overflow="fold")
    for row in begun[:most]:
        name, colour = escape(row.key), _COLOURS.get(row.state)
        if row.job and region:
            name = f"[link={console_address(region, row.job)}]{name}[/link]"
        shown.add_row(
            name,
            f"[{colour}]{row.state}[/]" if colour else row.state,
            *progress(row),
            *(f"{row.metrics[m]:.4g}" if m in row.metrics else "" for m in metrics),
            Text(row.remark, no_wrap=True, overflow="ellipsis"),
        )
    if most is not None and len(begun) > most:
        shown.add_row("…", f"{len(begun) - most} more")
    return shown


def progress(row: Row) -> tuple[str, str, str]:
    """Return the step of how many, the time since it was begun, and the time left."""
    step, steps = (row.metrics.get(name, 0) for name in ("step", "steps"))
    left = row.taken * (steps - step) / step if row.running and step else 0
    return (
        f"{step:.0f}/{steps:.0f}" if step else "",
        duration(row.taken) if row.taken else "",
        duration(left) if left else "",
    )
