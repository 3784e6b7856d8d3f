"""The search on SageMaker: its name, its end, and its trials."""

import time
from typing import Any

from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.collect import collect, is_collected
from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.fleet import FINAL_AT_AWS, readable_reason
from nst_lightning.cloud.plan import Plan, PlannedJob
from nst_lightning.cloud.tuning.report import Trial
from nst_lightning.cloud.tuning.space import Tuning
from nst_lightning.options import digest


def tuner_name(launch: Launch, job: PlannedJob, tuning: Tuning) -> str:
    """Return the tuning job's name: the same for the same search (AWS allows 32 characters)."""
    ranges = {key: [r.min, r.max, r.scale] for key, r in tuning.ranges.items()}
    what = [job.fingerprint, ranges, tuning.objective, tuning.goal, tuning.max_jobs]
    return f"{launch.name}-{digest([*what, tuning.strategy, tuning.seed])[:7]}"


def follow(aws: Aws, plan: Plan, tuning: Tuning, name: str) -> list[Trial]:
    """Wait for a search to end, and bring its pictures here.

    Args:
        aws: The account.
        plan: What is painted.
        tuning: What is searched.
        name: Of the tuning job.
    """
    while aws.tuning_status(name) not in FINAL_AT_AWS:
        time.sleep(aws.launch.limits.poll_seconds)
    return [
        _trial(aws, plan, tuning, number, summary)
        for number, summary in enumerate(aws.list_trials(name))
    ]


def _trial(aws: Aws, plan: Plan, tuning: Tuning, number: int, summary: dict[str, Any]) -> Trial:
    values = {key: float(summary["TunedHyperParameters"][key].strip('"')) for key in tuning.ranges}
    described = aws.describe(summary["TrainingJobName"]) or {}
    state = described.get("TrainingJobStatus", "Stopped")
    metrics = {m["MetricName"]: m["Value"] for m in described.get("FinalMetricDataList") or []}
    reason = readable_reason(described.get("FailureReason", ""))
    shown = ""
    uri = (described.get("ModelArtifacts") or {}).get("S3ModelArtifacts", "")
    if state == "Completed" and uri:
        folder = aws.launch.folder / "runs" / f"{number:03d}"
        if not is_collected(folder, uri) and (archive := aws.get(uri)) is not None:
            (painting,) = plan.paintings.values()
            collect(folder, painting, plan.job.files, archive, uri)
        shown = str(folder.relative_to(aws.launch.folder))
    return Trial(number, state, values, metrics, shown, reason)
