"""The page of the collected pictures: that of ``train.py compare``, on the same folders."""

import importlib
import shlex

from nst_lightning.cloud.collect import run_folder
from nst_lightning.cloud.fleet import Fleet
from nst_lightning.errors import InputError
from nst_lightning.run_folder import RunFolder


def make_page(fleet: Fleet) -> None:
    """Measure the pictures beside the baselines and write their page.

    A page that cannot be had costs no picture: one line names what it lacks, and the command that
    writes it.

    Args:
        fleet: A launch whose pictures are all here.
    """
    jobs = fleet.manifest.jobs
    first = RunFolder(run_folder(fleet.manifest, next(iter(jobs))))
    words = [
        "--contents",
        *dict.fromkeys(job.plan.content for job in jobs.values()),
        "--styles",
        *dict.fromkeys(job.plan.style for job in jobs.values()),
        f"--size={first.config['data']['size']}",
        f"--out={fleet.manifest.launch.folder}",
    ]
    # By name, as the command line does: features know the session, and not each other.
    compare = importlib.import_module("nst_lightning.compare.command")
    try:
        compare.main(words)
    except InputError as error:
        print(f"no page yet: {error}; then: python train.py compare {shlex.join(words)}")
