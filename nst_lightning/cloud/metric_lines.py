"""One line a logging step that SageMaker's metric definitions can read."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

MARK = "nst"
"""First word of every metric line."""


def metric_line(values: Mapping[str, float], **labels: Any) -> str:
    """Return a line such as ``nst step=3 loss=12.5 style_loss=11;``.

    Args:
        values: Numbers by name; those that are not finite are left out, as CloudWatch refuses them.
        labels: Further words, put first.
    """
    words = [f"{key}={value}" for key, value in labels.items()]
    words += [f"{key}={value:.9g}" for key, value in values.items() if math.isfinite(value)]
    return f"{MARK} {' '.join(words)};"


def metric_definitions(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the estimator's ``metric_definitions`` for metrics of these names.

    Args:
        names: As in the lines: ``loss``, ``style_loss``, ``ssim``, ….
    """
    number = r"([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)"
    return [
        {"Name": name, "Regex": rf"{MARK} (?:.* )?{re.escape(name)}={number}[ ;]"} for name in names
    ]
