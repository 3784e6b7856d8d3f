"""What is known of a launch: enough for any machine to go on with it."""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.config import ON_DEMAND, JobConfig, Launch
from nst_lightning.cloud.names import job_name
from nst_lightning.cloud.plan import Painting, Plan, PlannedJob, divided
from nst_lightning.cloud.tuning.request import PlannedSearch
from nst_lightning.errors import InputError
from nst_lightning.files import write_whole
from nst_lightning.options import digest

FILE = "launch.json"
AGAIN = ("Failed", "Lost")
"""States of a picture that another attempt may mend; the others a person has chosen."""
_RANK = {"Pending": 0, "Not started": 1, "InProgress": 2, "Stopping": 3}
_LONGEST_RUN = 5 * 24 * 3600
"""Seconds that AWS lets a job run unless an account's quota says more."""


@dataclass
class PictureState:
    """One picture: what it is made of and what was last seen of it.

    Attributes:
        plan: What it is made of.
        state: ``Pending``, ``InProgress`` (its job was started), ``Completed``, ``Failed``,
            ``Stopped`` (by a person), ``Lost`` (SageMaker knows its job no more), or
            ``Not started`` (stopped before it began).
        reason: Why there is no picture.
        began: When it was first seen to be painted, in seconds since 1970; 0 if it was not.
        seconds: That it took.
        metrics: Its measures by name.
    """

    plan: Painting
    state: str = "Pending"
    reason: str = ""
    began: float = 0.0
    seconds: int = 0
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class JobState:
    """One job: what it was given and what was last seen of its last attempt.

    Attributes:
        plan: What each attempt is given, besides the pictures.
        pictures: By key; an attempt paints those that are pending when it starts.
        attempt: Number of the training job that counts, from 1.
        step: What it runs on: 0 for what ``job`` says, else a place in ``job.fallback``, from 1.
        state: ``Pending`` (not started yet), SageMaker's own, ``Lost``, or ``Not started``.
        secondary: SageMaker's secondary status.
        reason: Why it failed.
        began: When its training began, in seconds since 1970; 0 if it has not.
        billable: Seconds to be paid.
        billed_before: Seconds to be paid of earlier attempts.
        metrics: Last values by name: those of the picture that it is at.
        missing: How often in a row SageMaker did not know it, or a picture of it was not there.
        name: Of the training job, if SageMaker chose it: that of a search's trial.
    """

    plan: PlannedJob
    pictures: dict[str, PictureState]
    attempt: int = 1
    step: int = 0
    state: str = "Pending"
    secondary: str = ""
    reason: str = ""
    began: float = 0.0
    billable: int = 0
    billed_before: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    missing: int = 0
    name: str = ""

    @property
    def running(self) -> bool:
        """Whether SageMaker has it and it has not ended."""
        return self.state in ("InProgress", "Stopping")

    def keys(self, *states: str) -> list[str]:
        """Return the keys of its pictures in these states."""
        return [key for key, picture in self.pictures.items() if picture.state in states]

    @property
    def over(self) -> bool:
        """Whether it has ended, and what became of its pictures is known."""
        return not self.running and self.state != "Pending" and not self.keys("InProgress")

    def mark(self, keys: Iterable[str], state: str, reason: str = "") -> None:
        """Set the state of some of its pictures."""
        for picture in map(self.pictures.__getitem__, keys):
            picture.state, picture.reason = state, reason
            picture.began = picture.began if state != "Pending" else 0.0

    @property
    def at(self) -> str | None:
        """Key of the picture that it is painting, as far as is known."""
        left = self.keys("InProgress")
        number = int(self.metrics.get("picture", 0))
        told = [*self.pictures][number - 1 : number] if number else left[:1]
        return next((key for key in told if key in left), None)

    def again(self, keys: Iterable[str], step: int = 0) -> None:
        """Make pictures pending again, in a new attempt if the last one was begun."""
        self.mark(keys, "Pending")
        if self.state != "Pending":
            self.attempt += 1
        self.step, self.state, self.secondary, self.reason = step, "Pending", "", ""
        self.billed_before += self.billable
        self.billable, self.missing, self.metrics = 0, 0, {}

    def progress(self) -> tuple[int, int, int]:
        """Return what only grows, so that of two views the later one is known."""
        open_still = len(self.keys("Pending", "InProgress"))
        return self.attempt, _RANK.get(self.state, 4), -open_still


