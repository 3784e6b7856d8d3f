"""A search by SageMaker's tuner, planned and watched as a launch is: its trials are the jobs."""

import time
from dataclasses import asdict, replace
from pathlib import Path

from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.fleet import FINAL_AT_AWS, Fleet
from nst_lightning.cloud.manifest import JobState, Manifest, PictureState
from nst_lightning.cloud.plan import Plan, make_plan
from nst_lightning.cloud.table import Row
from nst_lightning.cloud.training_request import output_uri
from nst_lightning.cloud.tuning.report import write_report
from nst_lightning.cloud.tuning.request import PlannedSearch
from nst_lightning.cloud.tuning.space import Tuning, check_ranges
from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.options import digest


def plan_search(
    launch: Launch, tuning: Tuning, aws: Aws | None = None
) -> tuple[Plan, PlannedSearch]:
    """Plan a search and check the ends of its ranges; nothing is sent.

    Args:
        launch: What is painted.
        tuning: What is searched.
        aws: The account, as :func:`make_plan` has it.

    Raises:
        InputError: If something is wrong.
    """
    if launch.job.via == "estimator":
        raise InputError("job.via: a search is sent by boto3 alone; leave job.via out")
    check_ranges(tuning)
    ends = [
        {key: getattr(item, end) for key, item in tuning.ranges.items()} for end in ("min", "max")
    ]
    plan = make_plan(launch, aws, ends)
    if len(plan.paintings) != 1:
        raise InputError("contents: a search paints one content in one style; name one of each")
    (painting,) = plan.paintings.values()
    if tuning.objective not in plan.job.metrics:
        near = did_you_mean(tuning.objective, plan.job.metrics)
        raise InputError(
            f"tuning.objective: no metric {tuning.objective} is logged{near} "
            f"(there are {', '.join(plan.job.metrics)})"
        )
    job = plan.job.given({1: painting}, 1)
    fixed = {key: value for key, value in job.settings.items() if key not in tuning.ranges}
    # The same name for the same search; AWS allows 32 characters.
    name = f"{launch.name}-{digest([painting.fingerprint, asdict(tuning)])[:7]}"
    return plan, PlannedSearch(name, tuning, replace(job, settings=fixed), painting)


class Search(Fleet):
    """Moves a search to its end; SageMaker starts the trials.

    Args:
        manifest: Of a search.
        aws: The account.
    """

    def __init__(self, manifest: Manifest, aws: Aws) -> None:
        super().__init__(manifest, aws, starting=False)
        assert manifest.search is not None
        self.search = manifest.search
        self.columns = ("loss", self.search.tuning.objective)
        self._ended = False

    @property
    def over(self) -> bool:
        """Whether the search has ended, and nothing is left to wait for."""
        return self._ended and super().over

    def turn(self) -> bool:
        """Do what is due; return whether anything changed."""
        if time.monotonic() >= self._due:
            # Looked at before its trials, which end first.
            self._ended = self.aws.tuning_status(self.search.name) in FINAL_AT_AWS
            for trial in self.aws.list_trials(self.search.name):
                self._add(trial["TrainingJobName"], trial["TunedHyperParameters"])
        changed = super().turn()
        if changed:
            self.report()
        return changed

    def report(self) -> Path:
        """Write the report of what is known; return its path."""
        launch, tuning = self.manifest.launch, self.search.tuning
        by = "A rehearsal, which draws at random" if self.manifest.rehearsal else "SageMaker"
        return write_report(launch.folder, launch.name, tuning, self.rows(), by)

    def _add(self, name: str, tuned: dict[str, str]) -> None:
        if name in self.manifest.jobs:
            return
        key = f"{len(self.manifest.jobs):03d}"
        values = {key: float(tuned[key].strip('"')) for key in self.search.tuning.ranges}
        picture = PictureState(
            replace(self.search.painting, key=key, settings=values), "InProgress"
        )
        job = JobState(self.search.job, {key: picture}, name=name, state="InProgress")
        self.manifest.jobs[name] = job

    def _finished(self, job: JobState, key: str = "") -> str:
        file = "model.tar.gz" if key else ""
        return f"{output_uri(self.manifest.launch)}/{job.name}/output/{file}"

    def rows(self) -> list[Row]:
        """Return what the table shows of every trial; what is tried is among its metrics."""
        rows = super().rows()
        for row in rows:
            job = self.manifest.job_of(row.key)
            row.metrics = job.pictures[row.key].plan.settings | job.metrics | row.metrics
        later = "Not started" if self._ended else "Pending"
        wanted = self.search.tuning.max_jobs
        return rows + [Row(f"{number:03d}", later) for number in range(len(rows), wanted)]

    def billed(self) -> tuple[float, float]:
        """Return the seconds that were billed so far, and that can be at most."""
        so_far, most = super().billed()
        later = sum(row.state == "Pending" for row in self.rows())
        return so_far, most + later * self.manifest.launch.job.max_run
