"""All jobs of a launch, moved on turn by turn: start, look, collect, remember."""

import re
import time
from collections.abc import Callable
from typing import Any

from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.aws_errors import QuotaError
from nst_lightning.cloud.collect import clear_leftovers, collect, is_collected
from nst_lightning.cloud.manifest import JobState, Manifest
from nst_lightning.cloud.table import Row
from nst_lightning.errors import InputError

FINAL_AT_AWS = ("Completed", "Failed", "Stopped")
"""Final states, in SageMaker's words."""
LOST_AFTER = 3
"""Looks in a row at which SageMaker does not know a job, until it counts as lost."""
COPY_INTERVAL = 15.0
"""Seconds between two copies of the manifest to S3."""


class Fleet:
    """Moves every job of a launch to its end.

    Nothing in it must survive a kill: job names follow from the work, so that what was started
    before is found again and never started twice.

    Args:
        manifest: What is known.
        aws: The account.
        starting: Start pending jobs; otherwise only look and collect.
        now: The clock, in seconds.
    """

    def __init__(
        self,
        manifest: Manifest,
        aws: Aws,
        starting: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.manifest, self.aws, self.starting = manifest, aws, starting
        self._now = now
        self._looked: dict[str, float] = {}
        self._copied = -float("inf")
        self._wait_for_quota = 0.0
        self.notes: list[str] = []
        clear_leftovers(manifest)
        self.collected = {key for key in manifest.jobs if is_collected(manifest, key)}

    @property
    def over(self) -> bool:
        """Whether there is nothing left to wait for."""
        jobs = self.manifest.jobs.values()
        waiting = (job.running or (self.starting and job.state == "Pending") for job in jobs)
        return not any(waiting) and not self._to_collect()

    def done(self) -> list[str]:
        """Keys of the jobs that are completed and whose pictures are here."""
        jobs = self.manifest.jobs
        return [key for key in jobs if jobs[key].state == "Completed" and key in self.collected]

    def rows(self) -> list[Row]:
        """Return what the table shows of every picture."""
        return [
            Row(
                key,
                job.state,
                self._remark(key, job),
                "" if job.state == "Pending" else self.manifest.name_of(key),
                job.metrics,
                job.began,
                job.seconds,
            )
            for key, job in self.manifest.jobs.items()
        ]

    def _remark(self, key: str, job: JobState) -> str:
        if job.state == "Completed":
            return "picture is here" if key in self.collected else "picture not here yet"
        return job.reason or (job.secondary if job.secondary != job.state else "")

    def billed(self) -> tuple[float, float]:
        """Return the seconds that were billed so far, and that can be at most."""
        so_far = most = 0.0
        for job in self.manifest.jobs.values():
            running = time.time() - job.began if job.running and job.began else 0.0
            billed = job.billable or running
            so_far += billed
            most += billed if job.final else max(billed, self.manifest.launch.job.max_run)
        return so_far, most

    def turn(self) -> bool:
        """Do what is due; return whether anything changed."""
        changed = self._start() if self.starting else False
        for key in list(self.manifest.jobs):
            due = self._looked.get(key, -float("inf")) + self.manifest.launch.limits.poll_seconds
            if self.manifest.jobs[key].running and self._now() >= due:
                changed |= self.look(key)
                if self.manifest.jobs[key].final and self.starting:
                    changed |= self._start()
        for key in self._to_collect():
            changed |= self._collect(key)
        if changed:
            self.save()
        return changed

    def save(self, everywhere: bool = False) -> None:
        """Remember, here at once and in S3 from time to time.

        Args:
            everywhere: In S3 at once, too.
        """
        everywhere |= self._now() - self._copied >= COPY_INTERVAL
        self.manifest.save(self.aws if everywhere else None)
        if everywhere:
            self._copied = self._now()

    def pause(self) -> float:
        """Return the seconds until something is due."""
        return min(1.0, self.manifest.launch.limits.poll_seconds / 4)

    # -- the parts of a turn ----------------------------------------------------------------------

    def _start(self) -> bool:
        jobs = self.manifest.jobs
        room = self.manifest.launch.limits.parallel - sum(j.running for j in jobs.values())
        changed = False
        if self._now() < self._wait_for_quota:
            return changed
        for key in [key for key, job in jobs.items() if job.state == "Pending"][: max(0, room)]:
            try:
                self.aws.start(jobs[key].plan, self.manifest.name_of(key))
            except QuotaError as error:
                self._note(f"{error}; waiting for an instance to become free")
                self._wait_for_quota = self._now() + self.manifest.launch.limits.poll_seconds
                break
            jobs[key].state, jobs[key].secondary = "InProgress", "Starting"
            self._looked[key] = self._now()
            self.manifest.save()
            changed = True
        return changed

    def look(self, key: str) -> bool:
        """Look at one job; return whether anything about it changed."""
        job = self.manifest.jobs[key]
        described = self.aws.describe(self.manifest.name_of(key))
        self._looked[key] = self._now()
        before = repr(job)
        if described is None:
            job.missing += 1
            if job.missing >= LOST_AFTER:
                job.state, job.secondary = "Lost", ""
                job.reason = "SageMaker knows no job of this name any more; relaunch it"
        else:
            job.missing = 0
            _update(job, described)
        return repr(job) != before

    def _to_collect(self) -> list[str]:
        jobs = self.manifest.jobs
        return [k for k, j in jobs.items() if j.state == "Completed" and k not in self.collected]

    def _collect(self, key: str) -> bool:
        job = self.manifest.jobs[key]
        archive = self.aws.get(job.artifacts) if job.artifacts else None
        try:
            if archive is None:
                raise InputError(f"{key}: its results are not at {job.artifacts or 'any address'}")
            collect(self.manifest, key, archive)
        except InputError as error:
            if "cannot write" in str(error):
                raise
            # A job without its picture is no finished job.
            job.state, job.reason = "Failed", str(error)
            return True
        self.collected.add(key)
        return True

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _update(job: JobState, described: dict[str, Any]) -> None:
    job.state = described["TrainingJobStatus"]
    job.secondary = described.get("SecondaryStatus", "")
    job.reason = readable_reason(described.get("FailureReason", ""))
    if job.state == "Stopped":
        job.reason = job.secondary if job.secondary != "Stopped" else "it was stopped"
    if "TrainingStartTime" in described:
        job.began = described["TrainingStartTime"].timestamp()
    job.seconds = int(described.get("TrainingTimeInSeconds") or 0)
    job.billable = int(described.get("BillableTimeInSeconds") or 0)
    job.metrics = {m["MetricName"]: m["Value"] for m in described.get("FinalMetricDataList") or []}
    job.artifacts = (described.get("ModelArtifacts") or {}).get("S3ModelArtifacts", "")


def readable_reason(reason: str) -> str:
    """Return the part of SageMaker's failure reason that a person wrote, on one line.

    Args:
        reason: Such as ``AlgorithmError: ExecuteUserScriptError: ExitCode 1 ErrorMessage "…"
            Command "…", exit code: 1``.
    """
    text = " ".join(reason.split())
    match = re.search(r'ErrorMessage "(.*?)" (?:ExtraInfo|Command) "', text) or re.search(
        r'ErrorMessage "(.+)', text
    )
    message = match.group(1) if match else text
    return message.strip().removeprefix("ValueError: ").removeprefix("RuntimeError: ") or text
