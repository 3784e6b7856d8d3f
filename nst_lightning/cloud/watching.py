"""A launch or a search is watched to its end: a table on a terminal, elsewhere a line an event."""

import contextlib
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nst_lightning.cloud.fleet import Fleet
from nst_lightning.cloud.logs import console_address
from nst_lightning.cloud.manifest import Manifest
from nst_lightning.cloud.table import Row, progress, summary, table
from nst_lightning.progress import duration
from nst_lightning.say import is_terminal, program, say


def again(command: str, manifest: Manifest, *words: str) -> str:
    """Return a command that goes on with a launch, as it is typed."""
    name, folder = manifest.launch.name, manifest.launch.folder
    out = [] if folder == Path("outputs", name) else ["--out", str(folder)]
    return program(shlex.join(["sagemaker", command, name, *words, *out]))


def what_runs_on(manifest: Manifest) -> str:
    """Return what goes on without the launcher, and how to come back; empty if none was begun."""
    if manifest.rehearsal:
        return "left: nothing of the rehearsal runs on, or costs; the same command begins it anew"
    jobs = manifest.jobs.values()
    # Of a search SageMaker starts the next trial by itself.
    running = sum(job.running for job in jobs) or int(manifest.search is not None)
    pending = sum(job.state == "Pending" for job in jobs)
    if not running and pending == len(jobs):
        return ""
    what = f"{running} jobs run on (and cost)" if running else "no job runs on"
    what += f", and {pending} wait, which watch alone starts" if pending else ""
    come_back, end = again("watch", manifest), again("stop", manifest)
    return f"left: {what}; come back with: {come_back}; end them with: {end}"


@contextlib.contextmanager
def leaving(manifest: Manifest) -> Iterator[None]:
    """Add :func:`what_runs_on` to whatever ends the launcher before its jobs, SIGTERM too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except BaseException as error:
        line = what_runs_on(manifest)
        if line and not hasattr(error, "__notes__"):
            error.add_note(line)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def follow(fleet: Fleet, once: bool = False) -> None:
    """Move a launch on until it is over, showing how it goes.

    Args:
        fleet: The jobs.
        once: One turn only.
    """
    from rich.console import Console, Group
    from rich.live import Live

    manifest, region = fleet.manifest, "" if fleet.manifest.rehearsal else fleet.aws.region
    errors, out = Console(stderr=True), Console(width=None if is_terminal(sys.stdout) else 140)
    shown, rows, noted, began = is_terminal(sys.stderr), fleet.rows(), 0, time.monotonic()

    def drawn(most: int | None = None) -> Any:
        title = f"{manifest.launch.name}  {duration(time.monotonic() - began)}"  # it does not hang
        billed = fleet.billed() if region else None
        line = summary(manifest.launch, rows, len(fleet.done()), billed)
        return Group(table(title, rows, fleet.columns, region, most), line)

    with Live(console=errors, auto_refresh=False, transient=True) as live:
        while True:
            fleet.turn()
            before, rows = rows, fleet.rows()
            for note in fleet.notes[noted:]:
                say(f"note: {note}", error=True)
            noted = len(fleet.notes)
            if shown:
                live.update(drawn(max(5, errors.height - 8)), refresh=True)
            else:
                for line in events(before, rows, region):
                    say(line)
            if fleet.over or once:
                break
            time.sleep(fleet.pause())
    fleet.save(everywhere=True)
    out.print(drawn(), soft_wrap=True)
    for row in rows:
        if row.state in ("Failed", "Lost"):
            say(f"{row.state.lower()}: {row.key}: {row.remark}")
            if region:
                say(f"  its log: {again('logs', manifest, row.key)}")


def events(before: Sequence[Row], after: Sequence[Row], region: str) -> Iterator[str]:
    """Yield a line for every picture that is not as it was.

    Args:
        before: All pictures, as they were.
        after: As they are.
        region: Of the jobs, for their addresses; empty in a rehearsal.
    """
    known = {row.key: row for row in before}
    for row in after:
        was = known.get(row.key, Row(row.key, "Pending"))
        if (was.state, was.remark) == (row.state, row.remark):
            continue
        step, taken, _ = progress(row)
        words = [row.state, row.remark, step and f"step {step}", taken and f"after {taken}"]
        if row.job != was.job and region:
            words.append(console_address(region, row.job))
        yield f"{time.strftime('%H:%M:%S')} {row.key}: {', '.join(filter(None, words))}"
