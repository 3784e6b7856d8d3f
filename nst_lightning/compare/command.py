"""The command line of ``compare``."""

import json
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace

from nst_lightning.baselines import Baseline
from nst_lightning.cli import innermost
from nst_lightning.compare.fit_settings import as_options, lay_over
from nst_lightning.compare.keys import baseline_keys
from nst_lightning.compare.runner import Comparison
from nst_lightning.data.resizing import check_size
from nst_lightning.data.sources import public_name
from nst_lightning.data.which_pictures import find_sources
from nst_lightning.errors import InputError
from nst_lightning.files import check_folder
from nst_lightning.parser import CONFIG_FOLDERS, OneLineParser, find_configs

DESCRIPTION = (
    "Paint every content in every style, measure the pictures beside those of fast style transfer, "
    "and write a page about it: OUT/report/index.html. Stopped or killed, the same command goes on "
    "where it was. Any setting of fit may be given as --fit.KEY VALUE, such as "
    "--fit.model.style.weight 1e5, or under fit: in a config."
)


def base_config() -> Path | None:
    """Return ``configs/compare.yaml``, which lies below every other config."""
    paths = (folder / "compare.yaml" for folder in CONFIG_FOLDERS)
    return next((path for path in paths if path.is_file()), None)


def make_parser() -> OneLineParser:
    """Return the parser of ``compare``."""
    base = base_config()
    parser = OneLineParser(
        prog=f"{Path(sys.argv[0]).name} compare",
        description=DESCRIPTION,
        default_config_files=[str(base)] if base else [],
    )
    parser.add_argument(
        "-c",
        "--config",
        action="config",
        help="A config file, laid over the shipped one; several from left to right.",
    )
    parser.add_argument(
        "--contents",
        nargs="+",
        type=str,
        metavar="PICTURE",
        default=["sample:cat", "sample:coffee"],
        help="Pictures to paint: files, folders, globs, URLs or sample:NAME.",
    )
    parser.add_argument(
        "--styles",
        nargs="+",
        type=str,
        metavar="PICTURE",
        default=["sample:klimt", "sample:starry", "sample:waves"],
        help="Pictures to paint like.",
    )
    parser.add_argument(
        "--size", type=int, default=384, help="Long side of the pictures in pixels."
    )
    parser.add_argument(
        "--out", type=str, default="outputs/compare", help="Folder of the results and the page."
    )
    parser.add_argument(
        "--runs",
        type=str | None,
        default=None,
        help="Folder of the run folders CONTENT--STYLE, if it is not OUT/runs. A run made "
        "elsewhere (stylized.png, config.yaml, metrics.csv) is taken as it is.",
    )
    parser.add_argument(
        "--baselines",
        type=list[Baseline],
        default=[{"class_path": "nst_lightning.baselines.OnnxStylizer"}],
        help="Fast style transfers to compare with, by class_path; the first one is the page's.",
    )
    parser.add_argument(
        "--fit", type=dict[str, Any], default={}, help="Settings of fit, by their dotted names."
    )
    return parser


def parse(args: list[str]) -> tuple[OneLineParser, Namespace]:
    """Parse the options of ``compare``; ``fit`` of all configs and options is laid over.

    Raises:
        InputError: If something given is wrong.
    """
    args = find_configs(args)
    base = base_config()
    fit, rest = lay_over([*([base] if base else []), *_configs(args)], args)
    parser = make_parser()
    wants_help = any(arg in ("-h", "--help") or arg.endswith(".help") for arg in rest)
    if not wants_help:
        # jsonargparse splits what looks like an option, never what follows "=".
        rest.append(f"--fit={json.dumps(fit)}")
    return parser, parser.parse_args(rest)


