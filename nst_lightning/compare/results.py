"""``metrics.csv`` and ``metrics.json``: every measure of every picture, and what they say."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nst_lightning.compare.keys import CONTENT, OPTIMISED
from nst_lightning.files import write_csv, write_whole
from nst_lightning.metrics.improvement import error_improvement, score_improvement

Measures = Mapping[str, Mapping[str, float]]

DECISIVE = {
    "content": "self_similarity/content",
    "style": "patch_distance/style",
    "colour": "colour_distance/style",
}
"""What decides which picture is better -> its measure; all of them: less is better.

They are taken at layers, and by statistics, that no loss of the shipped settings has.
"""


MEANS = (*DECISIVE.values(), "ssim/content", "style_distance")
"""Measures whose mean over the pairs is told."""


def improvement(measures: Measures, baseline: str) -> dict[str, float]:
    """Return by how many percent the optimised picture beats a baseline's; positive is better.

    The report's formulas: SSIM as a score, all others as errors. ``content``, ``style`` and
    ``colour`` are the decisive measures; ``ssim`` and ``mse`` are against the content,
    ``ssim_style`` and ``mse_style`` against the style.

    Args:
        measures: Measures of the baseline and of ``optimised``.
        baseline: The baseline's key.
    """
    theirs, ours = measures[baseline], measures[OPTIMISED]
    decisive = {
        name: error_improvement(theirs[measure], ours[measure])
        for name, measure in DECISIVE.items()
    }
    return decisive | {
        "ssim": score_improvement(theirs["ssim/content"], ours["ssim/content"]),
        "mse": error_improvement(theirs["mse/content"], ours["mse/content"]),
        "style_distance": error_improvement(theirs["style_distance"], ours["style_distance"]),
        "ssim_style": score_improvement(theirs["ssim/style"], ours["ssim/style"]),
        "mse_style": error_improvement(theirs["mse/style"], ours["mse/style"]),
    }


def wins(measures: Measures, baseline: str) -> dict[str, bool]:
    """Return by which of the decisive measures the optimised picture is better, and ``all``.

    Args:
        measures: Measures of the baseline and of ``optimised``.
        baseline: The baseline's key.
    """
    theirs, ours = measures[baseline], measures[OPTIMISED]
    won = {name: ours[measure] < theirs[measure] for name, measure in DECISIVE.items()}
    return won | {"all": all(won.values())}


def summary(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return counts and means over the pairs, of what :func:`improvement` and :func:`wins` found.

    Args:
        pairs: The pairs of ``metrics.json``; each has ``measures``, and by baseline
            ``improvement`` and ``wins``.

    Returns:
        ``pairs``: how many. By baseline: ``wins`` by measure; ``exceptions``: names of the pairs
        where not all decisive measures are better; ``improvement``: mean and median by measure,
        over the finite values. ``mean``: by picture, of `MEANS`.
    """
    if not pairs:
        return {"pairs": 0}
    baselines = list(pairs[0]["wins"])
    return {
        "pairs": len(pairs),
        "wins": {
            key: {name: sum(p["wins"][key][name] for p in pairs) for name in pairs[0]["wins"][key]}
            for key in baselines
        },
        "exceptions": {
            key: [p["name"] for p in pairs if not p["wins"][key]["all"]] for key in baselines
        },
        "improvement": {
            key: _mean_improvement([p["improvement"][key] for p in pairs]) for key in baselines
        },
        "mean": {
            key: {name: statistics.fmean(p["measures"][key][name] for p in pairs) for name in MEANS}
            for key in pairs[0]["measures"]
        },
    }


def _mean_improvement(improvements: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    found = {}
    for name in improvements[0]:
        values = [i[name] for i in improvements if math.isfinite(i[name])]
        if values:
            found[name] = {
                "mean": statistics.fmean(values),
                "median": statistics.median(values),
            }
    return found


def write_results(out: Path, document: Mapping[str, Any]) -> None:
    """Write ``metrics.json`` and ``metrics.csv``, each whole.

    Args:
        out: The comparison's folder.
        document: ``pairs`` with their ``measures``, ``failures``, ``summary`` and what was given.

    Raises:
        InputError: If they cannot be written.
    """
    text = json.dumps(_finite(document), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(out / "metrics.json", text + "\n")
    names = ["content", "style", "picture", "file", "seconds"]
    write_csv(out / "metrics.csv", csv_rows(document["pairs"]), names)


def csv_rows(pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a picture: the untouched content as a control, the baselines, ours.

    Args:
        pairs: The pairs of ``metrics.json``.
    """
    rows = []
    for pair in pairs:
        for key, measures in pair["measures"].items():
            rows.append(
                {
                    "content": pair["content"]["label"],
                    "style": pair["style"]["label"],
                    "picture": "untouched content" if key == CONTENT else key,
                    "file": f"{pair['folder']}/{pair['pictures'][key]}",
                    "seconds": pair["seconds"].get(key),
                    **measures,
                }
            )
    return rows


def _finite(value: Any) -> Any:
    """JSON knows no infinity: the PSNR of equal pictures becomes null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
