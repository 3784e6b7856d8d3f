"""SageMaker's tuning jobs for a rehearsal: values are drawn and training jobs run."""

import math
import random
import threading
import time
from typing import Any

from nst_lightning.cloud.rehearsal.service import (
    ACCOUNT,
    FINAL,
    REGION,
    ServiceError,
    TrainingService,
)

_NAME = "HyperParameterTuningJobName"
_STATUS = "HyperParameterTuningJobStatus"


class FakeTuner:
    """Runs tuning jobs as random searches.

    Args:
        service: Where the training jobs go.
    """

    def __init__(self, service: TrainingService) -> None:
        self.service = service
        self.searches: dict[str, dict[str, Any]] = {}

    def create_hyper_parameter_tuning_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take a search and begin it.

        Raises:
            ServiceError: For a name in use.
        """
        name = request[_NAME]
        if name in self.searches:
            raise ServiceError("ResourceInUse", f"The tuning job {name} already exists")
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:hyper-parameter-tuning-job/{name}"
        self.searches[name] = {**request, "HyperParameterTuningJobArn": arn, "trials": []}
        self.searches[name][_STATUS] = "InProgress"
        threading.Thread(target=self.service.run, args=(self._run, name), daemon=True).start()
        return {"HyperParameterTuningJobArn": arn}

    def describe_hyper_parameter_tuning_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a search."""
        search = self._search(request[_NAME])
        return {key: value for key, value in search.items() if key != "trials"}

    def stop_hyper_parameter_tuning_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Begin to stop a search, and the training job that it runs.

        Raises:
            ServiceError: If it has ended.
        """
        search = self._search(request[_NAME])
        if search[_STATUS] in FINAL:
            text = f"The tuning job {request[_NAME]} is in status {search[_STATUS]}"
            raise ServiceError("ValidationException", text)
        search[_STATUS] = "Stopping"
        for name, _ in search["trials"]:
            if self.service.status(name) not in FINAL:
                self.service.stop_training_job({"TrainingJobName": name})
        return {}

    def list_training_jobs_for_hyper_parameter_tuning_job(
        self, request: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the training jobs of a search."""
        trials = self._search(request[_NAME])["trials"]
        names = ("TrainingJobName", "TunedHyperParameters")
        return {"TrainingJobSummaries": [dict(zip(names, trial, strict=True)) for trial in trials]}

    def _search(self, name: str) -> dict[str, Any]:
        if name not in self.searches:
            raise ServiceError("ResourceNotFound", f"Tuning job {name} not found")
        return self.searches[name]

    def _run(self, name: str) -> None:
        search = self.searches[name]
        config, job = search["HyperParameterTuningJobConfig"], search["TrainingJobDefinition"]
        generator = random.Random(config.get("RandomSeed", 0))
        for number in range(config["ResourceLimits"]["MaxNumberOfTrainingJobs"]):
            if search[_STATUS] == "Stopping":
                break
            # As AWS sends them: plain text, where the fixed ones are JSON.
            values = {
                item["Name"]: repr(_draw(generator, item))
                for item in config["ParameterRanges"]["ContinuousParameterRanges"]
            }
            training = f"{name}-{number:03d}-{generator.randrange(16**8):08x}"
            fixed = job["StaticHyperParameters"]
            objective = config["HyperParameterTuningJobObjective"]["MetricName"]
            self.service.create_training_job(
                {
                    **{k: v for k, v in job.items() if k != "StaticHyperParameters"},
                    "TrainingJobName": training,
                    "HyperParameters": {**fixed, **values, "_tuning_objective_metric": objective},
                }
            )
            search["trials"].append((training, values))
            while self.service.status(training) not in FINAL:
                time.sleep(0.1)
        search[_STATUS] = "Stopped" if search[_STATUS] == "Stopping" else "Completed"


def _draw(generator: random.Random, item: dict[str, Any]) -> float:
    low, high = float(item["MinValue"]), float(item["MaxValue"])
    if item.get("ScalingType") == "Logarithmic":
        return math.exp(generator.uniform(math.log(low), math.log(high)))
    return generator.uniform(low, high)
