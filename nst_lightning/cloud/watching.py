"""A launch or a search is watched to its end: a table on a terminal, elsewhere a line an event."""

import contextlib
import shlex
import signal
import sys
import time
from collections.abc import Iterator

from nst_lightning.cloud.fleet import Fleet
from nst_lightning.cloud.logs import console_address
from nst_lightning.cloud.manifest import Manifest
from nst_lightning.cloud.table import job_table, remark, summary
from nst_lightning.say import is_terminal, program, say


def again(command: str, manifest: Manifest, *words: str) -> str:
    """Return a command that goes on with a launch, as it is typed."""
    out = ["--out", manifest.launch.out] if manifest.launch.out else []
    return program(shlex.join(["sagemaker", command, manifest.launch.name, *words, *out]))


def what_runs_on(manifest: Manifest) -> str:
    """Return the line that says what goes on without the launcher, and how to come back."""
    if manifest.rehearsal:
        return "left: nothing of the rehearsal runs on, or costs; the same command begins it anew"
    running = sum(job.running for job in manifest.jobs.values())
    return (
        f"left: {f'{running} jobs run' if running else 'no job runs'} on"
        f"{' (and cost)' if running else ''}; come back with: {again('watch', manifest)}; "
        f"end them with: {again('stop', manifest)}"
    )


@contextlib.contextmanager
def leaving(manifest: Manifest) -> Iterator[None]:
    """Add :func:`what_runs_on` to whatever ends the launcher before its jobs, SIGTERM too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except BaseException as error:
        if not hasattr(error, "__notes__"):
            error.add_note(what_runs_on(manifest))
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def follow(fleet: Fleet, once: bool = False) -> None:
    """Move a launch on until it is over, showing how it goes.

    Args:
        fleet: The jobs.
        once: One turn only.
    """
    from rich.console import Console
    from rich.live import Live

    errors, out = Console(stderr=True), Console(width=None if is_terminal(sys.stdout) else 140)
    shown, seen = is_terminal(sys.stderr), _states(fleet)
    noted = 0
    with Live(console=errors, auto_refresh=False, transient=True) as live:
        while True:
            fleet.turn()
            for note in fleet.notes[noted:]:
                say(f"note: {note}", error=True)
            noted = len(fleet.notes)
            if shown:
                live.update(job_table(fleet, max(5, errors.height - 8)), refresh=True)
            else:
                for line in _events(fleet, seen):
                    say(line)
            if fleet.over or once:
                break
            time.sleep(fleet.pause())
    fleet.save(everywhere=True)
    out.print(job_table(fleet))
    say(summary(fleet))
    for key, job in fleet.manifest.jobs.items():
        if job.state in ("Failed", "Lost"):
            say(f"{job.state.lower()}: {key}: {job.reason}")
            if not fleet.manifest.rehearsal:
                say(f"  its log: {again('logs', fleet.manifest, key)}")


def _states(fleet: Fleet) -> dict[str, tuple[str, str]]:
    return {key: (job.state, remark(fleet, key)) for key, job in fleet.manifest.jobs.items()}


def _events(fleet: Fleet, seen: dict[str, tuple[str, str]]) -> Iterator[str]:
    """Yield a line for every job that is not as it was; ``seen`` is how they were."""
    for key, now in _states(fleet).items():
        if (before := seen.get(key)) == now:
            continue
        line = f"{time.strftime('%H:%M:%S')} {key}: {', '.join(filter(None, now))}"
        began = fleet.manifest.jobs[key].running and (before is None or before[0] == "Pending")
        if began and not fleet.manifest.rehearsal:
            line += f"; {console_address(fleet.aws.region, fleet.manifest.name_of(key))}"
        yield line
    seen.update(_states(fleet))
