"""The PyTorch estimator of SageMaker's SDK v2, for those who have it: it sends the same request."""

import contextlib
import importlib.metadata
import json
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any

from nst_lightning.cloud.config import split_uri
from nst_lightning.cloud.container import CODE_CHANNEL
from nst_lightning.cloud.hyperparameters import SDK_PREFIXES


def has_estimator() -> bool:
    """Whether SDK v2 is installed: v3 has no estimator."""
    try:
        return importlib.metadata.version("sagemaker").startswith("2.")
    except importlib.metadata.PackageNotFoundError:
        return False


def fit(request: dict[str, Any], boto: Any, client: Any) -> None:
    """Send a training job by the PyTorch estimator's ``fit(wait=False)``.

    Args:
        request: Of CreateTrainingJob.
        boto: The boto3 session.
        client: Its client for SageMaker.
    """
    with silent():
        estimator, inputs = _estimator(request, boto, client)
        estimator.fit(inputs, wait=False, job_name=request["TrainingJobName"])


def _estimator(request: dict[str, Any], boto: Any, client: Any) -> tuple[Any, Any]:
    """Return the estimator that sends a request, and the channels for its ``fit``."""
    from sagemaker.inputs import TrainingInput
    from sagemaker.pytorch.estimator import PyTorch
    from sagemaker.session import Session

    opted_out = {"SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
    how, limits = request["ResourceConfig"], request["StoppingCondition"]
    output, network = request["OutputDataConfig"], request.get("VpcConfig", {})
    sent = {key: json.loads(value) for key, value in request["HyperParameters"].items()}
    channels = {
        item["ChannelName"]: item["DataSource"]["S3DataSource"]["S3Uri"]
        for item in request.get("InputDataConfig", [])
    }
    isolated = request.get("EnableNetworkIsolation", False)
    # Isolated, the estimator makes the channel of the code by itself.
    code = channels.pop(CODE_CHANNEL) if isolated else sent["sagemaker_submit_directory"]
    estimator = PyTorch(
        entry_point=sent["sagemaker_program"],
        source_dir=code,
        image_uri=request["AlgorithmSpecification"]["TrainingImage"],
        hyperparameters={k: v for k, v in sent.items() if not k.startswith(SDK_PREFIXES)},
        role=request["RoleArn"],
        instance_count=how["InstanceCount"],
        instance_type=how["InstanceType"],
        volume_size=how["VolumeSizeInGB"],
        max_run=limits["MaxRuntimeInSeconds"],
        use_spot_instances=request.get("EnableManagedSpotTraining", False),
        max_wait=limits.get("MaxWaitTimeInSeconds"),
        keep_alive_period_in_seconds=how.get("KeepAlivePeriodInSeconds"),
        max_retry_attempts=request.get("RetryStrategy", {}).get("MaximumRetryAttempts"),
        output_path=output["S3OutputPath"],
        code_location=output["S3OutputPath"],
        checkpoint_s3_uri=request["CheckpointConfig"]["S3Uri"],
        checkpoint_local_path=request["CheckpointConfig"]["LocalPath"],
        metric_definitions=request["AlgorithmSpecification"]["MetricDefinitions"],
        environment=request.get("Environment"),
        tags=request["Tags"],
        subnets=network.get("Subnets"),
        security_group_ids=network.get("SecurityGroupIds"),
        volume_kms_key=how.get("VolumeKmsKeyId"),
        output_kms_key=output.get("KmsKeyId"),
        enable_network_isolation=isolated,
        disable_profiler=True,
        debugger_hook_config=False,
        sagemaker_session=Session(
            boto,
            sagemaker_client=client,
            default_bucket=split_uri(output["S3OutputPath"])[0],
            sagemaker_config={"SchemaVersion": "1.0", **opted_out},
        ),
    )
    return estimator, {key: TrainingInput(uri) for key, uri in channels.items()} or None


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Keep the SDK's banner, its search for defaults and its log lines off the terminal."""
    os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    for name in ("sagemaker", "sagemaker.config", "sagemaker_core", "botocore", "boto3"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        # The SDK logs an error that the launcher explains itself, and waits for, as one of its own.
        logger.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