def main(args: list[str]) -> int:
    """Compare.

    Args:
        args: Options of ``compare``.

    Returns:
        The exit code: 0, or 1 if a pair failed.

    Raises:
        InputError: If something given is wrong.
        KeyboardInterrupt: If it was stopped; what is finished is kept.
    """
    parser, config = parse(args)
    comparison = prepare(parser, config, args)
    try:
        document = comparison.run()
    except KeyboardInterrupt:
        done = len(comparison.done)
        if done:
            _write_page(comparison)
        print(
            f"stopped; {done} of {len(comparison.contents) * len(comparison.styles)} pairs are "
            "finished, and the same command goes on from here",
            file=sys.stderr,
        )
        raise
    _write_page(comparison)
    _say(comparison, document)
    return 1 if document["failures"] else 0


def prepare(parser: OneLineParser, config: Namespace, args: list[str]) -> Comparison:
    """Check what was given and build the baselines; nothing is painted, only ``OUT`` is checked.

    Raises:
        InputError: If something given is wrong.
    """
    check_size(config.size, "--size")
    if not config.out:
        raise InputError("--out: the name of the folder is empty")
    artworks = config.fit.get("data.artworks")
    contents = find_sources(_listed(config.contents), "contents", artworks)
    styles = find_sources(_listed(config.styles), "styles", artworks)
    options = as_options(config.fit)
    out = check_folder(Path(config.out).expanduser())
    runs = Path(config.runs).expanduser() if config.runs else out / "runs"
    check_folder(runs)
    try:
        stylizers = parser.instantiate_classes(config).baselines
    except ValueError as error:
        raise innermost(error) from error
    if not stylizers:
        raise InputError("--baselines: the list is empty; there is nothing to compare with")
    keys = baseline_keys(stylizers)
    dump = yaml.safe_load(parser.dump(config, skip_none=False))
    dump.pop("config", None)
    return Comparison(
        contents=contents,
        styles=styles,
        stylizers=dict(zip(keys, stylizers, strict=True)),
        identities=dict(zip(keys, dump["baselines"], strict=True)),
        options=options,
        size=config.size,
        out=out,
        runs=runs,
        config=dump,
        about={
            "nst_lightning": version("nst-lightning"),
            "command": shlex.join(["python", "train.py", "compare", *map(public_name, args)]),
            "size": config.size,
            "fit": dump["fit"],
        },
    )


def _configs(args: list[str]) -> list[Path]:
    found = []
    for index, arg in enumerate(args):
        if arg in ("--config", "-c") and index + 1 < len(args):
            found.append(Path(args[index + 1]))
        elif arg.startswith("--config="):
            found.append(Path(arg.removeprefix("--config=")))
    return found


def _listed(given: list[str]) -> list[str]:
    """Take ``'[a.jpg, b.jpg]'`` for two names, as ``fit --data.style`` does."""
    names: list[str] = []
    for item in given:
        try:
            value = yaml.safe_load(item) if item.startswith("[") and item.endswith("]") else item
        except yaml.YAMLError:
            value = item
        names += [str(v) for v in value] if isinstance(value, list) else [item]
    return names


def _write_page(comparison: Comparison) -> None:
    from nst_lightning.compare.page.write import write_report

    write_report(comparison.out)


def _say(comparison: Comparison, document: dict[str, Any]) -> None:
    told = document["summary"]
    taken_over = sum(pair["reused"] for pair in document["pairs"])
    if taken_over:
        print(f"{taken_over} of {told['pairs']} pairs were there already")
    for key, baseline in document["baselines"].items() if told["pairs"] else ():
        both, mean = told["wins"][key]["both"], told["improvement"][key]
        print(
            f"optimised beats {baseline['label']} in SSIM to the content and in style distance "
            f"on {both} of {told['pairs']} pairs"
        )
        parts = {"SSIM": "ssim", "style distance": "style_distance", "MSE": "mse"}
        said = [f"{k} {mean[v]['mean']:+.1f} %" for k, v in parts.items() if v in mean]
        print(f"mean improvement  {', '.join(said)}")
    print(f"measures  {comparison.out / 'metrics.csv'}")
    print(f"page      {comparison.out / 'report' / 'index.html'}", flush=True)
