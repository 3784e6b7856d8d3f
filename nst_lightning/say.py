"""Lines for the user, whatever their stream is."""

import os
import sys
from pathlib import Path
from typing import Any


def say(line: str, *, error: bool = False) -> None:
    """Print a line to the standard output, or the standard error stream.

    A run does not end because nobody can read it: where the stream is missing, closed, or a pipe
    that nobody reads any more, nothing is printed; what its encoding lacks is written with
    backslashes.
    """
    stream = sys.stderr if error else sys.stdout
    try:
        try:
            stream.write(f"{line}\n")
        except UnicodeEncodeError:
            encoding = getattr(stream, "encoding", None) or "ascii"
            stream.write(f"{line}\n".encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except (OSError, ValueError, AttributeError):  # closed; None, or an object with write() alone
        pass


def is_terminal(stream: Any) -> bool:
    """Return whether somebody looks at a stream, which may be missing, closed or plain."""
    try:
        return bool(stream.isatty())
    except (AttributeError, OSError, ValueError):
        return False


def say_loading() -> None:
    """Tell who waits at a terminal that torch is being imported, which takes seconds."""
    if is_terminal(sys.stderr):
        say("loading torch and Lightning ...", error=True)


def program(command: str) -> str:
    """Return what starts a command in the way in which this program was started itself.

    Args:
        command: And its options: ``sagemaker watch mine`` becomes ``nst sagemaker watch mine``, or
            ``python sagemaker/launch.py watch mine``.
    """
    script = Path(sys.argv[0])
    if script.name == "launch.py":
        if command.partition(" ")[0] == "sagemaker":  # the one command that it is
            return f"python {script} {command.partition(' ')[2]}".rstrip()
        script = Path(os.path.relpath(script.resolve().parents[1] / "train.py"))
    if script.name == "train.py":
        return f"python {script} {command}"
    return f"{'python -m nst_lightning' if script.name == '__main__.py' else 'nst'} {command}"
