"""The output of a notebook's cell: a place in it that changes."""

import itertools
import sys
import time
from collections.abc import Mapping
from typing import Any


def in_notebook() -> bool:
    """Return whether this is a kernel, whose cells show more than text; imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class Place:
    """A place in the output of the cell that runs; what is shown there replaces what was."""

    _numbers = itertools.count(1)

    def __init__(self) -> None:
        self._name = f"nst-{next(self._numbers)}-{time.time_ns()}"
        self._shown = False

    def show(self, data: Mapping[str, str | bytes]) -> None:
        """Show something by its MIME types; a notebook takes the best that it knows."""
        import IPython.display

        display: Any = IPython.display.display  # it has no types
        display(dict(data), raw=True, display_id=self._name, update=self._shown)
        self._shown = True
