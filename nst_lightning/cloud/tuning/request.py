"""The CreateHyperParameterTuningJob request of a search."""

from dataclasses import dataclass
from typing import Any

from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.plan import Painting, PlannedJob
from nst_lightning.cloud.training_request import training_request
from nst_lightning.cloud.tuning.space import Tuning

_SCALES = {"log": "Logarithmic", "linear": "Linear"}


@dataclass(frozen=True)
class PlannedSearch:
    """A search over one painting's weights.

    Attributes:
        name: Of the tuning job.
        tuning: What is searched.
        job: What every trial is given; what is searched is not among its settings.
        painting: What is painted.
    """

    name: str
    tuning: Tuning
    job: PlannedJob
    painting: Painting

    def request(self, launch: Launch, region: str) -> dict[str, Any]:
        """Return the request that starts it.

        Args:
            launch: Where and how.
            region: Where it runs.

        Raises:
            InputError: If there is no container for it.
        """
        tuning = self.tuning
        training = training_request(launch, self.job, self.name, region)
        fixed, tags = training.pop("HyperParameters"), training.pop("Tags")
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
            "HyperParameterTuningJobName": self.name,
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
