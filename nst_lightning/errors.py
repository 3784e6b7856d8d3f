"""The one exception that means "the user can mend this"."""

from collections.abc import Iterable

INTERRUPTED = 130
"""Exit code that a shell reports for a program ended by Ctrl-C."""

_TELLING = 3  # letters that a name must have for all that begin with it to be meant
_LIKE = 0.6  # of difflib: "--width" is no "--weights", a wrong hint is worse than none


class InputError(ValueError):
    """A mistake in a file, key or value that the user gave.

    The message is one line that names the file, key or value and says what to do. The command line
    prints it without a traceback and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))


def did_you_mean(name: str, known: Iterable[object]) -> str:
    """Return ``"; did you mean X?"`` for the nearest known name, or an empty string.

    That is one that begins with what was given, or else whose last part it is; or one like it.

    Args:
        name: What was given.
        known: The names there are.
    """
    import difflib

    names = [str(k) for k in known]
    # Of a group's settings, one of the same group: another that ends alike does something else.
    group = name.rpartition(".")[0]
    names = [k for k in names if group and k.startswith(f"{group}.")] or names
    longer = [k for k in names if k.startswith(name)] if len(name) > _TELLING else []
    parts = (
        [k for k in names if k.rpartition(".")[2] == name.lstrip("-")] if "." not in name else []
    )
    # The dashes that all options begin with make none of them like another.
    bare = {k.lstrip("-"): k for k in longer or parts or names}
    close = difflib.get_close_matches(name.lstrip("-"), bare, n=1, cutoff=_LIKE)
    return f"; did you mean {bare[close[0]]}?" if close else ""


def too_large(name: str, limit: int) -> InputError:
    """Return what is said of a file of more than so many bytes."""
    return InputError(f"{name} is larger than {limit // 2**20} MiB; use a smaller file")


class CheckedError(Exception):
    """Ends a run that was begun for its checks alone: nothing is wrong with it."""
