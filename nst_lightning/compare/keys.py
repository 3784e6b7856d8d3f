"""What the pictures of a pair are called, in its folder and in the results."""

from collections.abc import Sequence

from nst_lightning.baselines import Baseline
from nst_lightning.data.which_pictures import safe_name
from nst_lightning.run_folder import PICTURE

CONTENT, STYLE, OPTIMISED = "content", "style", "optimised"
"""The control row, the style and our picture; a baseline's are :func:`baseline_keys`."""


def baseline_keys(baselines: Sequence[Baseline]) -> list[str]:
    """Return a name for each baseline: its class's, with a number if that is taken.

    It is the name of a file, too, so letters' case does not tell two of them apart.
    """
    keys: list[str] = []
    taken = {CONTENT, STYLE, OPTIMISED, PICTURE}
    for baseline in baselines:
        name = key = safe_name(type(baseline).__name__)
        number = 1
        while key.lower() in taken:
            number += 1
            key = f"{name}-{number}"
        taken.add(key.lower())
        keys.append(key)
    return keys
