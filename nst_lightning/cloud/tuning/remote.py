"""The search on SageMaker, by the SDK's HyperparameterTuner."""

import time
from typing import Any

from nst_lightning.cloud.aws import Aws, silent_sdk
from nst_lightning.cloud.aws_errors import JobNotFoundError, NameInUseError, explained
from nst_lightning.cloud.collect import is_collected, run_folder
from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.fleet import FINAL_AT_AWS, readable_reason
from nst_lightning.cloud.manifest import JobState, Manifest
from nst_lightning.cloud.metric_lines import metric_definitions
from nst_lightning.cloud.names import digest
from nst_lightning.cloud.plan import Plan, PlannedJob
from nst_lightning.cloud.tuning.report import Trial
from nst_lightning.cloud.tuning.space import Tuning


def tuner_name(launch: Launch, job: PlannedJob, tuning: Tuning) -> str:
    """Return the tuning job's name: the same for the same search (AWS allows 32 characters)."""
    ranges = {key: [r.min, r.max, r.scale] for key, r in tuning.ranges.items()}
    what = [job.fingerprint, ranges, tuning.objective, tuning.goal, tuning.max_jobs]
    return f"{launch.name}-{digest([*what, tuning.strategy, tuning.seed], 7)}"


def make_tuner(aws: Aws, plan: Plan, tuning: Tuning) -> Any:
    """Return the SDK's tuner for the first painting of a plan.

    Args:
        aws: The account.
        plan: Of the launch.
        tuning: What is searched.
    """
    aws.session()  # silences the SDK before it is imported further
    from sagemaker.parameter import ContinuousParameter
    from sagemaker.tuner import HyperparameterTuner

    scales = {"log": "Logarithmic", "linear": "Linear"}
    job = plan.jobs[0]
    # Each trial has weights of its own: a shared checkpoint would mix them up.
    estimator = aws.estimator(plan, job, checkpoint_s3_uri=None, checkpoint_local_path=None)
    with silent_sdk():
        return HyperparameterTuner(
            estimator,
            objective_metric_name=tuning.objective,
            hyperparameter_ranges={
                key: ContinuousParameter(item.min, item.max, scaling_type=scales[item.scale])
                for key, item in tuning.ranges.items()
            },
            metric_definitions=metric_definitions(plan.metrics),
            strategy=tuning.strategy,
            objective_type=tuning.goal.capitalize(),
            max_jobs=tuning.max_jobs,
            max_parallel_jobs=min(aws.launch.limits.parallel, tuning.max_jobs),
            random_seed=tuning.seed,
        )


def start(aws: Aws, plan: Plan, tuning: Tuning, name: str) -> bool:
    """Start a search; return False if it was started before."""

    def fit() -> None:
        with explained(name):
            tuner = make_tuner(aws, plan, tuning)
            with silent_sdk():
                # The tuner would say which estimator it was, for a class of the SDK to read back.
                tuner.fit(
                    aws.inputs(plan.jobs[0]) or None,
                    job_name=name,
                    wait=False,
                    include_cls_metadata=False,
                )

    try:
        aws.calls(fit)
    except NameInUseError:
        return False
    return True


def follow(aws: Aws, plan: Plan, tuning: Tuning, name: str) -> list[Trial]:
    """Wait for a search to end, and bring its pictures here.

    Args:
        aws: The account.
        plan: Of the launch.
        tuning: What is searched.
        name: Of the tuning job.
    """
    while True:
        with explained(name):
            state = aws.calls(aws.describe_tuning, name)
        if state["HyperParameterTuningJobStatus"] in FINAL_AT_AWS:
            break
        time.sleep(aws.launch.limits.poll_seconds)
    trials = []
    for number, summary in enumerate(aws.calls(aws.list_trials, name)):
        trials.append(_trial(aws, plan, tuning, number, summary))
    return trials


def _trial(aws: Aws, plan: Plan, tuning: Tuning, number: int, summary: dict) -> Trial:
    values = {key: float(summary["TunedHyperParameters"][key].strip('"')) for key in tuning.ranges}
    job = summary["TrainingJobName"]
    try:
        described = aws.describe(job) or {}
    except JobNotFoundError:
        described = {}
    state = described.get("TrainingJobStatus", "Stopped")
    metrics = {m["MetricName"]: m["Value"] for m in described.get("FinalMetricDataList") or []}
    reason = readable_reason(described.get("FailureReason", ""))
    folder = ""
    uri = (described.get("ModelArtifacts") or {}).get("S3ModelArtifacts", "")
    if state == "Completed" and uri:
        from nst_lightning.cloud.collect import collect

        key = f"{number:03d}"
        manifest = Manifest(aws.launch, plan.code, plan.metrics, {key: JobState(plan.jobs[0])})
        manifest.jobs[key].artifacts = uri
        if not is_collected(manifest, key) and (archive := aws.get(uri)) is not None:
            collect(manifest, key, archive)
        folder = str(run_folder(manifest, key).relative_to(aws.launch.folder))
    return Trial(number, state, values, metrics, folder, reason)
