"""How a picture is computed within the memory that there is."""

import contextlib
import itertools
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nst_lightning.errors import InputError
from nst_lightning.memory import give_back_now
from nst_lightning.peak import SURE_IN_TILES, Job, Size, peak, tiles_kept
from nst_lightning.say import say
from nst_lightning.stages import Tiles

_UNITS = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS |= {"KI": 2.0**10, "MI": 2.0**20, "GI": 2.0**30, "TI": 2.0**40}
_OF_FREE = 0.85  # the part of the free memory that `auto` takes
# In the order of what an evaluation takes; each stage in tiles is computed once more.
_TILES: tuple[Tiles | None, ...]
_TILES = (None, Tiles(1024), Tiles(512), Tiles(512, 2), Tiles(384, 2), Tiles(384, 3), Tiles(256, 3))
_FEWER_PAIRS = (10, 5)  # where as many as were asked for do not fit in bfloat16 either


@dataclass(frozen=True)
class Plan:
    """How it is computed.

    Attributes:
        tiles: How pictures are cut; None for whole.
        pairs: Secant pairs that the optimiser keeps.
        half_pairs: Whether in bfloat16.
        peak: Bytes that it takes, beside what the process had before.
    """

    tiles: Tiles | None
    pairs: int
    half_pairs: bool
    peak: float

    def line(self, size: Size, given: float, before: float) -> str:
        """Say it in one line.

        Args:
            size: Height and width.
            given: Bytes that it may take.
            before: Those that the process has already.
        """
        how = "whole" if self.tiles is None else f"in tiles of {self.tiles.size} px"
        pairs = f", {self.pairs} pairs in bfloat16" if self.half_pairs else ""
        taken = f"about {in_gb(before + self.peak)} of {in_gb(before + given)}"
        return f"memory: {size[1]}x{size[0]} px computed {how}{pairs}: {taken}"


