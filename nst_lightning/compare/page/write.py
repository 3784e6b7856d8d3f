"""The comparison's page and its Markdown twin, made from ``metrics.json`` and the run folders."""

import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nst_lightning.compare.keys import CONTENT, OPTIMISED, STYLE
from nst_lightning.compare.page import words
from nst_lightning.compare.page.drawing import write_variants
from nst_lightning.compare.page.figures import (
    improvement_bars,
    loss_curves,
    measure_plane,
    plane_in_words,
)
from nst_lightning.compare.page.pictures import write_pictures
from nst_lightning.compare.results import DECISIVE
from nst_lightning.data.which_pictures import SEPARATOR
from nst_lightning.errors import InputError
from nst_lightning.files import write_whole
from nst_lightning.options import digest
from nst_lightning.pages import DIVIDER, colours_css
from nst_lightning.run_folder import CONFIG, RunFolder

TEMPLATES = Path(__file__).with_name("templates")

COLUMNS = {
    "self_similarity/content": ("self-similarity distance to content", "↓"),
    "patch_distance/style": ("patch distance to style", "↓"),
    "colour_distance/style": ("colour distance to style", "↓"),
    "cfsd/content": ("CFSD to content", "↓"),
    "sliced_wasserstein/relu3_2": ("sliced Wasserstein, relu3_2", "↓"),
    "sliced_wasserstein/relu4_2": ("sliced Wasserstein, relu4_2", "↓"),
    "colour_histogram/style": ("colour histogram to style", "↓"),
    "contrast/style": ("contrast / style's", "→ 1"),
    "colourfulness/style": ("colourfulness / style's", "→ 1"),
    "ssim/content": ("SSIM to content", "↑"),
    "style_distance": ("style distance", "↓"),
    "mse/content": ("MSE to content", "↓"),
    "rmse/content": ("RMSE to content", "↓"),
    "psnr/content": ("PSNR to content, dB", "↑"),
    "ms_ssim/content": ("MS-SSIM to content", "↑"),
    "lpips/content": ("LPIPS to content", "↓"),
    "dists/content": ("DISTS to content", "↓"),
    "ssim/style": ("SSIM to style", "↑"),
    "mse/style": ("MSE to style", "↓"),
    "lpips/style": ("LPIPS to style", "↓"),
    "dists/style": ("DISTS to style", "↓"),
    "total_variation": ("total variation", ""),
    "deltas/horizontal": ("deltas, horizontal", ""),
    "deltas/vertical": ("deltas, vertical", ""),
}
"""Measure -> its heading in the large table, and which way is better."""


def write_report(out: Path) -> Path:
    """Write ``OUT/report/index.html``, ``report.md``, and their pictures; return the page's path.

    Raises:
        InputError: If ``OUT`` holds no comparison, or the report cannot be written.
    """
    path = out / "metrics.json"
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not the result of a comparison; run compare first") from error
    report = out / "report"
    _remove_others(report / "pictures", {pair["name"] for pair in document["pairs"]})
    pairs = [
        _prepared(pair, number, out, report, document["baselines"])
        for number, pair in enumerate(document["pairs"], start=1)
    ]
    # The page's headline, figures and exceptions are of the first one.
    baseline = next(iter(document["baselines"]))
    figures = _write_figures(report / "figures", pairs, baseline) if pairs else {}
    summary = document["summary"]
    context = {
        **document,
        "baseline": baseline,
        "pairs": pairs,
        "figures": figures,
        "columns": {
            key: heading
            for key, heading in COLUMNS.items()
            if any(key in measures for p in pairs for measures in p["measures"].values())
        },
        "exceptions": [pair for pair in pairs if not pair["wins"][baseline]["all"]],
        "verdict": words.verdict(summary, baseline),
        "means": words.means(summary, baseline) if pairs else "",
        "again": shlex.join(
            ["python", "train.py", "compare", "--config", (out / "compare.yaml").as_posix()]
        ),
        "decisive": {name: (DECISIVE[name], words.TITLES[name]) for name in DECISIVE},
        "votes": _digest(document),
        "colours": colours_css(),
        "css": DIVIDER.style + (TEMPLATES / "page.css").read_text(encoding="utf-8"),
        "script": DIVIDER.script + (TEMPLATES / "vote.js").read_text(encoding="utf-8"),
    }
    page = report / "index.html"
    for path, template in ((page, "page.html.jinja"), (report / "report.md", "report.md.jinja")):
        text = _render(template, context)
        write_whole(path, text)
    return page


