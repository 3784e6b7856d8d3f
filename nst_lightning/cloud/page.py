"""The page of the collected pictures: that of ``train.py compare``, on the same folders."""

import importlib
import shlex

from nst_lightning.cloud.fleet import Fleet
from nst_lightning.errors import InputError
from nst_lightning.options import to_words
from nst_lightning.run_folder import RunFolder
from nst_lightning.say import program


def make_page(fleet: Fleet) -> None:
    """Measure the pictures beside the baselines and write their page.

    A page that cannot be had costs no picture: one line names what it lacks, and the command that
    writes it.

    Args:
        fleet: A launch whose pictures are all here.
    """
    plans = [picture.plan for picture in fleet.manifest.pictures.values()]
    first = RunFolder(fleet.runs / plans[0].key)
    options = {
        "contents": list(dict.fromkeys(plan.content for plan in plans)),
        "styles": list(dict.fromkeys(plan.style for plan in plans)),
        "size": first.config["data"]["size"],
        "out": str(fleet.manifest.launch.folder),
    }
    # By name, as the command line does: features know the session, and not each other.
    wing = importlib.import_module("nst_lightning.compare.command")
    try:
        wing.compare(options)
    except InputError as error:
        words = shlex.join(to_words(options))
        print(f"no page yet: {error}; then: {program(f'compare {words}')}")