class Budget:
    """What a run may take, measured once: a run that goes on elsewhere is cut the same way.

    Args:
        given: As of `budget`; None for as much as it takes.

    Raises:
        InputError: If it is no amount of memory.
    """

    def __init__(self, given: str | None) -> None:
        if given is not None and given != "auto":
            amount(given)
        self.given = given
        self._bytes: float | None = None

    def plan(self, job: Job, largest: Job | None, device: torch.device) -> Plan | None:
        """Return how a job is computed, None if nothing was given.

        Args:
            job: What is to be computed now.
            largest: That of the run's last scale, of which a line is said; None if it was already.
            device: Where.

        Raises:
            InputError: If the largest does not fit.
        """
        if self.given is None:
            return None
        if self._bytes is None:
            give_back_now()
            self._bytes = budget(self.given, device)
        if not self._bytes:
            wanted = taken(device) + min(plan.peak for plan in plans(largest or job))
            raise InputError(
                f"model.memory: {self.given} is less than the {in_gb(taken(device))} that the "
                f"program takes before it paints; give {in_gb(wanted + 1e8)} or more, or auto"
            )
        if largest is not None:
            plan = choose(largest, self._bytes)
            if plan.tiles is not None or plan.half_pairs or self.given != "auto":
                line = plan.line(largest.content, self._bytes, taken(device))
                say(line, error=True)
        return choose(job, self._bytes)

    def refuse_uncut(self, encoder: object) -> None:
        """Refuse an amount for an encoder that cannot be cut; ``auto`` leaves it alone.

        Raises:
            InputError: If an amount was given.
        """
        if self.given not in (None, "auto"):
            raise InputError(
                f"model.memory: {type(encoder).__name__} cannot be computed in tiles; use "
                "VGG19Encoder, or auto or null here"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return what was given and measured."""
        return {"given": self.given, "bytes": self._bytes}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what was measured, if the same was given: other tiles round differently."""
        if state["given"] == self.given:
            self._bytes = state["bytes"]


def in_gb(number: float) -> str:
    """Write a number of bytes as people do: ``3.4 GB``."""
    return f"{number / 1e9:.1f} GB"


def budget(given: str, device: torch.device) -> float:
    """Return the bytes that may be taken beside those that the process has.

    Args:
        given: ``auto``, most of what is free, or such as ``8GB``, of the whole process.
        device: A GPU's own memory counts if it is one.

    Raises:
        InputError: If it is neither.
    """
    if given == "auto":
        return _OF_FREE * _free(device)
    return max(0.0, amount(given) - taken(device))


def amount(given: str) -> float:
    """Return the bytes of an amount such as ``8GB``; raises ``InputError``."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]I?)B?", given.strip().upper())
    if not match or not float(match[1]):
        raise InputError(f"model.memory: {given!r} is no amount of memory; use auto or such as 8GB")
    return float(match[1]) * _UNITS[match[2]]


def choose(job: Job, bytes_: float) -> Plan:
    """Return the first plan that fits: whole if it does, larger tiles before smaller ones.

    Raises:
        InputError: If none fits; it says what is the largest size that would.
    """
    fits = next((plan for plan in plans(job) if plan.peak <= bytes_), None)
    if fits is not None and fits.tiles is not None:
        spare = (bytes_ - fits.peak) / SURE_IN_TILES
        tiles = replace(fits.tiles, kept=tiles_kept(job, fits.tiles, spare))
        return replace(fits, tiles=tiles)
    if fits is not None:
        return fits
    least = min(plans(job), key=lambda plan: plan.peak)
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        small = min(plan.peak for plan in plans(job.scaled(middle)))
        low, high = (middle, high) if small <= bytes_ else (low, middle)
    height, width = job.content
    largest = int(low * max(height, width)) // 16 * 16
    advice = f"a long side of {largest} px would fit" if largest >= 64 else "nothing would fit"
    raise InputError(
        f"model.memory: {width}x{height} px need {in_gb(least.peak)} at least, beside what the "
        f"program takes, and {in_gb(bytes_)} are left, {in_gb(least.peak - bytes_ + 1e8)} too "
        f"few; {advice}{_culprit(job)}"
    )


def plans(job: Job) -> Iterator[Plan]:
    """Give the ways to compute a job, in the order of preference.

    Fewer pairs, in bfloat16, cost next to nothing, a stage in tiles a third of an evaluation, less
    what memory to spare keeps, another a tenth (``docs/optimiser.md``, "Large pictures").
    """
    fewer = [(number, True) for number in _FEWER_PAIRS if number < job.pairs]
    offers = [(job.pairs, False), (job.pairs, True), *fewer] if job.pairs else [(0, False)]
    for _, alike in itertools.groupby(_TILES, lambda tiles: tiles.stages if tiles else 0):
        kinds = [tiles for tiles in alike if tiles is None or tiles.size < 1.5 * max(job.content)]
        # In tiles the memory of pairs in float32 does more for speed as kept graphs.
        good = offers if kinds[:1] == [None] else offers[-len(fewer) - 1 :]
        for (pairs, half), tiles in itertools.product(good, kinds):
            yield Plan(tiles, pairs, half, peak(job, tiles, pairs, half))


def _culprit(job: Job) -> str:
    """Name what cannot be computed in tiles, if there is something."""
    for name, term in job.terms.items():
        for layer in term.layers:
            if layer[4] in "12" and term.reach(layer, job.content) is None:
                kind = type(term).__name__
                return (
                    f"; the term {name} ({kind}) sees {layer} whole: leave it out, or say how it "
                    "adds up over tiles (LossTerm.sums)"
                )
    return ""


def taken(device: torch.device) -> float:
    """Return the bytes that this process holds on a device; 0 where nothing says so."""
    if device.type == "cuda":
        return float(torch.cuda.memory_allocated(device))
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0.0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _free(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    free = math.inf
    # Where there is no such file it is not a Linux, or not a container: nothing more is known.
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found = next(line for line in lines if line.startswith("MemAvailable"))
        free = 1024.0 * int(found.split()[1])
    with contextlib.suppress(OSError, ValueError):  # ValueError: "max"
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        free = min(free, limit - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    with contextlib.suppress(OSError, ImportError):
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]  # as ulimit -v sets it
        if most != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            free = min(free, most - pages * os.sysconf("SC_PAGE_SIZE"))
    return free
