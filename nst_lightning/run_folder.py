"""What a run folder tells about its run: the loss curves and the settings."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from nst_lightning.compare.page.words import TIMES

Curves = dict[str, list[tuple[int, float]]]


def read_curves(folder: Path) -> Curves:
    """Return ``metrics.csv`` as curves by term, the sum as ``loss``; empty if there is none.

    Only finite values are kept.
    """
    path = folder / "metrics.csv"
    curves: Curves = {}
    if not path.is_file():
        return curves
    with path.open(newline="", encoding="utf-8", errors="replace") as handle:
        for row in csv.DictReader(handle):
            for name, text in row.items():
                if name != "loss" and not str(name).endswith("_loss"):
                    continue
                try:
                    step, value = int(row["step"]), float(text)
                except (KeyError, TypeError, ValueError):
                    continue
                if math.isfinite(value):
                    curves.setdefault(name.removesuffix("_loss"), []).append((step, value))
    return dict(sorted(curves.items(), key=lambda item: item[0] != "loss"))


def read_config(folder: Path) -> tuple[dict[str, Any], str]:
    """Return a run's configuration, parsed and as text; both empty if there is none."""
    try:
        text = (folder / "config.yaml").read_text(encoding="utf-8")
        config = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}, ""
    return (config, text) if isinstance(config, dict) else ({}, "")


def told_settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that a reader asks for first, in words.

    Args:
        config: A run's whole configuration.
    """
    data, trainer, model = (config.get(key) or {} for key in ("data", "trainer", "model"))
    told = {}
    if data.get("size"):
        told["size"] = f"{data['size']} px ({data.get('size_rule', 'long')} side)"
    if data.get("steps_per_epoch") and trainer.get("max_epochs"):
        epochs, steps = trainer["max_epochs"], data["steps_per_epoch"]
        told["steps"] = f"{steps}" if epochs == 1 else f"{epochs} {TIMES} {steps}"
    for name in ("content", "style", "tv", *(model.get("extra") or {})):
        term = model.get(name) or (model.get("extra") or {}).get(name) or {}
        arguments = term.get("init_args") or {}
        if "weight" not in arguments:
            continue
        kind = str(term.get("class_path", "")).rpartition(".")[2]
        layers = arguments.get("layers")
        where = f" on {', '.join(map(str, layers))}" if isinstance(layers, list) else ""
        told[f"{name} term"] = f"{arguments['weight']:g} {TIMES} {kind}{where}"
    optimizer = (model.get("optimizer") or {}).get("class_path")
    if optimizer:
        told["optimiser"] = str(optimizer).rpartition(".")[2]
    if data.get("style_scale"):
        told["style scale"] = f"{data['style_scale']:g}"
    if data.get("init"):
        told["starts from"] = str(data["init"])
    if "seed_everything" in config:
        told["seed"] = str(config["seed_everything"])
    return told
