"""Names of launches and jobs."""

import re
import unicodedata

from nst_lightning.errors import InputError

MAXIMUM_LAUNCH_NAME = 24
MAXIMUM_JOB_NAME = 63
"""AWS's limit."""


def check_launch_name(name: str) -> str:
    """Return a launch's name.

    Raises:
        InputError: If jobs could not be named after it.
    """
    if len(name) > MAXIMUM_LAUNCH_NAME or not re.fullmatch("[A-Za-z0-9](-*[A-Za-z0-9])*", name):
        raise InputError(
            f"name: {name!r} ({len(name)} characters) cannot name a job; use {MAXIMUM_LAUNCH_NAME} "
            "at most: letters, digits and hyphens, with a letter or digit at both ends"
        )
    return name


def job_name(launch: str, key: str, fingerprint: str, attempt: int) -> str:
    """Return the name of a training job: the same for the same work, another for another attempt.

    AWS refuses a name that was ever used: so work that was begun already is never begun twice,
    however often a launcher is killed and started again.

    Args:
        launch: Name of the launch.
        key: ``<content>--<style>``.
        fingerprint: Of everything that decides the picture.
        attempt: From 1.
    """
    ascii_key = unicodedata.normalize("NFKD", key).encode("ascii", "ignore").decode()
    tail = f"{fingerprint}-{attempt}"
    room = MAXIMUM_JOB_NAME - len(launch) - len(tail) - 2
    slug = re.sub(r"[^A-Za-z0-9]+", "-", ascii_key)[:room].strip("-")
    return "-".join(part for part in (launch, slug, tail) if part)
