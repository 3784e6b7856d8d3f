"""What a launch needs to run on this machine: AWS's own toolkit, and moto in AWS's place."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from packaging.requirements import Requirement

from nst_lightning.cloud.config import Launch, LimitsConfig
from nst_lightning.cloud.rehearsal.loopback import loopback_only
from nst_lightning.cloud.rehearsal.server import BUCKET, ROLE, FakeAws, pointed_at
from nst_lightning.cloud.rehearsal.service import REGION, TrainingService
from nst_lightning.cloud.rehearsal.toolkit import TakeAway, ToolkitRunner
from nst_lightning.cloud.staging import requirements
from nst_lightning.errors import InputError


def rehearsed(wanted: Launch) -> Launch:
    """Return a launch with the account of the stand-in, and no more at once than runs well here.

    Args:
        wanted: As asked for.
    """
    here = replace(wanted.aws, role=ROLE, bucket=BUCKET, region=REGION)
    aws = replace(here, profile=None, output=None, checkpoints=None)
    # What is installed here stands for what a job installs; only the user's own lines are compared.
    installed = [Requirement(line).name for line in requirements(film=wanted.film is not None)]
    job = replace(wanted.job, requirements=[*installed, *wanted.job.requirements])
    limits = LimitsConfig(
        parallel=min(wanted.limits.parallel, max(1, (os.cpu_count() or 1) // 2)),
        calls_per_minute=600,
        poll_seconds=1.0,
    )
    out = wanted.out or str(Path("outputs", f"{wanted.name}-rehearsal"))
    return replace(wanted, out=out, aws=aws, job=job, limits=limits)


@contextlib.contextmanager
def stand_in(launch: Launch, take_away: TakeAway | None = None) -> Iterator[FakeAws]:
    """Stand in for AWS until the block ends: bucket, role, and a machine for every job.

    Args:
        launch: Whose bucket and role there shall be.
        take_away: See :class:`ToolkitRunner`.
    """
    service = TrainingService()
    with tempfile.TemporaryDirectory(prefix="nst-rehearsal-") as folder, loopback_only():
        runner = ToolkitRunner(service, Path(folder), take_away)
        aws = FakeAws(service)
        aws.start()
        instances = ThreadPoolExecutor(launch.limits.parallel)
        service.on_create.append(lambda name: instances.submit(service.run, runner, name))
        try:
            with pointed_at(aws):
                aws.prepare(str(launch.aws.bucket), str(launch.aws.role), str(launch.aws.region))
                yield aws
        except InputError as error:
            raise (service.broken or error) from None
        finally:
            runner.kill()
            instances.shutdown(cancel_futures=True)
            aws.stop()
            _keep_logs(Path(folder), launch.folder / "logs")


def _keep_logs(work: Path, target: Path) -> None:
    for log in sorted(work.glob("*/instance-*/train.log")):
        target.mkdir(parents=True, exist_ok=True)
        name = f"{log.parents[1].name}.{log.parent.name}.log"
        shutil.copyfile(log, target / name)
