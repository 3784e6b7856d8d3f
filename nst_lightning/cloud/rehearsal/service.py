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
    """The part of SageMaker that keeps training jobs."""

    def __init__(self) -> None:
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
            ServiceError: For a name in use, or contradicting limits.
        """
        name = request["TrainingJobName"]
        limits, spot = request["StoppingCondition"], request.get("EnableManagedSpotTraining")
        wait = limits.get("MaxWaitTimeInSeconds")
        if wait is not None and not spot:
            raise _invalid("MaxWaitTimeInSeconds is only supported with managed spot training")
        if spot and (wait or 0) < limits["MaxRuntimeInSeconds"]:
            raise _invalid("MaxWaitTimeInSeconds must be at least MaxRuntimeInSeconds")
        with self.lock:
            if name in self.names:
                raise ServiceError(
                    "ResourceInUse", "Job name must be unique within an AWS account and region"
                )
            self.names.add(name)
            now = time.time()
            arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"
            self.jobs[name] = {
                **{key: value for key, value in request.items() if key != "Tags"},
                "TrainingJobArn": arn,
                "CreationTime": now,
                "FinalMetricDataList": [],
            }
            self.move(name, "Starting", "InProgress")
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
            self.move(request["TrainingJobName"], "Stopping", "Stopping")
        return {}

    # -- what happens to a job --------------------------------------------------------------------

    def _job(self, name: str) -> dict[str, Any]:
        if name not in self.jobs:
            raise _invalid("Requested resource not found.")
        return self.jobs[name]

    def move(self, name: str, secondary: str, status: str | None = None, **changes: Any) -> None:
        """Move a job on.

        Args:
            name: The job.
            secondary: Its new secondary status.
            status: Its new status, if that changes.
            **changes: Further fields of the description.
        """
        now = time.time()
        with self.lock:
            job = self._job(name)
            if status is not None:
                job["TrainingJobStatus"] = status
            if status in FINAL:
                job["TrainingEndTime"] = now
            job.update(SecondaryStatus=secondary, LastModifiedTime=now, **changes)

    def note(self, name: str, **changes: Any) -> None:
        """Change fields of a job without moving it."""
        with self.lock:
            self._job(name).update(changes)

    def status(self, name: str) -> str:
        """Return the status of a job."""
        with self.lock:
            return str(self._job(name)["TrainingJobStatus"])


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)
