"""The CreateHyperParameterTuningJob request of a search."""

from typing import Any

from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.plan import PlannedJob
from nst_lightning.cloud.training_request import training_request
from nst_lightning.cloud.tuning.space import Tuning

_SCALES = {"log": "Logarithmic", "linear": "Linear"}


def tuning_request(
    launch: Launch, job: PlannedJob, tuning: Tuning, name: str, region: str
) -> dict[str, Any]:
    """Return the request that starts a search over one painting's weights.

    Args:
        launch: Where and how.
        job: What is painted; what is searched is not among its settings.
        tuning: What is searched.
        name: Of the tuning job.
        region: Where it runs.

    Raises:
        InputError: If there is no container for it.
    """
    training = training_request(launch, job, name, region)
    fixed = training.pop("HyperParameters")
    tags = training.pop("Tags")
    # Each trial has weights of its own: a shared checkpoint would mix them up.
    for key in ("TrainingJobName", "CheckpointConfig", "ProfilerConfig"):
        training.pop(key)
    ranges = [
        {
            "Name": key,
            "MinValue": str(item.min),
            "MaxValue": str(item.max),
            "ScalingType": _SCALES[item.scale],
        }
        for key, item in tuning.ranges.items()
    ]
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": tuning.strategy,
            "HyperParameterTuningJobObjective": {
                "Type": tuning.goal.capitalize(),
                "MetricName": tuning.objective,
            },
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": tuning.max_jobs,
                "MaxParallelTrainingJobs": min(launch.limits.parallel, tuning.max_jobs),
            },
            "ParameterRanges": {"ContinuousParameterRanges": ranges},
            "RandomSeed": tuning.seed,
        },
        "TrainingJobDefinition": {"StaticHyperParameters": fixed, **training},
        "Tags": tags,
    }
