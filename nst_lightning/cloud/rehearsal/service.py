"""Training jobs with a life cycle: what SageMaker keeps of each and how it answers."""

import threading
import time
from collections.abc import Callable
from typing import Any

REGION, ACCOUNT = "us-west-2", "123456789012"
FINAL = ("Completed", "Failed", "Stopped")


class ServiceError(Exception):
    """An answer of AWS that is an error.

    Args:
        code: Such as ``ThrottlingException``.
        message: For the reader.
        status: HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class TrainingService:
    """The part of SageMaker that keeps training jobs.

    Args:
        quota: Instances that may run at once; ``CreateTrainingJob`` refuses more. None for no
            limit.
    """

    def __init__(self, quota: int | None = None) -> None:
        self.quota = quota
        self.jobs: dict[str, dict[str, Any]] = {}
        self.names: set[str] = set()  # a name is never free again
        self.lock = threading.RLock()
        self.on_create: list[Callable[[str], object]] = []
        self.broken: Exception | None = None

    def run(self, work: Callable[..., object], *args: Any) -> None:
        """Do a thread's work; a fault in it answers all calls from then on: nobody waits for it."""
        try:
            work(*args)
        except Exception as error:
            self.broken = error

    # -- what AWS's clients call ------------------------------------------------------------------

    def create_training_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Check a request as AWS does, as far as the launcher could get it wrong, and take it.

        Raises:
            ServiceError: For a name in use, contradicting limits, or a quota that is used up.
        """
        name = request["TrainingJobName"]
        limits, spot = request["StoppingCondition"], request.get("EnableManagedSpotTraining")
        wait = limits.get("MaxWaitTimeInSeconds")
        if wait is not None and not spot:
            raise _invalid("MaxWaitTimeInSeconds is only supported with managed spot training")
        if spot and (wait or 0) < limits["MaxRuntimeInSeconds"]:
            raise _invalid("MaxWaitTimeInSeconds must be at least MaxRuntimeInSeconds")
        hyperparameters = request.get("HyperParameters", {})
        if len(hyperparameters) > 100 or any(len(v) > 2500 for v in hyperparameters.values()):
            raise _invalid("HyperParameters: at most 100, of at most 2500 characters")
        with self.lock:
            if name in self.names:
                raise ServiceError(
                    "ResourceInUse", "Job name must be unique within an AWS account and region"
                )
            running = [j for j in self.jobs.values() if j["TrainingJobStatus"] not in FINAL]
            if self.quota is not None and len(running) >= self.quota:
                kind = request["ResourceConfig"]["InstanceType"]
                raise ServiceError(
                    "ResourceLimitExceeded",
                    f"The account-level service limit '{kind} for training job usage' is "
                    f"{self.quota} Instances, with current utilization of {len(running)} Instances",
                )
            self.names.add(name)
            now = time.time()
            arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"
            self.jobs[name] = {
                **{key: value for key, value in request.items() if key != "Tags"},
                "TrainingJobArn": arn,
                "CreationTime": now,
                "SecondaryStatusTransitions": [],
                "FinalMetricDataList": [],
            }
            self.move(name, "Starting", "Preparing the instances for training", "InProgress")
        for callback in self.on_create:
            callback(name)
        return {"TrainingJobArn": arn}

    def describe_training_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a job.

        Raises:
            ServiceError: If there is none of that name.
        """
        with self.lock:
            return dict(self._job(request["TrainingJobName"]))

    def list_training_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a page of the jobs whose names contain a text, in the order of their creation."""
        kept = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingJobStatus")
        with self.lock:
            found = [
                {key: job[key] for key in (*kept, "SecondaryStatus")}
                for name, job in self.jobs.items()
                if request.get("NameContains", "") in name
                and request.get("StatusEquals", job["TrainingJobStatus"])
                == job["TrainingJobStatus"]
            ]
        begin, size = int(request.get("NextToken", 0)), request.get("MaxResults", 10)
        more = {"NextToken": str(begin + size)} if len(found) > begin + size else {}
        return {"TrainingJobSummaries": found[begin : begin + size], **more}

    def stop_training_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Begin to stop a job.

        Raises:
            ServiceError: If it is not running.
        """
        with self.lock:
            job = self._job(request["TrainingJobName"])
            status = job["TrainingJobStatus"]
            if status in FINAL:
                raise _invalid(
                    f"The request was rejected because the training job is in status {status}."
                )
            self.move(request["TrainingJobName"], "Stopping", "Stopping the job", "Stopping")
        return {}

    # -- what happens to a job --------------------------------------------------------------------

    def _job(self, name: str) -> dict[str, Any]:
        if name not in self.jobs:
            raise _invalid("Requested resource not found.")
        return self.jobs[name]

    def move(
        self,
        name: str,
        secondary: str,
        message: str = "",
        status: str | None = None,
        **changes: Any,
    ) -> None:
        """Move a job on, keeping ``SecondaryStatusTransitions`` as AWS does.

        Args:
            name: The job.
            secondary: Its new secondary status.
            message: AWS's description of it.
            status: Its new status, if that changes.
            **changes: Further fields of the description.
        """
        now = time.time()
        with self.lock:
            job = self._job(name)
            transitions = job["SecondaryStatusTransitions"]
            if transitions and "EndTime" not in transitions[-1]:
                transitions[-1]["EndTime"] = now
            entry = {"Status": secondary, "StartTime": now, "StatusMessage": message}
            job["SecondaryStatusTransitions"] = [*transitions, entry]
            if status is not None:
                job["TrainingJobStatus"] = status
            if status in FINAL:
                entry["EndTime"] = job["TrainingEndTime"] = now
            job.update(SecondaryStatus=secondary, LastModifiedTime=now, **changes)

    def note(self, name: str, **changes: Any) -> None:
        """Change fields of a job without moving it."""
        with self.lock:
            self._job(name).update(changes)

    def status(self, name: str) -> str:
        """Return the status of a job, or ``Gone``."""
        with self.lock:
            return self.jobs[name]["TrainingJobStatus"] if name in self.jobs else "Gone"

    def forget(self, name: str) -> None:
        """Lose a job: it is known no more."""
        with self.lock:
            self.jobs.pop(name, None)


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)
