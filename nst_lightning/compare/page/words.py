"""Numbers and names as a reader wants them."""

import math
import re
from collections.abc import Mapping
from typing import Any

from nst_lightning.compare.keys import CONTENT, OPTIMISED
from nst_lightning.compare.results import DECISIVE

TITLES = {
    "content": "self-similarity distance",
    "style": "patch distance",
    "colour": "colour distance",
}
"""What the decisive measures are called."""
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many decimals; a dash where there is none, ∞ where it is infinite."""
    if value is None or math.isnan(value):
        return "\N{EN DASH}"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    return f"{value:.{digits}f}".replace("-", MINUS)


def percent(value: float | None) -> str:
    """Return a percentage with its sign, as ``+12 %``; with a decimal below 10."""
    if value is None or not math.isfinite(value):
        return number(value)
    digits = 0 if value == 0 or abs(value) >= 9.95 else 1
    rounded = round(value, digits)
    sign = "+" if rounded > 0 else MINUS if rounded < 0 else ""
    return f"{sign}{abs(rounded):.{digits}f}\N{NO-BREAK SPACE}%"


def tick(value: float) -> str:
    """Return a percentage for an axis: whole, unless the axis is that short."""
    return f"{value:+g}\N{NO-BREAK SPACE}%".replace("-", MINUS) if value else "0 %"


def duration(seconds: float | None) -> str:
    """Return a time such as ``0.4 s``, ``38 s`` or ``2 min 5 s``."""
    if seconds is None:
        return "\N{EN DASH}"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def count(amount: int, what: str) -> str:
    """Return ``1 pair`` or ``3 pairs``."""
    return f"{amount} {what}" if amount == 1 else f"{amount} {what}s"


def verdict(summary: Mapping[str, Any], baseline: str) -> str:
    """Return the result in one sentence; the baseline is called "the fast one"."""
    pairs = summary["pairs"]
    if not pairs:
        return "No pair was finished, so there is nothing to compare."
    won = summary["wins"][baseline]["all"]
    claim = (
        "the optimised picture keeps more of the photograph, is made of more of what the painting "
        "is made of, and comes closer to its colours than the fast one"
    )
    if won == pairs:
        which = {1: "the only pair", 2: "both pairs"}.get(pairs, f"all {pairs} pairs")
        return f"On {which} {claim}."
    if won == 0:
        return f"On none of {count(pairs, 'pair')} {claim}, all at once."
    return f"On {won} of {pairs} pairs {claim}; the others are listed as exceptions."


def means(summary: Mapping[str, Any], baseline: str) -> str:
    """Return the means in one sentence: of content, style and colour, with the control."""
    fast, ours, control = (summary["mean"][key] for key in (baseline, OPTIMISED, CONTENT))

    def three(picture: Mapping[str, float]) -> str:
        return ", ".join(number(picture[measure]) for measure in DECISIVE.values())

    return (
        f"Mean {', '.join(TITLES[name] for name in DECISIVE)} (less is better) are {three(ours)} "
        f"for the optimised pictures, {three(fast)} for the fast ones, and {three(control)} for "
        "the untouched photographs, which are the control: content alone would reward doing "
        "nothing."
    )


def lost(pair: Mapping[str, Any], baseline: str) -> str:
    """Return what an exception lost against the baseline, with all decisive measures as always."""
    parts = []
    for name, measure in DECISIVE.items():
        fast, ours = (pair["measures"][picture][measure] for picture in (baseline, OPTIMISED))
        verb = "better" if pair["wins"][baseline][name] else "not better"
        parts.append(f"{TITLES[name]} {number(ours)} against {number(fast)}, {verb}")
    return "; ".join(parts)


def short(text: str, length: int = 24) -> str:
    """Cut a long name for a figure's label."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def escape_markdown(text: object) -> str:
    """Return text, on one line, that Markdown and the HTML within it show as it is."""
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", line)


def settings_in_words(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of a run's configuration that a reader asks for first."""
    data, trainer, model = (config.get(key) or {} for key in ("data", "trainer", "model"))
    words = {}
    if data.get("size"):
        words["size"] = f"{data['size']} px ({data.get('size_rule', 'long')} side)"
    if data.get("steps_per_epoch") and trainer.get("max_epochs"):
        epochs, steps = trainer["max_epochs"], data["steps_per_epoch"]
        words["steps"] = f"{steps}" if epochs == 1 else f"{epochs} {TIMES} {steps}"
        if data.get("scales") == "octaves":
            words["steps"] += f", and {data['octave_steps']} at each octave"
    for name in ("content", "style", "tv", *(model.get("extra") or {})):
        term = model.get(name) or (model.get("extra") or {}).get(name) or {}
        arguments = term.get("init_args") or {}
        if "weight" not in arguments:
            continue
        kind = str(term.get("class_path", "")).rpartition(".")[2]
        layers = arguments.get("layers")
        where = f" on {', '.join(map(str, layers))}" if isinstance(layers, list) else ""
        words[f"{name} term"] = f"{arguments['weight']:g} {TIMES} {kind}{where}"
    optimizer = (model.get("optimizer") or {}).get("class_path")
    if optimizer:
        words["optimiser"] = str(optimizer).rpartition(".")[2]
    if data.get("style_scale"):
        words["style scale"] = f"{data['style_scale']:g}"
    if data.get("init"):
        words["starts from"] = str(data["init"])
    if "seed_everything" in config:
        words["seed"] = str(config["seed_everything"])
    return words
