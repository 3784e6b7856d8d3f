"""The commands of one run: ``fit`` and ``test``."""

import sys
from collections.abc import Sequence

from nst_lightning.errors import INTERRUPTED
from nst_lightning.session import open_words


def fit(words: Sequence[str]) -> int:
    """Paint a picture.

    Args:
        words: Options of ``fit``.

    Returns:
        The exit code.

    Raises:
        InputError: If something given is wrong.
        KeyboardInterrupt: If it was stopped before the first step.
    """
    session = open_words(words)
    session.run()
    if session.stopped:
        print("stopped; the same command with --ckpt_path last goes on from here", file=sys.stderr)
        return INTERRUPTED
    return 0


def test(words: Sequence[str]) -> int:
    """Measure a finished picture and print a table.

    Args:
        words: Options of ``test``; a checkpoint among them.

    Returns:
        The exit code.

    Raises:
        InputError: If something given is wrong.
    """
    from nst_lightning.metrics.table import print_measures

    session = open_words(words, "test")
    print_measures(session.test(), session.model.unavailable_measures)
    return 0
