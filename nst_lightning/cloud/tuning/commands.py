"""The launcher's command ``tune``."""

import json
import sys
from dataclasses import replace

from nst_lightning.cloud.command_line import Request
from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.hyperparameters import flatten
from nst_lightning.cloud.plan import make_plan
from nst_lightning.cloud.request_checks import check_request
from nst_lightning.cloud.tuning.report import Trial, write_report
from nst_lightning.cloud.tuning.space import Tuning, check_tuning
from nst_lightning.errors import InputError
from nst_lightning.files import check_folder


def tune(request: Request) -> int:
    """Search the weights; return 0 if a trial was completed.

    Raises:
        InputError: If something is wrong; then nothing was started.
    """
    launch, tuning = request.launch, request.tuning or Tuning()
    if len(launch.contents) != 1 or len(launch.styles) != 1:
        raise InputError("contents: a search paints one content in one style; name one of each")
    check_folder(launch.folder)
    if request.flags.get("local"):
        from nst_lightning.cloud.tuning.local import search

        check_tuning(tuning, make_plan(launch).metrics)
        _check_ranges(launch, tuning)
        return conclude(launch, tuning, search(launch, tuning), "Optuna")
    if request.flags.get("rehearse"):
        from nst_lightning.cloud.rehearsal.rehearse import rehearsed, stage_set
        from nst_lightning.cloud.rehearsal.tuner import FakeTuner

        ours = rehearsed(launch)
        with stage_set(ours) as aws:
            aws.tuner = FakeTuner(aws.service)
            return on_sagemaker(ours, tuning, dry=False)
    return on_sagemaker(launch, tuning, dry=bool(request.flags.get("dry_run")))


def _check_ranges(launch: Launch, tuning: Tuning) -> None:
    """Read the first trial's settings as train.py would, before any is started or paid."""
    for end in ("min", "max"):
        values = {key: getattr(item, end) for key, item in tuning.ranges.items()}
        try:
            make_plan(replace(launch, settings={**flatten(launch.settings), **values}))
        except InputError as error:
            raise InputError(f"tuning.ranges: {error}") from error


def on_sagemaker(launch: Launch, tuning: Tuning, dry: bool) -> int:
    """Search with SageMaker's tuner, or print its request."""
    from nst_lightning.cloud.aws import Aws
    from nst_lightning.cloud.tuning import remote

    check_request(launch)
    plan = make_plan(launch)
    check_tuning(tuning, plan.metrics)
    _check_ranges(launch, tuning)
    for key in tuning.ranges:
        plan.jobs[0].settings.pop(key, None)  # what is searched is no longer fixed
    aws = Aws(launch, dry=dry)
    name = remote.tuner_name(launch, plan.jobs[0], tuning)
    if dry:
        for request in aws.captured(lambda: remote.start(aws, plan, tuning, name)):
            print(json.dumps(request, indent=1, ensure_ascii=False))
        hours = tuning.max_jobs * launch.job.max_run / 3600
        print(f"at most {tuning.max_jobs} jobs, {hours:.1f} instance hours", file=sys.stderr)
        return 0
    aws.check()
    for upload in plan.uploads:
        upload.send(aws, aws.key("inputs"))
    fresh = remote.start(aws, plan, tuning, name)
    print(f"{'started' if fresh else 'going on with'} the tuning job {name}", flush=True)
    try:
        trials = remote.follow(aws, plan, tuning, name)
    except KeyboardInterrupt:
        print("left: the search runs on; the same command comes back to it", file=sys.stderr)
        raise
    return conclude(launch, tuning, trials, "SageMaker")


def conclude(launch: Launch, tuning: Tuning, trials: list[Trial], by: str) -> int:
    """Write the report and say where it is."""
    path = write_report(replace(launch).folder, launch.name, tuning, trials, by)
    print(f"report  {path}")
    return 0 if any(trial.state == "Completed" for trial in trials) else 1
