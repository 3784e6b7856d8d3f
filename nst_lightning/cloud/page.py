"""The page of the collected pictures: that of ``train.py compare``, on the same folders."""

import shlex

import yaml

from nst_lightning.cloud.collect import run_folder
from nst_lightning.cloud.fleet import Fleet
from nst_lightning.errors import InputError


def compare_options(fleet: Fleet) -> list[str]:
    """Return the options with which ``train.py compare`` finds every picture made already.

    Args:
        fleet: A launch whose pictures are all here.
    """
    jobs = [job.plan for job in fleet.manifest.jobs.values()]
    first = run_folder(fleet.manifest, next(iter(fleet.manifest.jobs)))
    size = yaml.safe_load((first / "config.yaml").read_text(encoding="utf-8"))["data"]["size"]
    return [
        "--contents",
        *dict.fromkeys(job.content for job in jobs),
        "--styles",
        *dict.fromkeys(job.style for job in jobs),
        f"--size={size}",
        f"--out={fleet.manifest.launch.folder}",
    ]


def make_page(fleet: Fleet) -> None:
    """Measure the pictures beside fast style transfer and write their page.

    A page that cannot be had costs no picture: what it lacks is said in one line.

    Args:
        fleet: A launch whose pictures are all here.
    """
    from nst_lightning.compare.command import main

    options = compare_options(fleet)
    try:
        main(options)
    except InputError as error:
        print(f"no page yet: {error}; then: python train.py compare {shlex.join(options)}")
