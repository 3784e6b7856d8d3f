"""Lines for the user, whatever their stream is."""

import sys
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
