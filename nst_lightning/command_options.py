"""Options that several commands have, and how the words of those that make many runs are read."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, NotEmptyStr, PositiveInt

from nst_lightning.errors import InputError
from nst_lightning.options import (
    SETTINGS_OPTION,
    find_configs,
    lay_over,
    read_yaml,
    refuse_reserved,
    take_settings,
)
from nst_lightning.parser import OneLineParser


def add_pictures(parser: ArgumentParser, note: str = "") -> None:
    """Add ``--contents`` and ``--styles``, lists of sources; ``note`` is added to their help."""
    _add_sources(parser, "--contents", "paint", note)
    add_styles(parser, note)


def add_styles(parser: ArgumentParser, note: str = "") -> None:
    """Add ``--styles`` alone."""
    _add_sources(parser, "--styles", "paint like", note)


def add_preview(parser: ArgumentParser) -> None:
    """Add ``--preview`` to the help; `parse_command` takes it for a setting of the runs."""
    text = "Show each picture in a browser as it is painted: at an address that is printed."
    parser.add_argument("--preview", type=bool, default=False, help=text)


def add_overwrite(parser: ArgumentParser, note: str) -> None:
    """Add ``--overwrite``, which may stand alone; ``note`` ends its help."""
    parser.add_argument(
        "--overwrite",
        type=bool,
        nargs="?",
        const=True,
        default=False,
        help=f"Replace what {note}",
    )


def shown_in_a_browser(words: Sequence[str], parser: ArgumentParser) -> list[str]:
    """Return a command line with ``--preview``, if there is one, as a setting of each run."""
    if not any("--preview" in action.option_strings for action in parser._actions):
        return list(words)
    spelled: list[str] = []
    for word, following in itertools.pairwise([*words, "--"]):
        if word == "--preview" and following.startswith("-"):
            word = "--preview=true"
        of_runs = word.partition("=")[0].partition(".")[0] == "--preview"
        spelled.append(SETTINGS_OPTION + word.removeprefix("--") if of_runs else word)
    return spelled


def add_configs(parser: ArgumentParser, note: str) -> None:
    """Add ``--configs``, those of the runs that a command makes; ``note`` ends its help."""
    parser.add_argument(
        "--configs",
        nargs="*",
        type=str,
        metavar="CONFIG",
        default=[],
        help=f"Config files of fit, by path or by name, {note}",
    )


def add_film(parser: ArgumentParser) -> None:
    """Add what says which frames of a clip are painted, and how steadily."""
    parser.add_argument("--from", type=str | None, default=None, help="Begin at: 12.5, or 1:02.")
    parser.add_argument("--to", type=str | None, default=None, help="End at.")
    parser.add_argument(
        "--every", type=PositiveInt, default=1, help="Paint each EVERYth frame alone."
    )
    parser.add_argument(
        "--passes",
        type=PositiveInt,
        default=1,
        help="2 goes backwards over the film once more: steadier where things come into sight.",
    )
    parser.add_argument(
        "--steadiness",
        type=NonNegativeFloat,
        default=3e6,
        help="Weight of the temporal term: more holds frames closer together.",
    )
    parser.add_argument(
        "--alone",
        type=NonNegativeInt,
        default=1,
        help="So many pairs of neighbours are painted frame by frame too, to say what is gained.",
    )


def _add_sources(parser: ArgumentParser, option: str, verb: str, note: str) -> None:
    sources = "files, folders, globs, URLs, sample:NAME or artworks:ARTIST?n=5."
    text = f"Pictures to {verb}: {sources}{note}"
    parser.add_argument(
        option, type=NotEmptyStr, nargs="+", metavar="PICTURE", default=[], help=text
    )


def parse_command(
    parser: OneLineParser,
    words: Sequence[str] | Mapping[str, Any],
    below: Sequence[Path] = (),
    reserved: Mapping[str, str] | None = None,
) -> Namespace:
    """Parse the words of a command that makes many runs.

    ``settings:`` of its configs and ``--settings.KEY VALUE`` are laid over one another key by key,
    where jsonargparse would let the ``settings:`` of one file replace that of another whole.

    Args:
        parser: With an option ``--config``.
        words: Of the command line, configs by path or by name; or the options by name.
        below: Configs of the command that lie below all others.
        reserved: Settings that the command sets by itself -> what to use instead.

    Returns:
        The options; ``settings`` holds the runs' settings by their dotted names.

    Raises:
        InputError: If something given is wrong.
        SystemExit: After printing, if ``--help`` or ``--print_config`` was given.
    """
    given: Mapping[str, Any] = {}
    rest: list[str] = []
    if not isinstance(words, Mapping):
        given, rest = take_settings(shown_in_a_browser(find_configs(words), parser))
    # It would print the settings of the last config alone.
    prints = "--print_config" in rest
    rest = [word for word in rest if word != "--print_config"]
    config = parser.parse_object(words) if isinstance(words, Mapping) else parser.parse_args(rest)
    files = [*below, *(Path(str(path)) for path in config.get("config") or [])]
    layers = []
    for file in files:
        settings = read_yaml(file).get("settings") or {}
        if not isinstance(settings, dict):
            raise InputError(f"--config: {file}: settings: is no mapping of settings of a run")
        layers.append(settings)
    config.settings = lay_over(*layers, given)
    config.pop("preview", None)  # it is among them
    refuse_reserved(config.settings, reserved or {})
    if prints:
        config.pop("config", None)
        print(parser.dump(config, skip_none=False), end="")
        raise SystemExit(0)
    return config
