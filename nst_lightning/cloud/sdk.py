"""All that uses the SageMaker SDK: the PyTorch estimator and the hyper-parameter tuner."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.metric_lines import metric_definitions
from nst_lightning.cloud.plan import CODE_FILE, PlannedJob
from nst_lightning.cloud.tuning.space import Tuning
from nst_lightning.errors import InputError


class Sdk:
    """The SDK, quiet and without its telemetry; imported when it is first used.

    Args:
        launch: Where and how.
        boto: The boto3 session.
        client: Its client for SageMaker.
    """

    def __init__(self, launch: Launch, boto: Any, client: Any) -> None:
        self.launch, self.boto, self.client = launch, boto, client
        self._image = launch.job.image_uri

    @cached_property
    def session(self) -> Any:
        """The SDK's session."""
        with _silent():
            import sagemaker.utils
            from sagemaker.session import Session

            # The SDK checks this very configuration, and its schema, 19 times a job: most of a
            # second each time.
            vars(sagemaker.utils).update(validate_sagemaker_config=lambda *_: None)
            opted_out = {"SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
            return Session(
                self.boto,
                sagemaker_client=self.client,
                default_bucket=self.launch.aws.bucket,
                sagemaker_config={"SchemaVersion": "1.0", **opted_out},
            )

    def image(self) -> str:
        """Return the address of the container, looked up once: the SDK takes long.

        Raises:
            InputError: If there is none of that version.
        """
        if self._image:
            return self._image
        job = self.launch.job
        with _silent():
            from sagemaker import image_uris
        try:
            self._image = str(
                image_uris.retrieve(
                    "pytorch",
                    str(self.boto.region_name),
                    version=job.framework_version,
                    py_version=job.py_version,
                    instance_type=job.instance_type,
                    image_scope="training",
                )
            )
        except ValueError as error:
            raise InputError(f"job.framework_version, job.py_version: {error}") from error
        return self._image

    def fit(self, job: PlannedJob, name: str) -> None:
        """Send one training job, by the PyTorch estimator's ``fit(wait=False)``."""
        estimator, inputs = self._estimator(job), self._inputs(job)
        with _silent():
            estimator.fit(inputs, wait=False, job_name=name)

    def fit_tuner(self, job: PlannedJob, tuning: Tuning, name: str) -> None:
        """Send a search over one painting's weights, by the HyperparameterTuner's ``fit``."""
        # Each trial has weights of its own: a shared checkpoint would mix them up.
        estimator = self._estimator(job, checkpoint_s3_uri=None, checkpoint_local_path=None)
        from sagemaker.parameter import ContinuousParameter
        from sagemaker.tuner import HyperparameterTuner

        scales = {"log": "Logarithmic", "linear": "Linear"}
        with _silent():
            tuner = HyperparameterTuner(
                estimator,
                objective_metric_name=tuning.objective,
                hyperparameter_ranges={
                    key: ContinuousParameter(item.min, item.max, scaling_type=scales[item.scale])
                    for key, item in tuning.ranges.items()
                },
                metric_definitions=metric_definitions(job.metrics),
                strategy=tuning.strategy,
                objective_type=tuning.goal.capitalize(),
                max_jobs=tuning.max_jobs,
                max_parallel_jobs=min(self.launch.limits.parallel, tuning.max_jobs),
                random_seed=tuning.seed,
            )
            # Class metadata is for the SDK to read back; nothing here does.
            tuner.fit(self._inputs(job), job_name=name, wait=False, include_cls_metadata=False)

    def _estimator(self, job: PlannedJob, **changes: Any) -> Any:
        """Return the PyTorch estimator of one job, with some arguments changed."""
        session = self.session
        from sagemaker.pytorch.estimator import PyTorch

        launch, aws, how = self.launch, self.launch.aws, self.launch.job
        checkpoints = aws.checkpoints or aws.uri("launches", launch.name, "checkpoints")
        arguments: dict[str, Any] = {
            "entry_point": "entry.py",
            "source_dir": aws.uri("inputs", job.code, CODE_FILE),
            "image_uri": self.image(),
            "hyperparameters": dict(job.settings),  # the SDK adds its own
            "role": aws.role,
            "instance_count": 1,
            "instance_type": how.instance_type,
            "volume_size": how.volume_size,
            "max_run": how.max_run,
            "use_spot_instances": how.spot,
            "max_wait": (how.max_wait or 2 * how.max_run) if how.spot else None,
            "keep_alive_period_in_seconds": how.warm_pool or None,
            "max_retry_attempts": how.retries or None,
            "output_path": aws.output or aws.uri("launches", launch.name, "output"),
            "code_location": aws.uri("launches", launch.name, "code"),
            # The same for all attempts of a job, and for no other job.
            "checkpoint_s3_uri": f"{checkpoints.rstrip('/')}/{job.fingerprint}",
            "checkpoint_local_path": "/opt/ml/checkpoints",
            "metric_definitions": metric_definitions(job.metrics),
            "environment": how.environment or None,
            "tags": [{"Key": key, "Value": value} for key, value in aws.tags.items()] or None,
            "subnets": aws.subnets or None,
            "security_group_ids": aws.security_group_ids or None,
            "volume_kms_key": aws.volume_kms_key,
            "output_kms_key": aws.output_kms_key,
            "enable_network_isolation": aws.network_isolation,
            "disable_profiler": True,
            "debugger_hook_config": False,
            "sagemaker_session": session,
        }
        with _silent():
            return PyTorch(**arguments | changes)

    def _inputs(self, job: PlannedJob) -> dict[str, Any] | None:
        """Return the channels of one job for ``fit``, or None."""
        from sagemaker.inputs import TrainingInput

        return {
            channel: TrainingInput(
                place if place.startswith("s3://") else self.launch.aws.uri("inputs", place) + "/"
            )
            for channel, place in job.channels.items()
        } or None


@contextlib.contextmanager
def _silent() -> Iterator[None]:
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
