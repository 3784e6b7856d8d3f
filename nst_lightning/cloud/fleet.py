"""All jobs of a launch, moved on turn by turn: start, look, collect, remember."""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.aws_errors import QuotaError
from nst_lightning.cloud.collect import clear_leftovers, collect, is_collected
from nst_lightning.cloud.container import FINISHED, kept_name
from nst_lightning.cloud.films import MEASURE
from nst_lightning.cloud.manifest import JobState, Manifest, PictureState
from nst_lightning.cloud.table import Row
from nst_lightning.cloud.training_request import checkpoints_uri
from nst_lightning.errors import InputError

FINAL_AT_AWS = ("Completed", "Failed", "Stopped")
"""Final states, in SageMaker's words."""
LOST_AFTER = 3
"""Looks in a row at which SageMaker does not know a job, until it counts as lost; as many at which
a picture of a completed job is not there."""
COPY_INTERVAL = 15.0
"""Seconds between two copies of the manifest to S3."""
_LOOKS = 3
"""Rounds after which a job that goes on is described again: its losses are nowhere else."""
_LIMITS = {
    "MaxWaitTimeExceeded": "no spot instance was free long enough; raise job.max_wait, or name "
    "others in job.fallback",
    "MaxRuntimeExceeded": "it took longer than job.max_run; a relaunch goes on from its checkpoint",
}
NO_CAPACITY = re.compile(r"CapacityError|[Ii]nsufficient.*capacity|MaxWaitTimeExceeded")


