"""All that is asked of AWS, by boto3."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nst_lightning.cloud import sdk
from nst_lightning.cloud.account import assumed, resolved
from nst_lightning.cloud.aws_errors import (
    JobEndedError,
    JobNotFoundError,
    NameInUseError,
    explained,
)
from nst_lightning.cloud.calls import PacedCalls
from nst_lightning.cloud.config import JobConfig, Launch, split_uri
from nst_lightning.cloud.limits import beyond_limits
from nst_lightning.cloud.plan import PlannedJob
from nst_lightning.cloud.training_request import training_request
from nst_lightning.cloud.uploads import Upload
from nst_lightning.errors import InputError, did_you_mean


class Aws:
    """The account that a launch runs in.

    Args:
        launch: Where and how.
        dry: Build requests only: nothing is ever sent.

    Raises:
        InputError: If there is no such profile or region.
    """

    def __init__(self, launch: Launch, dry: bool = False) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import ProfileNotFound

        self.launch = launch
        self.calls = PacedCalls(launch.limits.calls_per_minute)
        secrets = {"aws_access_key_id": "dry", "aws_secret_access_key": "dry"} if dry else {}
        try:
            boto = boto3.Session(
                profile_name=None if dry else launch.aws.profile,
                region_name=launch.aws.region or ("us-west-2" if dry else None),
                **secrets,
            )
        except ProfileNotFound as error:
            raise InputError(f"aws.profile: {error}; see ~/.aws/config") from error
        if not boto.region_name:
            raise InputError("aws.region: no region is set; give one, such as us-west-2")
        regions = [
            region
            for partition in boto.get_available_partitions()
            for region in boto.get_available_regions("sagemaker", partition_name=partition)
        ]
        if boto.region_name not in regions:
            near = did_you_mean(boto.region_name, regions)
            raise InputError(f"aws.region: there is no region {boto.region_name}{near}")
        # Our own repetition is paced and counted; boto3's would come on top of it.
        once = Config(retries={"mode": "standard", "total_max_attempts": 1})
        self.boto = boto
        self.sagemaker = boto.client("sagemaker", config=once)
        self.s3 = boto.client("s3")
        self.region = str(boto.region_name)
        if dry:
            self.launch = assumed(launch, boto)

    # -- before anything is started ---------------------------------------------------------------

    def check(self) -> None:
        """Make sure of credentials, role and buckets, and take their full names.

        Raises:
            InputError: If one of them is wrong.
        """
        self.launch = resolved(self.launch, self.boto, self.s3)

    # -- S3 ---------------------------------------------------------------------------------------

    def get(self, uri: str) -> bytes | None:
        """Return an object, or None if there is none."""
        from botocore.exceptions import ClientError

        bucket, key = split_uri(uri)
        try:
            with explained(uri, passing=("404", "NoSuchKey")):
                body: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                return body
        except ClientError:
            return None

    def names(self, folder: str) -> set[str]:
        """Return the names of the objects in an s3:// folder."""
        bucket, prefix = split_uri(folder)
        with explained(folder):
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            found = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return {key.removeprefix(prefix) for key in found}

    def put(self, data: bytes, *parts: str) -> None:
        """Write an object into the bucket, at these parts of a key below the prefix."""
        with explained(self.launch.aws.uri(*parts)):
            self.s3.put_object(
                Bucket=self.launch.aws.bucket, Key=self.launch.aws.key(*parts), Body=data
            )

    def send(self, upload: Upload) -> int:
        """Send those files of an upload that are not there; return how many were sent."""
        there = self.names(self.launch.aws.uri("inputs", upload.folder, ""))
        missing = [(name, data) for name, data in upload.files if name not in there]
        for name, data in missing:
            self.put(data, "inputs", upload.folder, name)
        return len(missing)

    # -- training jobs and searches ---------------------------------------------------------------

    def start(self, job: PlannedJob, name: str, how: JobConfig) -> bool:
        """Start one training job; ``how`` is what it runs on.

        Returns:
            False if a job of that name was there already: begun by this work before.

        Raises:
            InputError: If AWS refuses the request for good.
            QuotaError: If no more instances may run now.
        """
        request = training_request(replace(self.launch, job=how), job, name, self.region)
        via = self.launch.job.via
        if via == "estimator" or (via == "auto" and sdk.has_estimator()):
            return self._begin(name, sdk.fit, request, self.boto, self.sagemaker)
        return self._begin(name, self.sagemaker.create_training_job, **request)

    def start_tuning(self, name: str, request: dict[str, Any]) -> bool:
        """Start a search; return False if it was started before."""
        return self._begin(name, self.sagemaker.create_hyper_parameter_tuning_job, **request)

    def _begin(self, name: str, send: Callable[..., Any], *args: Any, **request: Any) -> bool:
        try:
            self._call(name, send, *args, **request)
        except NameInUseError:
            return False
        return True

    def _call(self, name: str, call: Callable[..., Any], *args: Any, **request: Any) -> Any:
        """Make a call that SageMaker counts, about a job of that name."""
        return self.calls(explained(name)(call), *args, **request)

    def describe(self, name: str) -> dict[str, Any] | None:
        """Return SageMaker's description of a job, or None if it knows none of that name."""
        call = self.sagemaker.describe_training_job
        try:
            description: dict[str, Any] = self._call(name, call, TrainingJobName=name)
        except JobNotFoundError:
            return None
        return description

    def going(self) -> dict[str, str]:
        """Return the jobs of this launch that are in progress, and their secondary status."""
        wanted = {"NameContains": self.launch.name, "StatusEquals": "InProgress"}
        pages = {"PaginationConfig": {"PageSize": 100}}
        jobs = self._summaries(self.launch.name, "list_training_jobs", **wanted, **pages)
        return {job["TrainingJobName"]: job.get("SecondaryStatus", "") for job in jobs}

    def stop(self, name: str) -> bool:
        """Stop a job; return False if it has ended or is not there."""
        return self._stop(name, self.sagemaker.stop_training_job, TrainingJobName=name)

    def stop_tuning(self, name: str) -> bool:
        """Stop a search and its trials; return False if it has ended or is not there."""
        stop = self.sagemaker.stop_hyper_parameter_tuning_job
        return self._stop(name, stop, HyperParameterTuningJobName=name)

    def _stop(self, name: str, stop: Callable[..., Any], **request: Any) -> bool:
        with contextlib.suppress(JobNotFoundError, JobEndedError):
            self._call(name, stop, **request)
            return True
        return False

    def tuning_status(self, name: str) -> str:
        """Return the status of a search."""
        call = self.sagemaker.describe_hyper_parameter_tuning_job
        description = self._call(name, call, HyperParameterTuningJobName=name)
        return str(description["HyperParameterTuningJobStatus"])

    def list_trials(self, name: str) -> list[dict[str, Any]]:
        """Return the summaries of a search's training jobs, in the order of their creation."""
        operation = "list_training_jobs_for_hyper_parameter_tuning_job"
        order = {"SortBy": "CreationTime", "SortOrder": "Ascending"}
        return self._summaries(name, operation, HyperParameterTuningJobName=name, **order)

    def _summaries(self, name: str, operation: str, **request: Any) -> list[dict[str, Any]]:
        """Return the training jobs on all pages of a list, about a job of that name."""
        pages = self.sagemaker.get_paginator(operation)
        whole = self._call(name, lambda **r: pages.paginate(**r).build_full_result(), **request)
        return list(whole["TrainingJobSummaries"])

    def validated(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request that boto3 would send; nothing is sent.

        Args:
            operation: Such as CreateTrainingJob.
            request: Of it.

        Raises:
            InputError: If it is not what AWS takes.
        """
        from botocore.validate import ParamValidator

        shape = self.shape(operation)
        report = ParamValidator().validate(request, shape)
        if report.has_errors():
            raise InputError(f"AWS would refuse the request: {report.generate_report()}")
        for mistake in beyond_limits(request, shape):
            raise InputError(mistake)
        return request

    def shape(self, operation: str) -> Any:
        """Return botocore's shape of the request of an operation."""
        return self.sagemaker.meta.service_model.operation_model(operation).input_shape
