"""Settings <-> hyper-parameters: what CreateTrainingJob can carry, and the command line of it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

MAXIMUM_COUNT = 100
"""Hyper-parameters of a training job, by AWS's limits; the SDK adds seven of its own."""
MAXIMUM_LENGTH = 2500
"""Characters of one hyper-parameter's value, by AWS's limits."""
_OWN_KEYS = 10

SAGEMAKERS_OWN = ("sagemaker_", "_tuning_objective_metric")


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted names; a class with its arguments stays one value.

    Args:
        settings: As in a YAML file: ``{"data": {"size": 3}, "model.tv": None}``.
        prefix: Put before every name.
    """
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value and "class_path" not in value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


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
        room = len(fitting) < MAXIMUM_COUNT - _OWN_KEYS
        (fitting if fits and room else rest)[key] = value
    return fitting, rest


def to_arguments(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield ``--key=value`` for every setting, as one would write it for ``train.py``.

    The value always shares the word with its key, so that one starting with ``-`` is no option. A
    class comes before its arguments, since a name sorts before those that it begins.

    Args:
        settings: Values by dotted name; those of SageMaker itself are left out.
    """
    for key in sorted(settings):
        if not key.startswith(SAGEMAKERS_OWN):
            value = settings[key]
            yield f"--{key}={value if isinstance(value, str) else _as_json(value)}"


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
