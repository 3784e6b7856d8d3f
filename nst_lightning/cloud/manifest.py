"""What is known of a launch: enough for any machine to go on with it."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.config import AwsConfig, JobConfig, Launch, LimitsConfig
from nst_lightning.cloud.names import job_name
from nst_lightning.cloud.plan import Plan, PlannedJob
from nst_lightning.errors import InputError
from nst_lightning.files import write_whole

FILE = "launch.json"
FINAL = ("Completed", "Failed", "Stopped", "Lost", "Not started")
"""States in which nothing more happens by itself; only the first means done."""
_RANK = {"Pending": 0, "Not started": 1, "InProgress": 2, "Stopping": 3}


@dataclass
class JobState:
    """One job: what it was given and what was last seen of it.

    Attributes:
        plan: What it was given.
        attempt: Number of the training job that counts, from 1.
        state: ``Pending`` (not started yet), SageMaker's own, ``Lost``
            (SageMaker knows it no more), or ``Not started`` (stopped before it began).
        secondary: SageMaker's secondary status.
        reason: Why it failed.
        began: When its training began, in seconds since 1970; 0 if it has not.
        seconds: Seconds of training.
        billable: Seconds to be paid.
        metrics: Last values by name.
        artifacts: s3:// address of the results.
        missing: How often in a row SageMaker did not know it.
    """

    plan: PlannedJob
    attempt: int = 1
    state: str = "Pending"
    secondary: str = ""
    reason: str = ""
    began: float = 0.0
    seconds: int = 0
    billable: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    artifacts: str = ""
    missing: int = 0

    @property
    def final(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state in FINAL

    @property
    def running(self) -> bool:
        """Whether SageMaker has it and it has not ended."""
        return self.state in ("InProgress", "Stopping")

    def progress(self) -> tuple[int, int]:
        """Return what only grows, so that of two views the later one is known."""
        return self.attempt, _RANK.get(self.state, 4)


@dataclass
class Manifest:
    """A launch and all its jobs.

    Attributes:
        launch: As it was asked for.
        jobs: By key.
        rehearsal: Whether it ran on this machine.
    """

    launch: Launch
    jobs: dict[str, JobState]
    rehearsal: bool = False

    @classmethod
    def of(cls, launch: Launch, plan: Plan, rehearsal: bool = False) -> "Manifest":
        """Begin a manifest."""
        jobs = {job.key: JobState(job) for job in plan.jobs}
        return cls(launch, jobs, rehearsal)

    def name_of(self, key: str) -> str:
        """Return the name of the training job that counts."""
        job = self.jobs[key]
        return job_name(self.launch.name, key, job.plan.fingerprint, job.attempt)

    # -- going on ---------------------------------------------------------------------------------

    def adopt(self, plan: Plan) -> list[str]:
        """Take in the jobs of a new plan for the same launch; return the keys that are new.

        Raises:
            InputError: If a job that is there already was to be made with other settings.
        """
        changed = [
            job.key
            for job in plan.jobs
            if job.key in self.jobs and self.jobs[job.key].plan.fingerprint != job.fingerprint
        ]
        if changed:
            raise InputError(
                f"name: the launch {self.launch.name} has {changed[0]} with other settings, "
                "pictures or code already; choose another name (or --out, with a launch of this "
                "machine only)"
            )
        new = [job for job in plan.jobs if job.key not in self.jobs]
        self.jobs |= {job.key: JobState(job) for job in new}
        return [job.key for job in new]

    def merge(self, other: "Manifest") -> None:
        """Take over what another machine has seen later."""
        for key, theirs in other.jobs.items():
            mine = self.jobs.get(key)
            if mine is None or theirs.progress() > mine.progress():
                self.jobs[key] = theirs

    def relaunch(self, states: Collection[str], only: list[str] | None = None) -> list[str]:
        """Make jobs that ended without a picture pending again; return their keys.

        Args:
            states: Which of them.
            only: Keys; all if None.

        Raises:
            InputError: If there is no job of a key.
        """
        for key in only or ():
            if key not in self.jobs:
                raise InputError(f"only: there is no job {key}; there are {_first_few(self.jobs)}")
        again = [
            key
            for key, job in self.jobs.items()
            if job.state in states and (only is None or key in only)
        ]
        for key in again:
            self.jobs[key] = JobState(self.jobs[key].plan, self.jobs[key].attempt + 1)
        return again

    # -- keeping ----------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The local file."""
        return self.launch.folder / FILE

    def dump(self) -> bytes:
        """Return it as JSON."""
        return (json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n").encode()

    def save(self, aws: Aws | None = None) -> None:
        """Write the local file, and to S3 with what another machine wrote there meanwhile.

        Args:
            aws: The account; the local file only if None.
        """
        write_whole(self.path, self.dump())
        if aws is not None:
            there = fetch(self.launch, aws)
            if there is not None:
                self.merge(there)
            aws.put(self.dump(), *_place(self.launch))


def _place(launch: Launch) -> tuple[str, ...]:
    return "launches", launch.name, FILE


def fetch(launch: Launch, aws: Aws) -> Manifest | None:
    """Return a launch's manifest of S3, or None if there is none.

    Raises:
        InputError: If it is damaged.
    """
    data = aws.get(launch.aws.uri(*_place(launch)))
    return None if data is None else _parse(data, "the manifest in S3")


def _parse(data: bytes, where: str) -> Manifest:
    """Read a manifest.

    Raises:
        InputError: If it is none.
    """
    try:
        whole = json.loads(data)
        launch = dict(whole["launch"])
        parts = {"aws": AwsConfig, "job": JobConfig, "limits": LimitsConfig}
        launch |= {name: kind(**launch[name]) for name, kind in parts.items()}
        jobs = {
            key: JobState(**{**_known(JobState, job), "plan": PlannedJob(**job["plan"])})
            for key, job in whole["jobs"].items()
        }
        return Manifest(Launch(**launch), jobs, whole.get("rehearsal", False))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where} is no manifest of a launch: {error}") from error


def _known(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def load(folder: Path) -> Manifest | None:
    """Return the manifest of a local folder, or None if there is none.

    Raises:
        InputError: If the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    manifest = _parse(path.read_bytes(), str(path))
    manifest.launch = replace(manifest.launch, out=str(folder))
    return manifest


def _first_few(names: Any) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "")
