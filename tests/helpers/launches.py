"""A launch and a job for the tests of what is sent to AWS."""

from typing import Any

from nst_lightning.cloud.config import AwsConfig, JobConfig, Launch
from nst_lightning.cloud.plan import PlannedJob
from nst_lightning.cloud.rehearsal.server import BUCKET, ROLE

JOB = PlannedJob(
    settings={"data.size": 512, "model.tv": None, "model.style": "GramLoss", "ü": ["é", 1.5]},
    channels={"picture_00": "abc", "style": "s3://elsewhere/klimt.jpg"},
    fingerprint="f" * 10,
    code="code",
    metrics=["loss", "style_loss"],
)


def launch(changes: dict[str, Any], **job: Any) -> Launch:
    """Return a launch for the stand-in, with changes of ``aws`` and ``job``."""
    aws = {"region": "us-west-2", "role": ROLE, "bucket": BUCKET, **changes.get("aws", {})}
    how = JobConfig(**{**changes.get("job", {}), **job})
    return Launch("test", ["cat.jpg"], ["klimt.jpg"], aws=AwsConfig(**aws), job=how)
