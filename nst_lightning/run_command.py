"""The commands of one run: ``fit`` and ``test``."""

from collections.abc import Sequence

from nst_lightning import run_help
from nst_lightning.errors import INTERRUPTED
from nst_lightning.given import spell_out
from nst_lightning.say import say, say_loading


def fit(words: Sequence[str]) -> int:
    """Paint a picture; return the exit code."""
    if asked := run_help.asked(words):
        return run_help.show(asked, words, "fit")
    spelled = spell_out(words)
    say_loading()
    from nst_lightning.session import open_words

    session = open_words(words, spelled=spelled)
    session.run()
    if session.stopped:
        say("stopped; the same command with --ckpt_path last goes on from here", error=True)
        return INTERRUPTED
    return 0


def test(words: Sequence[str]) -> int:
    """Measure a finished picture and print a table; return the exit code."""
    if asked := run_help.asked(words):
        return run_help.show(asked, words, "test")
    spelled = spell_out(words)
    say_loading()
    from nst_lightning.metrics.table import print_measures
    from nst_lightning.session import open_words

    session = open_words(words, "test", spelled)
    print_measures(session.test(), session.model.unavailable_measures)
    return 0