def _render(template: str, context: Mapping[str, Any]) -> str:
    """Fill a template; in HTML everything is escaped, in Markdown what a template marks."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # nosec B701: Markdown is text
        loader=FileSystemLoader(TEMPLATES),
        autoescape=template.endswith(".html.jinja"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": words.number,
        "percent": words.percent,
        "duration": words.duration,
        "short": words.short,
        "url": quote,
        "md": words.escape_markdown,
    }
    environment.globals |= {"count": words.count, "lost": words.lost}
    return environment.get_template(template).render(context)


def _digest(document: Mapping[str, Any]) -> str:
    """Return what tells one comparison's votes from another's: all pictures are measured."""
    return digest([[pair["name"], pair["measures"]] for pair in document["pairs"]])


def _remove_others(folder: Path, names: set[str]) -> None:
    """Remove the pictures of pairs that are no longer compared."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in names and SEPARATOR in path.name:
            shutil.rmtree(path, ignore_errors=True)


def _prepared(
    pair: Mapping[str, Any],
    number: int,
    out: Path,
    report: Path,
    baselines: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Write a pair's pictures; return all that the templates need to know of it."""
    run = RunFolder(out / pair["folder"])
    files = {key: run.path / name for key, name in pair["pictures"].items()}
    sizes = write_pictures(
        report / "pictures" / pair["name"], files, (CONTENT, OPTIMISED, *baselines)
    )
    content, style = pair["content"]["label"], pair["style"]["label"]
    described = {OPTIMISED: "optimised"} | {key: b["label"] for key, b in baselines.items()}
    repeat = ["python", "train.py", "fit", "--config", (run.path / CONFIG).as_posix()]
    repeat += ["--trainer.default_root_dir", f"outputs/again/{pair['name']}"]
    return {
        **pair,
        "number": number,
        "label": f"{content} {words.TIMES} {style}",
        "anchor": f"pair-{number}",
        "sizes": sizes,
        "labels": {CONTENT: "untouched content", **described},
        "alts": {CONTENT: f"The content: {content}", STYLE: f"The style: {style}"}
        | {key: f"{content} in the style of {style}, {name}" for key, name in described.items()},
        "curves": run.curves,
        "settings": words.settings_in_words(run.config),
        "config": run.config_text,
        "repeat": shlex.join(repeat) if run.config else "",
    }


def _write_figures(
    folder: Path, pairs: Sequence[Mapping[str, Any]], baseline: str
) -> dict[str, dict[str, Any]]:
    """Write every figure; return the text that stands for each."""
    parts = []
    for pair in pairs:
        gain = {name: words.percent(v) for name, v in pair["improvement"][baseline].items()}
        told = ", ".join(f"{name} {gain[name]}" for name in DECISIVE)
        parts.append(f"{pair['label']}: {told}")
    alts = {
        "improvement": f"Improvement of optimised over fast. {'; '.join(parts)}.",
        "plane": plane_in_words(pairs, baseline),
    }
    write_variants(folder, "improvement", improvement_bars(pairs, baseline))
    write_variants(folder, "plane", measure_plane(pairs, baseline))
    runs = [(f"{p['number']} · {p['label']}", p["curves"]) for p in pairs if p["curves"]]
    if runs:
        write_variants(folder, "losses", loss_curves(runs))
        parts = [
            f"{label}: {curves['loss'][0][1]:.4g} to {curves['loss'][-1][1]:.4g}"
            for label, curves in runs
            if curves.get("loss")
        ]
        alts["losses"] = f"Loss from the first step to the last. {'; '.join(parts)}."
    return {name: {"alt": alt, "src": f"figures/{name}"} for name, alt in alts.items()}
