"""The command line of ``compare``."""

import functools
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jsonargparse import Namespace

from nst_lightning import __version__
from nst_lightning.baselines import Baseline
from nst_lightning.command_options import add_configs, add_pictures, add_preview, parse_command
from nst_lightning.compare.keys import baseline_keys
from nst_lightning.compare.results import DECISIVE
from nst_lightning.data.sources import public_name
from nst_lightning.data.which_pictures import find_sources
from nst_lightning.errors import InputError
from nst_lightning.files import check_folder
from nst_lightning.options import CONFIG_FOLDERS, to_words
from nst_lightning.parser import OneLineParser, innermost
from nst_lightning.run_folder import occupied
from nst_lightning.say import say_loading

if TYPE_CHECKING:
    from nst_lightning.compare.runner import Comparison

DESCRIPTION = (
    "Paint every content in every style, measure the pictures beside those of fast style transfer, "
    "and write a page about it: OUT/report/index.html. Stopped or killed, the same command goes on "
    "where it was. Any setting of a run may be given as --settings.KEY VALUE, such as "
    "--settings.model.style.weight 1e5, or under settings: in a config."
)

RESERVED = {
    "data.content": "--contents",
    "data.style": "--styles",
    "data.size": "--size",
    "trainer.default_root_dir": "--out or --runs",
    "images.format": "nothing: the pictures are PNG files",
    "config": "--configs",
    "ckpt_path": "nothing: an unfinished pair goes on by itself",
}
"""Settings that are the comparison's own -> what to use instead."""


def main(words: Sequence[str]) -> int:
    """Compare.

    Args:
        words: Options of ``compare``.

    Returns:
        The exit code: 0, or 1 if a pair failed.

    Raises:
        InputError: If something given is wrong.
        KeyboardInterrupt: If it was stopped; what is finished is kept.
    """
    return _alone(prepare(words))


def compare(options: Mapping[str, Any]) -> int:
    """Compare as :func:`main` does, from a mapping: ``{"contents": [...], "size": 384}``."""
    return _alone(prepare(options))


def make_parser(base: Path) -> OneLineParser:
    """Return the parser of ``compare``.

    Args:
        base: The config that lies below every other.
    """
    parser = OneLineParser(
        prog=f"{Path(sys.argv[0]).name} compare",
        description=DESCRIPTION,
        default_config_files=[str(base)],
    )
    parser.add_argument(
        "-c",
        "--config",
        action="config",
        help="A config file, laid over the shipped one; several from left to right.",
    )
    add_pictures(parser)
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
        default=[],
        help="Fast style transfers to compare with, by class_path; the first one is the page's.",
    )
    add_configs(parser, "below the settings.")
    add_preview(parser)
    parser.add_argument(
        "--settings",
        type=dict[str, Any],
        default={},
        help="In a config; on the command line --settings.KEY VALUE.",
    )
    return parser


def prepare(words: Sequence[str] | Mapping[str, Any]) -> "Comparison":
    """Check what was given; nothing is built or painted, only ``OUT`` is checked.

    Args:
        words: Options of ``compare``, as words or by name.

    Raises:
        InputError: If something given is wrong.
    """
    base = next(path for f in CONFIG_FOLDERS if (path := f / "compare.yaml").is_file())
    parser = make_parser(base)
    given = parse_command(parser, words, [base], RESERVED)
    words = to_words(words) if isinstance(words, Mapping) else words
    if not given.out:
        raise InputError("--out: the name of the folder is empty")
    if not given.baselines:
        raise InputError("--baselines: the list is empty; there is nothing to compare with")
    artworks = given.settings.get("data.artworks")
    contents = find_sources(given.contents, "contents", artworks)
    styles = find_sources(given.styles, "styles", artworks)
    say_loading()
    from nst_lightning.compare.painting import Painter
    from nst_lightning.compare.runner import Comparison
    from nst_lightning.data.sides import check_size

    size = check_size(given.size, "--size")
    out = check_folder(given.out)
    runs = check_folder(given.runs or out / "runs")
    config: dict[str, Any] = yaml.safe_load(parser.dump(given, skip_none=False))
    config.pop("config", None)
    return Comparison(
        contents=contents,
        styles=styles,
        build_baselines=functools.partial(_baselines, parser, given),
        painter=Painter(given.settings, given.configs, size, runs),
        out=out,
        config=config,
        about={
            "nst_lightning": __version__,
            "command": shlex.join(["python", "train.py", "compare", *map(public_name, words)]),
            "size": size,
            "configs": config["configs"],
            "settings": config["settings"],
        },
    )


def _baselines(parser: OneLineParser, given: Namespace) -> dict[str, Baseline]:
    try:
        baselines: list[Baseline] = parser.instantiate(given).baselines
    except ValueError as error:
        raise innermost(error) from error
    return dict(zip(baseline_keys(baselines), baselines, strict=True))


def _alone(comparison: "Comparison") -> int:
    with occupied(comparison.out, "report/**"), occupied(comparison.painter.runs, "*"):
        return _carry_out(comparison)


def _carry_out(comparison: "Comparison") -> int:
    """Run, write the page, and print what came out; returns the exit code."""
    from nst_lightning.compare.page.write import write_report

    try:
        document = comparison.run()
    except KeyboardInterrupt:
        done = len(comparison.done)
        if done:
            write_report(comparison.out)
        print(
            f"stopped; {done} of {len(comparison.pairs)} pairs are finished, and the same command "
            "goes on from here",
            file=sys.stderr,
        )
        raise
    page = write_report(comparison.out)
    _print_summary(document)
    print(f"measures  {comparison.out / 'metrics.csv'}")
    print(f"page      {page}", flush=True)
    return 1 if document["failures"] else 0


def _print_summary(document: Mapping[str, Any]) -> None:
    summary, pairs = document["summary"], document["pairs"]
    # What a job painted was never asked of this command.
    reused = sum(pair["reused"] and not pair["made_elsewhere"] for pair in pairs)
    if reused:
        print(f"{reused} of {len(pairs)} pairs were there already")
    for key, baseline in document["baselines"].items() if pairs else ():
        wins, mean = summary["wins"][key], summary["improvement"][key]
        print(
            f"optimised beats {baseline['label']} in content, style and colour on {wins['all']} of "
            f"{len(pairs)} pairs ({', '.join(f'{name} {wins[name]}' for name in DECISIVE)})"
        )
        parts = [f"{name} {mean[name]['mean']:+.1f} %" for name in DECISIVE if name in mean]
        parts += [f"SSIM {mean['ssim']['mean']:+.1f} %"] if "ssim" in mean else []
        print(f"mean improvement  {', '.join(parts)}")
