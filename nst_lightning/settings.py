"""What a run's settings are called in pictures and checkpoints."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from nst_lightning import __version__
from nst_lightning.data.sources import public_name

_FILES = ("content", "style", "init")


def public_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings to embed in a picture.

    Files are named without their folders, and addresses without what signs them: where somebody
    keeps pictures is nobody's business, and the same run on another machine should give the same
    bytes.

    Args:
        config: The whole configuration of a run, as nested dictionaries.
    """
    data = {
        key: _base_name(value) if key in _FILES else value for key, value in config["data"].items()
    }
    trainer = config["trainer"]
    return {
        "nst_lightning": __version__,
        "seed_everything": config["seed_everything"],
        "max_epochs": trainer["max_epochs"],
        "max_steps": trainer["max_steps"],
        "model": _without_folders(config["model"]),
        "data": data,
    }


def _base_name(value: Any) -> Any:
    if isinstance(value, list):
        return [_base_name(item) for item in value]
    return PurePath(public_name(value)).name if isinstance(value, str) else value


def _without_folders(model: Mapping[str, Any]) -> dict[str, Any]:
    encoder = dict(model["encoder"] or {})
    if "weights" in encoder.get("init_args", {}):
        weights = _base_name(encoder["init_args"]["weights"])
        encoder["init_args"] = encoder["init_args"] | {"weights": weights}
    return {**model, "encoder": encoder}


def differing(
    now: Mapping[str, Any], then: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield ``(key, now, then)`` for every setting of ``then`` that is another now."""
    for key, old in then.items():
        new = now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differing(new, old, f"{prefix}{key}.")
        elif new != old:
            yield f"{prefix}{key}".replace(".init_args", ""), new, old
