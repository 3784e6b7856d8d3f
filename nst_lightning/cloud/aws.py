"""Everything that talks to AWS: the SageMaker SDK's estimator and boto3."""

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from nst_lightning.cloud.aws_errors import (
    JobEndedError,
    JobNotFoundError,
    NameInUseError,
    explained,
)
from nst_lightning.cloud.calls import PacedCalls
from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.metric_lines import metric_definitions
from nst_lightning.cloud.plan import CODE_FILE, Plan, PlannedJob
from nst_lightning.cloud.uploads import s3_uri
from nst_lightning.errors import InputError, did_you_mean


class Aws:
    """The account that a launch runs in.

    Args:
        launch: Where and how.
        dry: Build requests only: nothing is ever sent.
    """

    def __init__(self, launch: Launch, dry: bool = False) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import ProfileNotFound

        self.launch, self.dry = launch, dry
        self.calls = PacedCalls(launch.limits.calls_per_minute)
        secrets = {"aws_access_key_id": "dry", "aws_secret_access_key": "dry"} if dry else {}
        try:
            self.boto = boto3.Session(
                profile_name=None if dry else launch.aws.profile,
                region_name=launch.aws.region or ("us-west-2" if dry else None),
                **secrets,
            )
        except ProfileNotFound as error:
            raise InputError(f"aws.profile: {error}; see ~/.aws/config") from error
        if not self.boto.region_name:
            raise InputError("aws.region: no region is set; give one, such as us-west-2")
        if self.boto.region_name not in self.boto.get_available_regions("sagemaker"):
            near = did_you_mean(self.boto.region_name, self.boto.get_available_regions("sagemaker"))
            raise InputError(f"aws.region: there is no region {self.boto.region_name}{near}")
        # Our own repetition is paced and counted; boto3's would come on top of it.
        once = Config(retries={"mode": "standard", "total_max_attempts": 1})
        self.sagemaker = self.boto.client("sagemaker", config=once)
        self.s3 = self.boto.client("s3")
        self._session: Any = None
        self._image: str | None = None

    # -- before anything is started ---------------------------------------------------------------

    def check(self) -> None:
        """Make sure of credentials, role and bucket.

        Raises:
            InputError: If one of them is wrong.
        """
        aws = self.launch.aws
        self.image()
        with explained("credentials"):
            account = self.boto.client("sts").get_caller_identity()["Account"]
        owner = (aws.role or "").split(":")[4]
        if owner != account:
            raise InputError(
                f"aws.role: {aws.role} is of account {owner}, and your credentials are of "
                f"{account}; give a role of your own account"
            )
        self._check_role(str(aws.role))
        self._check_bucket(str(aws.bucket))

    def _check_role(self, arn: str) -> None:
        from botocore.exceptions import ClientError

        try:
            self.boto.client("iam").get_role(RoleName=arn.rsplit("/", 1)[-1])
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchEntity":
                raise InputError(f"aws.role: there is no role {arn} in your account") from error
            # Without permission to look, the first job will tell.

    def _check_bucket(self, bucket: str) -> None:
        from botocore.exceptions import ClientError, ParamValidationError

        try:
            self.s3.head_bucket(Bucket=bucket)
        except ParamValidationError as error:
            raise InputError(f"aws.bucket: {bucket!r} cannot be a bucket's name") from error
        except ClientError as error:
            why = {
                "404": f"there is no bucket {bucket}; create it, or name another",
                "403": f"you may not use the bucket {bucket}; check its name and your permissions",
                "301": f"the bucket {bucket} is in another region; name one in this region",
            }.get(error.response["Error"]["Code"], str(error))
            raise InputError(f"aws.bucket: {why}") from error

    # -- S3 ---------------------------------------------------------------------------------------

    def key(self, *parts: str) -> str:
        """Return the key of an object below the launch's prefix."""
        return "/".join([self.launch.aws.prefix.strip("/"), *parts]).lstrip("/")

    def uri(self, *parts: str) -> str:
        """Return the s3:// address below the launch's prefix."""
        return s3_uri(str(self.launch.aws.bucket), self.key(*parts))

    def exists(self, key: str, size: int) -> bool:
        """Whether an object of that size is in the bucket."""
        from botocore.exceptions import ClientError

        try:
            with explained(f"s3://{self.launch.aws.bucket}/{key}", passing=("404", "NoSuchKey")):
                head = self.s3.head_object(Bucket=self.launch.aws.bucket, Key=key)
        except ClientError:
            return False
        return head["ContentLength"] == size

    def put(self, key: str, data: bytes) -> None:
        """Write an object into the bucket."""
        with explained(f"s3://{self.launch.aws.bucket}/{key}"):
            self.s3.put_object(Bucket=self.launch.aws.bucket, Key=key, Body=data)

    def get(self, uri: str) -> bytes | None:
        """Return an object, or None if there is none."""
        from botocore.exceptions import ClientError

        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            with explained(uri, passing=("404", "NoSuchKey")):
                return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError:
            return None

    # -- training jobs ----------------------------------------------------------------------------

    def start(self, plan: Plan, job: PlannedJob, name: str) -> bool:
        """Start one training job, by the PyTorch estimator's ``fit(wait=False)``.

        Returns:
            False if a job of that name was there already: begun by this work before.

        Raises:
            InputError: If AWS refuses the request for good.
            QuotaError: If no more instances may run now.
        """
        try:
            self.calls(self._fit, plan, job, name)
        except NameInUseError:
            return False
        return True

    def _fit(self, plan: Plan, job: PlannedJob, name: str) -> None:
        with explained(name):
            estimator = self.estimator(plan, job)
            inputs = self.inputs(job) or None
            with silent_sdk():
                estimator.fit(inputs, wait=False, job_name=name)

    def describe(self, name: str) -> dict[str, Any] | None:
        """Return what SageMaker says of a job, or None if it knows none of that name."""

        def call() -> dict[str, Any] | None:
            with explained(name):
                return self.sagemaker.describe_training_job(TrainingJobName=name)

        try:
            return self.calls(call)
        except JobNotFoundError:
            return None

    def stop(self, name: str) -> None:
        """Stop a job; nothing happens if it has ended or is not there."""

        def call() -> None:
            with explained(name):
                self.sagemaker.stop_training_job(TrainingJobName=name)

        with contextlib.suppress(JobNotFoundError, JobEndedError):
            self.calls(call)

    def requests(self, plan: Plan, names: dict[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the full CreateTrainingJob request of every job; nothing is sent.

        The estimator builds it and boto3 checks and serialises it; an event handler then answers
        in place of AWS.

        Args:
            plan: The jobs.
            names: Key -> name of the training job.
        """
        for job in plan.jobs:
            yield from self.captured(lambda job=job: self._fit(plan, job, names[job.key]))  # type: ignore[misc]

    def captured(self, call: Callable[[], Any]) -> list[dict[str, Any]]:
        """Return the requests that a call would send to SageMaker.

        Args:
            call: Is answered as if SageMaker had taken what it asks.
        """
        from botocore.awsrequest import AWSResponse

        requests: list[dict[str, Any]] = []

        def answer(request: Any, **_: Any) -> Any:
            requests.append(json.loads(request.body))
            response = AWSResponse(request.url, 200, {}, None)
            body = {"TrainingJobArn": "arn:aws:sagemaker:::dry/dry"}
            body["HyperParameterTuningJobArn"] = body["TrainingJobArn"]
            response._content = json.dumps(body).encode()  # type: ignore[attr-defined]
            return response

        self.sagemaker.meta.events.register_first("before-send.sagemaker", answer)
        try:
            call()
        finally:
            self.sagemaker.meta.events.unregister("before-send.sagemaker", answer)
        return requests

    def describe_tuning(self, name: str) -> dict[str, Any]:
        """Return what SageMaker says of a tuning job."""
        with explained(name):
            return self.sagemaker.describe_hyper_parameter_tuning_job(
                HyperParameterTuningJobName=name
            )

    def list_trials(self, name: str) -> list[dict[str, Any]]:
        """Return the summaries of a tuning job's training jobs, in the order of their creation."""
        pages = self.sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
        arguments = {"HyperParameterTuningJobName": name, "SortBy": "CreationTime"}
        with explained(name):
            return [
                summary
                for page in pages.paginate(**arguments, SortOrder="Ascending")
                for summary in page["TrainingJobSummaries"]
            ]

    # -- the SDK ----------------------------------------------------------------------------------

    def session(self) -> Any:
        """Return the SDK's session, without its telemetry."""
        if self._session is None:
            with silent_sdk():
                import sagemaker.utils

                import sagemaker

                # The SDK checks this very configuration, and its schema, 19 times a job: most of a
                # second each time.
                sagemaker.utils.validate_sagemaker_config = lambda *_: None
                opted_out = {"SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
                self._session = sagemaker.Session(
                    self.boto,
                    sagemaker_client=self.sagemaker,
                    default_bucket=self.launch.aws.bucket,
                    sagemaker_config={"SchemaVersion": "1.0", **opted_out},
                )
        return self._session

    def image(self) -> str:
        """Return the address of the container, found once: the SDK takes long to look it up.

        Raises:
            InputError: If there is none of that version.
        """
        how = self.launch.job
        if self._image is None:
            self.session()
            from sagemaker import image_uris

            try:
                self._image = how.image_uri or image_uris.retrieve(
                    "pytorch",
                    str(self.boto.region_name),
                    version=how.framework_version,
                    py_version=how.py_version,
                    instance_type=how.instance_type,
                    image_scope="training",
                )
            except ValueError as error:
                raise InputError(f"job.framework_version, job.py_version: {error}") from error
        return str(self._image)

    def estimator(self, plan: Plan, job: PlannedJob, **changes: Any) -> Any:
        """Return the PyTorch estimator of one job.

        Args:
            plan: Names the code and the metrics.
            job: The job.
            **changes: Arguments of the estimator to be other than usual.
        """
        launch, where, how = self.launch, self.launch.aws, self.launch.job
        session = self.session()
        from sagemaker.pytorch import PyTorch

        wait = how.max_wait or 2 * how.max_run
        arguments: dict[str, Any] = {
            "entry_point": "entry.py",
            "source_dir": self.uri("inputs", plan.code, CODE_FILE),
            "image_uri": self.image(),
            "hyperparameters": job.settings,
            "role": where.role,
            "instance_count": 1,
            "instance_type": how.instance_type,
            "volume_size": how.volume_size,
            "max_run": how.max_run,
            "use_spot_instances": how.spot,
            "max_wait": wait if how.spot else None,
            "keep_alive_period_in_seconds": how.warm_pool or None,
            "max_retry_attempts": how.retries or None,
            "output_path": where.output or self.uri("launches", launch.name, "output"),
            "code_location": self.uri("launches", launch.name, "code"),
            "checkpoint_s3_uri": s3_uri_of_checkpoints(self, job),
            "checkpoint_local_path": "/opt/ml/checkpoints",
            "metric_definitions": metric_definitions(plan.metrics),
            "environment": how.environment or None,
            "tags": [{"Key": k, "Value": v} for k, v in where.tags.items()] or None,
            "subnets": where.subnets or None,
            "security_group_ids": where.security_group_ids or None,
            "volume_kms_key": where.volume_kms_key,
            "output_kms_key": where.output_kms_key,
            "enable_network_isolation": where.network_isolation,
            "disable_profiler": True,
            "debugger_hook_config": False,
            "sagemaker_session": session,
        }
        with silent_sdk():
            return PyTorch(**arguments | changes)

    def inputs(self, job: PlannedJob) -> dict[str, Any]:
        """Return the channels of one job for ``fit``."""
        from sagemaker.inputs import TrainingInput

        return {
            channel: TrainingInput(
                place if place.startswith("s3://") else self.uri("inputs", place) + "/"
            )
            for channel, place in job.channels.items()
        }


def s3_uri_of_checkpoints(aws: Aws, job: PlannedJob) -> str:
    """Return where a job's checkpoints go: the same for all its attempts, and for no other job."""
    where = aws.launch.aws.checkpoints or aws.uri("launches", aws.launch.name, "checkpoints")
    return f"{where.rstrip('/')}/{job.fingerprint}"


@contextlib.contextmanager
def silent_sdk() -> Iterator[None]:
    """Keep the SDK's banner, its search for defaults and its log lines off the terminal."""
    os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    for name in ("sagemaker", "sagemaker.config", "sagemaker_core", "botocore", "boto3"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
