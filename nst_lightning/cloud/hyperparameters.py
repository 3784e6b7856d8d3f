"""Which settings a job's hyper-parameters can carry."""

import json
from collections.abc import Mapping
from typing import Any

MAXIMUM_COUNT = 100
"""Hyper-parameters of a training job, by AWS's limits; the SDK adds seven of its own."""
MAXIMUM_LENGTH = 2500
"""Characters of one hyper-parameter's value, by AWS's limits."""
TRIAL = "_tuning_objective_metric"
"""The hyper-parameter that SageMaker adds to those of a search's trial."""
SDK_PREFIXES = ("sagemaker_", TRIAL)
"""What the hyper-parameters of the SDK itself begin with."""
PAINTING = "painting_"
"""What the hyper-parameters begin with that each name one picture to be painted."""
_RESERVED_COUNT = 50  # for the SDK's, and for a job's pictures


def split_for_job(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part settings into those that fit a job's hyper-parameters and those that need a file.

    Args:
        settings: Values by dotted name, each of which JSON can carry.

    Returns:
        The hyper-parameters, and the rest.
    """
    fitting: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, value in settings.items():
        fits = len(json.dumps(value)) <= MAXIMUM_LENGTH and len(key) <= 256
        room = len(fitting) < MAXIMUM_COUNT - _RESERVED_COUNT
        (fitting if fits and room else rest)[key] = value
    return fitting, rest
