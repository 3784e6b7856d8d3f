"""A clip for several machines: into which parts it is cut, and what each is given."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from nst_lightning.errors import InputError
from nst_lightning.objective import SharedTargets
from nst_lightning.video.clip import seconds
from nst_lightning.video.painting import FramePainter
from nst_lightning.video.pictures import FILE, SECONDS
from nst_lightning.video.reading import open_clip
from nst_lightning.video.scenes import cuts
from nst_lightning.video.writing import check_out


def planned(
    film: Mapping[str, Any],
    settings: Mapping[str, Any],
    configs: Sequence[str],
    styles: Sequence[str],
    shared: SharedTargets,
) -> dict[str, Any]:
    """Return the settings of a frame's run with, as ``film``, the parts; nothing is painted.

    Args:
        film: ``clip``, ``start``, ``end``, ``every``, ``steadiness``, ``painted``, whether that may
            be replaced (``replace``), and how many parts there may be (``scenes``).
        settings: Of every frame's run, by their dotted names.
        configs: Config files that lie below them.
        styles: Paintings, by their sources.
        shared: Where encoders come from.

    Returns:
        Of each part ``part``: the indices of its first frame and of the one after its last. Where
        every frame is a file, also these (``files``), and rows of their times (``times``).

    Raises:
        InputError: If something given is wrong.
    """
    for key, option in (("start", "--from"), ("end", "--to")):
        if film[key] is not None:
            seconds(film[key], option)
    if not film["replace"] and Path(film["painted"]).exists():
        raise InputError(f"--painted: {film['painted']} exists already; give another name")
    check_out(film["painted"], overwrite=True, made_of=(film["clip"], *styles))
    with open_clip(film["clip"], film["start"], film["end"], film["every"]) as clip:
        count, begins = clip.info.count, [0]
        first = next(iter(clip)).picture
        found = FramePainter(settings, configs, styles, film["steadiness"], shared).open(first)
        if film["scenes"] > 1:
            pictures = [0]

            def seen() -> Any:
                for frame in clip:
                    pictures[0] += 1
                    yield frame.picture

            begins += cuts(seen())
            count = pictures[0]  # fewer where the clip breaks off
        parts = []
        for part in shared_out([*begins, count], film["scenes"]):
            info = clip.part(*part).info
            ends = [*info.times, info.duration]
            files = [str(path) for path in clip.files[slice(*part)]]
            names = [*(f"{n:06}{path[path.rfind('.') :]}" for n, path in enumerate(files)), ""]
            rows = [[FILE, SECONDS], *([n, str(t)] for n, t in zip(names, ends, strict=False))]
            parts.append({"part": part, "files": files, "times": rows if files else []})
    return {**found.settings, "film": parts}


def shared_out(begins: Sequence[int], number: int) -> list[tuple[int, int]]:
    """Share scenes out to parts, in order, so that the longest part is as short as can be.

    Args:
        begins: The indices with which scenes begin, and that after the last frame.
        number: Of parts; as many as there are scenes, if these are fewer.

    Returns:
        Of each part the index of its first frame and of the one after its last.
    """
    scenes = len(begins) - 1

    @cache
    def best(first: int, parts: int) -> tuple[int, tuple[int, ...]]:
        """Return the longest part's frames, and where parts begin, from a scene on."""
        if parts == 1:
            return begins[-1] - begins[first], (begins[first],)
        found = []
        for later in range(first + 1, scenes - parts + 2):
            longest, rest = best(later, parts - 1)
            here = begins[later] - begins[first]
            found.append((max(here, longest), (begins[first], *rest)))
        return min(found)

    starts = best(0, min(number, scenes))[1]
    return list(zip(starts, [*starts[1:], begins[-1]], strict=True))