class Fleet:
    """Moves every job of a launch to its end.

    Nothing in it must survive a kill: job names follow from the work, so that what was started
    before is found again and never started twice.

    Args:
        manifest: What is known.
        aws: The account.
        starting: Start pending jobs; otherwise only look and collect.
    """

    def __init__(self, manifest: Manifest, aws: Aws, starting: bool = True) -> None:
        self.manifest, self.aws, self.starting = manifest, aws, starting
        film = manifest.launch.film is not None
        self.columns: Sequence[str] = (MEASURE,) if film else ("loss", "style_loss")
        self._rounds = 0
        self._copied = self._due = self._may_start = -float("inf")
        self._refused: float | None = None
        self.notes: list[str] = []
        clear_leftovers(self.runs)
        self.collected = {
            key
            for job in manifest.jobs.values()
            for key in job.keys("Completed")
            if is_collected(self.runs / key, self._finished(job, key))
        }

    @property
    def runs(self) -> Path:
        """Folder of the pictures' folders."""
        return self.manifest.launch.folder / "runs"

    @property
    def over(self) -> bool:
        """Whether there is nothing left to wait for."""
        jobs = self.manifest.jobs.values()
        return not any(
            self._open(job) or (self.starting and job.state == "Pending") for job in jobs
        )

    def done(self) -> list[str]:
        """Keys of the pictures that are completed and here."""
        pictures = self.manifest.pictures
        return [
            k for k, one in pictures.items() if one.state == "Completed" and k in self.collected
        ]

    def rows(self) -> list[Row]:
        """Return what the table shows of every picture."""
        return [
            self._row(job, key, picture)
            for job in self.manifest.jobs.values()
            for key, picture in job.pictures.items()
        ]

    def _row(self, job: JobState, key: str, picture: PictureState) -> Row:
        state, remark, now = picture.state, picture.reason, key == job.at
        if state == "Completed":
            remark = "picture is here" if key in self.collected else "picture not here yet"
        elif state == "InProgress":
            state = job.state if job.running else state
            remark = job.secondary if now else "its turn comes"
        name = "" if job.state == "Pending" else self.manifest.name_of(job)
        metrics = job.metrics if now else picture.metrics
        return Row(key, state, remark, name, metrics, picture.began, picture.seconds)

    def billed(self) -> tuple[float, float]:
        """Return the seconds that were billed so far, and that can be at most."""
        so_far = most = 0.0
        for job in self.manifest.jobs.values():
            running = time.time() - job.began if job.running and job.began else 0.0
            billed = job.billed_before + (job.billable or running)
            # What a job may run covers what it has run.
            end = len(job.pictures) * self.manifest.launch.job.max_run + job.billed_before
            going = job.keys("Pending", "InProgress")
            so_far, most = so_far + billed, most + (max(billed, end) if going else billed)
        return so_far, most

    def turn(self) -> bool:
        """Do what is due; return whether anything changed."""
        changed = self.starting and self._start()
        if time.monotonic() >= self._due:
            jobs = [job for job in self.manifest.jobs.values() if self._open(job)]
            going = self.aws.going() if any(job.running for job in jobs) else {}
            self._rounds += 1
            for number, job in enumerate(jobs, start=self._rounds):
                changed |= self.look(job, going, whole=number % _LOOKS == 0)
                if self.starting and not job.running:
                    changed |= self._start()
            self._due = time.monotonic() + self.manifest.launch.limits.poll_seconds
        if changed:
            self.save()
        return changed

    def save(self, everywhere: bool = False) -> None:
        """Remember, here at once and in S3 from time to time.

        Args:
            everywhere: In S3 at once, too.
        """
        everywhere |= time.monotonic() - self._copied >= COPY_INTERVAL
        self.manifest.save(self.aws if everywhere else None)
        if everywhere:
            self._copied = time.monotonic()

    def pause(self) -> float:
        """Return the seconds until something is due."""
        return min(1.0, float(self.manifest.launch.limits.poll_seconds) / 4)

    # -- the parts of a turn ----------------------------------------------------------------------

    def _open(self, job: JobState) -> bool:
        """Whether there is something to look for: how it goes, or a picture."""
        missing = [key for key in job.keys("Completed") if key not in self.collected]
        return job.running or bool(missing) or (job.state != "Pending" and not job.over)

    def _start(self) -> bool:
        jobs, limits = self.manifest.jobs.values(), self.manifest.launch.limits
        room = limits.parallel - sum(job.running for job in jobs)
        changed = False
        if time.monotonic() < self._may_start:
            return changed
        for job in [job for job in jobs if job.state == "Pending"][: max(0, room)]:
            plan, how = self.manifest.request_of(job)
            try:
                self.aws.start(plan, self.manifest.name_of(job), how)
            except QuotaError as error:
                self._wait_for_quota(str(error), job)
                break
            self._refused = None
            job.state, job.secondary = "InProgress", "Starting"
            job.mark(job.keys("Pending"), "InProgress")
            self.manifest.save()
            changed = True
        return changed

    def _wait_for_quota(self, answer: str, job: JobState) -> None:
        """Say that an account may run no more, and wait for an instance where that can help.

        Raises:
            InputError: If it may run none at all, or nothing became free for too long.
        """
        limits, now = self.manifest.launch.limits, time.monotonic()
        jobs = self.manifest.jobs.values()
        match = re.search(r"limit '(.+?)' is (\d+) Instance", answer)
        name, allowed = match.groups() if match else ("", "")
        if allowed == "0" and job.step < len(self.manifest.launch.job.fallback):
            self._note(f"{answer}; trying job.fallback")
            for other in [one for one in jobs if (one.state, one.step) == ("Pending", job.step)]:
                other.step += 1
            return
        if allowed == "0":
            why = (
                f"your account may run no instance for {name!r}: ask for a quota in AWS's console "
                "under Service Quotas, Amazon SageMaker, or name another job.instance_type"
            )
            if all(other.state == "Pending" for other in jobs):
                raise InputError(why)
            job.state = "Failed"
            job.mark(job.keys("Pending"), "Failed", why)
            return
        if any(other.running for other in jobs):
            self._refused = None  # ours, one of which will be free
        elif self._refused is None:
            self._refused = now
        elif now - self._refused > limits.quota_wait:
            raise InputError(
                f"limits.quota_wait: nothing became free in {limits.quota_wait:.0f} s; the same "
                f"command tries again: {answer}"
            )
        self._note(f"{answer}; waiting for an instance to become free")
        self._may_start = now + limits.poll_seconds

    def look(self, job: JobState, going: Mapping[str, str], whole: bool) -> bool:
        """Look at one job and for its pictures; return whether anything about it changed.

        Args:
            job: The job.
            going: Names of the jobs that are in progress, and their secondary status.
            whole: Ask for its losses, too.
        """
        name, before = self.manifest.name_of(job), repr(job)
        if job.running and (whole or going.get(name) != job.secondary):
            described = self.aws.describe(name)
            if described is not None:
                _update(job, described)
            elif job.missing + 1 >= LOST_AFTER:
                job.state, job.secondary, job.missing = "Lost", "", 0
                job.reason = "SageMaker knows no job of this name any more; relaunch it"
            else:
                job.missing += 1
        self._find_pictures(job)
        if not job.running and not job.over:
            self._settle(job)
        return repr(job) != before

    def _find_pictures(self, job: JobState) -> None:
        """Collect what a job has finished, and note what it gave up."""
        wanted = job.keys("InProgress")
        wanted += [key for key in job.keys("Completed") if key not in self.collected]
        if not wanted:
            return
        there = self.aws.names(self._finished(job))
        for key in wanted:
            note = kept_name(job.pictures[key].plan.fingerprint, job.attempt)
            if self._finished(job, key).rpartition("/")[2] in there:
                self._collect(job, key)
            elif note in there:
                reason = self.aws.get(self._finished(job) + note) or b""
                job.mark([key], "Failed", readable_reason(reason.decode()))
            elif job.pictures[key].state == "Completed":
                job.mark([key], "Failed", f"{self._finished(job, key)} is gone")

    def _finished(self, job: JobState, key: str = "") -> str:
        """Return the s3:// folder of what a job has finished, or the address of a picture there."""
        file = kept_name(job.pictures[key].plan.fingerprint) if key else ""
        return f"{checkpoints_uri(self.manifest.launch, job.plan)}/{FINISHED}/{file}"

    def _collect(self, job: JobState, key: str) -> None:
        picture, uri = job.pictures[key], self._finished(job, key)
        archive = self.aws.get(uri) or b""
        try:
            picture.metrics = collect(self.runs / key, picture.plan, job.plan.files, archive, uri)
        except InputError as error:
            if "cannot write" in str(error):
                raise
            # A job without its picture is no finished job.
            job.mark([key], "Failed", str(error))
            return
        job.mark([key], "Completed")
        picture.seconds = int(picture.metrics.get("seconds", 0))
        self.collected.add(key)

    def _settle(self, job: JobState) -> None:
        """Decide about the pictures that a job which has ended did not make."""
        left = job.keys("InProgress")
        if job.state == "Completed" and job.missing < LOST_AFTER:
            job.missing += 1  # the last copy to S3 may come later than the state
            return
        no_capacity = job.state != "Completed" and NO_CAPACITY.search(job.reason)
        if no_capacity and job.step < len(self.manifest.launch.job.fallback):
            other = self.manifest.launch.job.fallback[job.step]
            self._note(f"{job.reason}; trying {other}")
            job.again(left, job.step + 1)
        elif job.state == "Stopped" and job.secondary not in _LIMITS:
            job.mark(left, "Stopped", job.reason)
        elif job.state == "Completed":
            job.mark(left, "Failed", "its job is completed, and no picture is among the results")
        else:
            job.mark(left, "Lost" if job.state == "Lost" else "Failed", job.reason)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _update(job: JobState, described: Mapping[str, Any]) -> None:
    job.state, job.missing = described["TrainingJobStatus"], 0
    job.secondary = described.get("SecondaryStatus", "")
    job.reason = readable_reason(described.get("FailureReason", ""))
    if job.state == "Stopped":
        why = _LIMITS.get(job.secondary)
        job.reason = f"{job.secondary}: {why}" if why else "it was stopped"
    if "TrainingStartTime" in described:
        job.began = described["TrainingStartTime"].timestamp()
    job.billable = int(described.get("BillableTimeInSeconds") or 0)
    job.metrics = {m["MetricName"]: m["Value"] for m in described.get("FinalMetricDataList") or []}
    if job.at and job.began and not job.pictures[job.at].began:
        job.pictures[job.at].began = time.time()


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
