"""The commands: each is imported when it is asked for, and a mistake is one line."""

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nst_lightning import __version__
from nst_lightning.errors import INTERRUPTED, InputError, did_you_mean
from nst_lightning.files import check_name
from nst_lightning.memory import keep_memory
from nst_lightning.mistakes import as_mistake, report_line
from nst_lightning.say import say


@dataclass(frozen=True)
class Command:
    """Where a command's function of the words is, which returns the exit code; its line of help."""

    module: str
    help: str
    function: str = "main"


COMMANDS = {
    "fit": Command(
        "nst_lightning.run_command", "Paint a picture; assumed where no command is given.", "fit"
    ),
    "test": Command("nst_lightning.run_command", "Measure a finished picture.", "test"),
    "compare": Command(
        "nst_lightning.compare.command",
        "Paint contents x styles and measure them beside fast style transfer, on a page.",
    ),
    "grid": Command(
        "nst_lightning.grids.command",
        "Paint any settings times any values, on one labelled sheet and in one table.",
    ),
    "app": Command(
        "nst_lightning.app.command", "Paint in the browser: two files dropped, a picture kept."
    ),
    "video": Command(
        "nst_lightning.video.command",
        "Paint a clip without flicker, with its sound.",
    ),
    "artworks": Command(
        "nst_lightning.artworks.command",
        "Count and measure a folder of paintings, with tables and figures.",
    ),
    "sagemaker": Command(
        "nst_lightning.cloud.commands",
        "Paint many pictures at once on Amazon SageMaker, or search for weights there.",
    ),
    "version": Command(
        "nst_lightning.mistakes", "What a report of a fault should name.", "print_versions"
    ),
}


def main(words: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        words: The command and its options; those of the process if None.

    Returns:
        The exit code: 0, 1 if a part of the work or this program failed, 2 for a mistake in what
        was given, 130 if Ctrl-C stopped it.
    """
    words = list(sys.argv[1:] if words is None else words)
    # Lightning 2.6 uses calls that jsonargparse 5 removes; the pin in pyproject.toml answers that.
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    # Large tensors in large pages, where the system has them; torch asks once, as it is imported.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    keep_memory()
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    code = _run(words)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):  # nobody reads it; Python would try, and complain, once more
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _run(words: list[str]) -> int:
    try:
        for word in words:
            check_name(word)
        if not words or words[0] in ("-h", "--help"):
            print(overview())
            return 0
        if words and words[0] == "--version":
            print(__version__)
            return 0
        name, rest = split_command(words)
        command = COMMANDS[name]
        code: int = getattr(importlib.import_module(command.module), command.function)(rest)
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:
        if line := as_mistake(error):
            say(f"error: {line}", error=True)
            return 2
        say(f"{report_line(error)}\n{traceback.format_exc()}", error=True)
        return 1


def split_command(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the command and its options; ``fit`` where none is named.

    Raises:
        InputError: If the first word is no command, option or picture.
    """
    if not words or words[0].startswith("-"):
        return "fit", list(words)
    if words[0] not in COMMANDS:
        from nst_lightning.given import is_picture

        if is_picture(words[0]):
            return "fit", list(words)
        raise InputError(
            f"unknown command {words[0]!r}{did_you_mean(words[0], COMMANDS)} "
            f"({', '.join(COMMANDS)})"
        )
    return words[0], list(words[1:])


def overview() -> str:
    """Return what ``--help`` prints: every command with one line."""
    program = Path(sys.argv[0]).name
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {program} PHOTO PAINTING [-o PICTURE] [options]",
            f"       {program} COMMAND [options]",
            "",
            "Optimisation-based neural style transfer: a photograph in, a painting of it out.",
            "",
            "commands:",
            *lines,
            "",
            f"{program} COMMAND --help lists a command's options; {program} fit --help those for",
            "painting, such as --strength, --look, --size and --steps. For instance:",
            f"  {program} cat.jpg painting.jpg -o out.png --size 512",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