@dataclass
class Manifest:
    """A launch, its jobs and their pictures.

    Attributes:
        launch: As it was asked for.
        jobs: By the fingerprints of their plans.
        rehearsal: Whether it ran on this machine.
        search: If it is one.
    """

    launch: Launch
    jobs: dict[str, JobState] = field(default_factory=dict)
    rehearsal: bool = False
    search: PlannedSearch | None = None

    @property
    def pictures(self) -> dict[str, PictureState]:
        """All pictures by key."""
        return {key: one for job in self.jobs.values() for key, one in job.pictures.items()}

    def job_of(self, key: str) -> JobState:
        """Return the job of a picture.

        Raises:
            InputError: If there is no picture of that key.
        """
        for job in self.jobs.values():
            if key in job.pictures:
                return job
        few = ", ".join([*list(self.pictures)[:5], *["…"] * (len(self.pictures) > 5)])
        raise InputError(f"there is no picture {key}; there are {few}")

    def name_of(self, job: JobState) -> str:
        """Return the name of the training job that counts."""
        first = next(iter(job.pictures))
        return job.name or job_name(self.launch.name, first, job.plan.fingerprint, job.attempt)

    def request_of(self, job: JobState) -> tuple[PlannedJob, JobConfig]:
        """Return what a job's next attempt is given, and what it runs on.

        Times are for a picture in the settings, and for all of them in what is returned; what a
        spot job may wait beyond its running is for the job.
        """
        how, keys = self.launch.job, job.keys("Pending")
        for other in how.fallback[job.step - 1 : job.step] if job.step else ():
            change = {"spot": False} if other == ON_DEMAND else {"instance_type": other}
            how = replace(how, **change)
        run = min(len(keys) * how.max_run, max(how.max_run, _LONGEST_RUN))
        wait = run + how.longest_wait - how.max_run
        wanted = {n: p.plan for n, p in enumerate(job.pictures.values(), 1) if p.state == "Pending"}
        given = job.plan.given(wanted, job.attempt)
        return given, replace(how, max_run=run, max_wait=wait if how.spot else None)

    # -- going on ---------------------------------------------------------------------------------

    def adopt(self, wanted: Launch, plan: Plan) -> None:
        """Take in a new plan for the same launch; what is known of it stays.

        If jobs are to run in another way than they did, those that failed are tried again so.

        Raises:
            InputError: If a picture that is there already was to be made with other settings.
        """
        known = self.pictures
        for key, one in plan.paintings.items():
            if key in known and known[key].plan.fingerprint != one.fingerprint:
                raise InputError(
                    f"name: the launch {self.launch.name} has {key} with other settings, pictures "
                    "or code already; choose another name (or --out, with a launch of this machine "
                    "only)"
                )
        then, now = (
            replace(one.job, pictures=1, price_per_hour=None, currency="", via="api")
            for one in (self.launch, wanted)
        )
        if then != now:
            self.relaunch(AGAIN)
        self.launch = wanted
        new = [one for key, one in plan.paintings.items() if key not in known]
        for batch in divided(new, wanted):
            job = digest([painting.fingerprint for painting in batch])[:10]
            pictures = {painting.key: PictureState(painting) for painting in batch}
            self.jobs[job] = JobState(replace(plan.job, fingerprint=job), pictures)

    def merge(self, other: "Manifest") -> None:
        """Take over what another machine has seen later."""
        for key, theirs in other.jobs.items():
            mine = self.jobs.get(key)
            if mine is None or theirs.progress() > mine.progress():
                self.jobs[key] = theirs

    def relaunch(self, states: Collection[str], only: list[str] | None = None) -> list[str]:
        """Make pictures that were not made pending again, where their job is over.

        Args:
            states: Which of them.
            only: Keys; all if None.

        Returns:
            Their keys.

        Raises:
            InputError: If there is no picture of a key.
        """
        for key in only or ():
            self.job_of(key)
        again: list[str] = []
        for job in self.jobs.values():
            keys = [key for key in job.keys(*states) if only is None or key in only]
            if keys and (job.over or job.state == "Pending"):
                job.again(keys)
                again += keys
        return again

    # -- keeping ----------------------------------------------------------------------------------

    def dump(self) -> bytes:
        """Return it as JSON."""
        return (json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n").encode()

    def save(self, aws: Aws | None = None) -> None:
        """Write the local file, and to S3 with what another machine wrote there meanwhile.

        Args:
            aws: The account; the local file only if None.
        """
        write_whole(self.launch.folder / FILE, self.dump())
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
        manifest: Manifest = _built(Manifest, json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where} is no manifest of a launch: {error}") from error
    return manifest


def _built(kind: Any, told: Any) -> Any:
    """Build a dataclass, and all those within it, from what JSON holds of them."""
    inner = [item for item in get_args(kind) if is_dataclass(item)]
    if isinstance(kind, type) and is_dataclass(kind):
        kinds = get_type_hints(kind)
        return kind(**{name: _built(kinds[name], item) for name, item in told.items()})
    if inner and isinstance(told, dict):
        whole = get_origin(kind) is not dict  # of a union with None
        return _built(inner[0], told) if whole else {k: _built(inner[0], told[k]) for k in told}
    return told


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
