"""The settings of a launch: its YAML file, with types."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

MOST_PICTURES = 40
"""Pictures of one job at most: each is a hyper-parameter, of which AWS takes 100."""
DECISIVE = {"framework_version", "image_uri", "code", "requirements", "pictures"}
"""Of ``job``: what decides the pictures, or which are painted together: a relaunch keeps it."""
ON_DEMAND = "on_demand"
"""In ``job.fallback``: the job's own instance type, not as a spot instance."""


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``, or of a bucket's name alone."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


@dataclass
class AwsConfig:
    """Where in AWS.

    Attributes:
        region: Such as us-west-2; your profile's if null.
        profile: Profile of your AWS configuration; the default credentials if null.
        role: ARN or name of the role that the jobs run as; ``execution`` for that of the SageMaker
            notebook that this runs in.
        bucket: Bucket for inputs, code, checkpoints and results; ``default`` for SageMaker's own.
        prefix: Folder in that bucket.
        output: s3:// folder of the results; a folder of the launch below ``prefix`` if null.
        checkpoints: s3:// folder of the checkpoints; as ``output`` if null.
        subnets: Subnets of your VPC; leave empty for none.
        security_group_ids: Security groups of your VPC; needed with ``subnets``.
        volume_kms_key: Key that encrypts the instances' disks.
        output_kms_key: Key that encrypts the results.
        network_isolation: No network for the jobs at all; the image must bring every package.
        tags: Tags of every job.
    """

    region: str | None = None
    profile: str | None = None
    role: str | None = None
    bucket: str | None = None
    prefix: str = "nst_lightning"
    output: str | None = None
    checkpoints: str | None = None
    subnets: list[str] = field(default_factory=list)
    security_group_ids: list[str] = field(default_factory=list)
    volume_kms_key: str | None = None
    output_kms_key: str | None = None
    network_isolation: bool = False
    tags: dict[str, str] = field(default_factory=dict)

    def key(self, *parts: str) -> str:
        """Return the key of an object of the bucket, below the prefix."""
        return "/".join([self.prefix.strip("/"), *parts]).lstrip("/")

    def uri(self, *parts: str) -> str:
        """Return the s3:// address of an object of the bucket, below the prefix."""
        return f"s3://{self.bucket}/{self.key(*parts)}"


@dataclass
class JobConfig:
    """What every job runs on.

    Attributes:
        instance_type: Such as ml.g5.xlarge.
        via: How a job is sent: ``api`` (boto3), ``estimator`` (the PyTorch estimator of SageMaker's
            SDK v2, which sends the same), or ``auto``: the estimator where SDK v2 is installed.
        framework_version: PyTorch of AWS's container.
        image_uri: An image of your own in place of AWS's.
        spot: Use spot instances; a job that loses its instance goes on from its checkpoint.
        pictures: How many pictures a job paints, one after the other: start-up is paid for once;
            ``auto``: as many as keep ``limits.parallel`` jobs busy.
        fallback: What to try next, one after another, where there is no capacity: instance types,
            or ``on_demand`` for this one, but no spot instance.
        max_run: Seconds that a picture may take; a job of eight pictures may run eight times that.
        max_wait: Seconds that a spot job may take with waiting for an instance, if it had one
            picture; twice ``max_run`` if null.
        warm_pool: Seconds that an instance is kept for the next job (and billed); not with spot.
        volume_size: Disk in GB.
        retries: How often AWS starts a job again after an error of its own.
        environment: Environment variables.
        code: Files and folders of your own, for classes that a config names.
        requirements: Further lines for requirements.txt; never torch or torchvision.
        price_per_hour: What an hour costs you on demand (of a spot job AWS bills fewer seconds);
            null leaves the money out.
        currency: Of that price.
    """

    instance_type: str = "ml.g5.xlarge"
    via: Literal["api", "estimator", "auto"] = "api"
    framework_version: str = "2.14"
    image_uri: str | None = None
    spot: bool = True
    pictures: int | Literal["auto"] = "auto"
    fallback: list[str] = field(default_factory=list)
    max_run: PositiveInt = 3600
    max_wait: int | None = None
    warm_pool: NonNegativeInt = 0
    volume_size: PositiveInt = 30
    retries: NonNegativeInt = 1
    environment: dict[str, str] = field(default_factory=dict)
    code: list[str] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)
    price_per_hour: NonNegativeFloat | None = None
    currency: str = "USD"

    @property
    def longest_wait(self) -> int:
        """Seconds that a spot job of one picture may take with waiting."""
        return self.max_wait or 2 * self.max_run


@dataclass
class LimitsConfig:
    """How hard AWS is asked.

    Attributes:
        parallel: Jobs that run at once: your account's quota for the instance type.
        calls_per_minute: SageMaker calls a minute at most, whatever the number of jobs.
        poll_seconds: Time between two looks at the same job.
        quota_wait: Seconds to wait for an instance while your quota is used up by others.
    """

    parallel: PositiveInt = 4
    calls_per_minute: PositiveInt = 100
    poll_seconds: PositiveFloat = 20.0
    quota_wait: float = 3600.0


@dataclass
class FilmConfig:
    """A clip that is painted, in the words of ``nst video``.

    Attributes:
        clip: A video file, an animation, a folder of frames or a glob, of this machine.
        start: Where it begins.
        end: Where it ends.
        every: Each how-manieth frame is painted.
        passes: How often it is gone through.
        steadiness: Weight of the temporal term.
        alone: How many pairs of neighbours each part paints without each other, too.
        scenes: Into how many parts it is cut at most, each a job's: where a scene begins, nowhere
            else. ``auto``: as many as run at once; null: one.
        painted: The painted clip; ``painted.mp4`` in the launch's folder if null.
    """

    clip: str
    start: str | None
    end: str | None
    every: int
    passes: int
    steadiness: float
    alone: int
    scenes: int | Literal["auto"] | None
    painted: str | None


@dataclass
class Launch:
    """Contents × styles, some to each training job; or a clip.

    Attributes:
        name: Name of the launch: by it you watch, collect and stop.
        contents: Pictures to be painted: paths, URLs or ``sample:NAME``.
        styles: Pictures to paint like.
        configs: Configurations of train.py, laid over one another.
        settings: Settings of train.py over those, by their names: ``data.size: 512``.
        out: Folder for the manifest and the collected pictures; ``outputs/NAME`` if null.
        aws: Where in AWS.
        job: What every job runs on.
        limits: How hard AWS is asked.
        film: The clip, if it is one.
    """

    name: str
    contents: list[str]
    styles: list[str]
    configs: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    out: str | None = None
    aws: AwsConfig = field(default_factory=AwsConfig)
    job: JobConfig = field(default_factory=JobConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    film: FilmConfig | None = None

    @property
    def folder(self) -> Path:
        """Folder for the manifest and the collected pictures."""
        return Path(self.out or Path("outputs", self.name))
