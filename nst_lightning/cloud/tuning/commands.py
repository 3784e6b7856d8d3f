"""The launcher's command ``tune``."""

import json
import sys
from dataclasses import replace

from jsonargparse import Namespace

from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.plan import Plan, make_plan
from nst_lightning.cloud.rehearsal.rehearse import rehearsed, stand_in
from nst_lightning.cloud.request_checks import check_request
from nst_lightning.cloud.settings_check import importable
from nst_lightning.cloud.tuning import remote
from nst_lightning.cloud.tuning.report import Trial, write_report
from nst_lightning.cloud.tuning.request import tuning_request
from nst_lightning.cloud.tuning.space import Tuning, check_tuning
from nst_lightning.errors import InputError
from nst_lightning.files import check_folder


def tune(request: Namespace) -> int:
    """Search the weights; return 0 if a trial was completed.

    Raises:
        InputError: If something is wrong; then nothing was started.
    """
    launch, tuning = request.launch, request.tuning or Tuning()
    if len(launch.contents) != 1 or len(launch.styles) != 1:
        raise InputError("contents: a search paints one content in one style; name one of each")
    check_folder(launch.folder)
    if request.local:
        from nst_lightning.cloud.tuning.local import search

        _plan(launch, tuning)
        with importable(launch.job.code):
            trials = search(launch, tuning)
        return conclude(launch, tuning, trials, "Optuna")
    if request.rehearse:
        here = rehearsed(launch)
        with stand_in(here):
            return on_sagemaker(here, tuning, dry=False)
    return on_sagemaker(launch, tuning, dry=request.dry_run)


def _plan(launch: Launch, tuning: Tuning, aws: Aws | None = None) -> Plan:
    """Plan the job of a search, and check both, before anything is started or paid."""
    check_tuning(tuning, [tuning.objective])
    ends = [
        {key: getattr(item, end) for key, item in tuning.ranges.items()} for end in ("min", "max")
    ]
    plan = make_plan(launch, aws, ends)
    check_tuning(tuning, plan.job.metrics)
    return plan


def on_sagemaker(launch: Launch, tuning: Tuning, dry: bool) -> int:
    """Search with SageMaker's tuner, or print its request."""
    aws = Aws(launch, dry=dry)
    check_request(launch, aws)
    plan = _plan(launch, tuning, None if dry else aws)
    launch = aws.launch
    (painting,) = plan.paintings.values()
    job = replace(plan.job.given({1: painting}, 1), fingerprint=painting.fingerprint)
    for key in tuning.ranges:
        job.settings.pop(key, None)  # what is searched is no longer fixed
    name = remote.tuner_name(launch, job, tuning)
    request = tuning_request(launch, job, tuning, name, aws.region)
    if dry:
        aws.validated("CreateHyperParameterTuningJob", request)
        print(json.dumps(request, indent=1, ensure_ascii=False))
        hours = tuning.max_jobs * launch.job.max_run / 3600
        print(f"at most {tuning.max_jobs} jobs, {hours:.1f} instance hours", file=sys.stderr)
        return 0
    for upload in plan.uploads.values():
        aws.send(upload)
    fresh = aws.start_tuning(name, request)
    print(f"{'started' if fresh else 'going on with'} the tuning job {name}", flush=True)
    try:
        trials = remote.follow(aws, plan, tuning, name)
    except KeyboardInterrupt:
        print("left: the search runs on; the same command comes back to it", file=sys.stderr)
        raise
    return conclude(launch, tuning, trials, "SageMaker")


def conclude(launch: Launch, tuning: Tuning, trials: list[Trial], by: str) -> int:
    """Write the report and print where it is."""
    path = write_report(launch.folder, launch.name, tuning, trials, by)
    print(f"report  {path}")
    return 0 if any(trial.state == "Completed" for trial in trials) else 1
