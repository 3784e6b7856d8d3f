"""The CreateTrainingJob request of one job: one dictionary, which is printed, checked and sent."""

import json
from typing import Any

from nst_lightning.cloud.catalogue import image_uri
from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.container import CODE_CHANNEL
from nst_lightning.cloud.metric_lines import metric_definitions
from nst_lightning.cloud.plan import CODE_FILE, PlannedJob

ENTRY = "entry.py"


def training_request(launch: Launch, job: PlannedJob, name: str, region: str) -> dict[str, Any]:
    """Return the request that starts one job, in boto3's words; no SDK is needed.

    Args:
        launch: Where and how.
        job: What it paints.
        name: Of the training job.
        region: Where it runs.

    Raises:
        InputError: If there is no container for it.
    """
    aws = launch.aws
    code = aws.uri("inputs", job.code, CODE_FILE)
    channels = {
        channel: place if place.startswith("s3://") else aws.uri("inputs", place) + "/"
        for channel, place in job.channels.items()
    }
    if aws.network_isolation:  # the toolkit could not fetch its code
        channels[CODE_CHANNEL], code = code, f"/opt/ml/input/data/{CODE_CHANNEL}/{CODE_FILE}"
    settings = {
        **job.settings,
        "sagemaker_program": ENTRY,
        "sagemaker_submit_directory": code,
        "sagemaker_container_log_level": 20,
        "sagemaker_job_name": name,
        "sagemaker_region": region,
    }
    request = {
        **frame(launch, image_uri(launch.job, region)),
        "TrainingJobName": name,
        "HyperParameters": {key: json.dumps(value) for key, value in settings.items()},
        "InputDataConfig": [_channel(*item) for item in channels.items()],
        # The same for all attempts of a job, and for no other job.
        "CheckpointConfig": {
            "S3Uri": checkpoints_uri(launch, job),
            "LocalPath": "/opt/ml/checkpoints",
        },
    }
    if not channels:
        del request["InputDataConfig"]
    request["AlgorithmSpecification"]["MetricDefinitions"] = metric_definitions(job.metrics)
    return request


def frame(launch: Launch, image: str) -> dict[str, Any]:
    """Return what the requests of all jobs of a launch have in common.

    Args:
        launch: Where and how.
        image: Address of the container.
    """
    aws, how = launch.aws, launch.job
    limits = {"MaxRuntimeInSeconds": how.max_run}
    if how.spot:
        limits["MaxWaitTimeInSeconds"] = how.longest_wait
    request = {
        "RoleArn": aws.role,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "OutputDataConfig": {
            "S3OutputPath": output_uri(launch),
            "KmsKeyId": aws.output_kms_key,
        },
        "ResourceConfig": {
            "InstanceType": how.instance_type,
            "InstanceCount": 1,
            "VolumeSizeInGB": how.volume_size,
            "VolumeKmsKeyId": aws.volume_kms_key,
            "KeepAlivePeriodInSeconds": how.warm_pool or None,
        },
        "StoppingCondition": limits,
        "EnableManagedSpotTraining": how.spot or None,
        "RetryStrategy": {"MaximumRetryAttempts": how.retries or None},
        "VpcConfig": {"Subnets": aws.subnets, "SecurityGroupIds": aws.security_group_ids},
        "EnableNetworkIsolation": aws.network_isolation or None,
        "Environment": how.environment,
        "ProfilerConfig": {"DisableProfiler": True},
        # The last is for Cost Explorer.
        "Tags": [
            {"Key": key, "Value": value}
            for key, value in {**aws.tags, "nst_lightning:launch": launch.name}.items()
        ],
    }
    filled: dict[str, Any] = _without_empty(request)
    return filled


def output_uri(launch: Launch) -> str:
    """Return the s3:// folder of all jobs' results."""
    return (launch.aws.output or launch.aws.uri("launches", launch.name, "output")).rstrip("/")


def checkpoints_uri(launch: Launch, job: PlannedJob) -> str:
    """Return the s3:// folder of one job's checkpoints."""
    aws = launch.aws
    base = aws.checkpoints or aws.uri("launches", launch.name, "checkpoints")
    return f"{base.rstrip('/')}/{job.fingerprint}"


def _channel(name: str, uri: str) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": uri,
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def _without_empty(value: Any) -> Any:
    """Leave out what was not asked for: AWS takes no null, and no empty list or mapping."""
    if not isinstance(value, dict):
        return value
    filled = {key: _without_empty(item) for key, item in value.items()}
    return {key: item for key, item in filled.items() if item not in (None, {}, [])}
