"""A search by SageMaker's tuner, planned and watched as a launch is: trials in place of pictures."""

from dataclasses import asdict, replace
from pathlib import Path

from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.collect import collect, is_collected
from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.fleet import FINAL_AT_AWS, Fleet, remark, update
from nst_lightning.cloud.manifest import JobState, Manifest
from nst_lightning.cloud.plan import Plan, effective_settings, make_plan
from nst_lightning.cloud.table import Row
from nst_lightning.cloud.tuning.report import write_report
from nst_lightning.cloud.tuning.request import PlannedSearch
from nst_lightning.cloud.tuning.space import Tuning, check_tuning
from nst_lightning.errors import InputError
from nst_lightning.options import digest


def plan_search(launch: Launch, tuning: Tuning) -> tuple[Plan, PlannedSearch]:
    """Plan a search and check the ends of its ranges; nothing is sent.

    Args:
        launch: What is painted.
        tuning: What is searched.

    Raises:
        InputError: If something is wrong.
    """
    plan = make_plan(launch)
    if len(plan.paintings) != 1:
        raise InputError("contents: a search paints one content in one style; name one of each")
    (painting,) = plan.paintings.values()
    check_tuning(tuning, plan.job.metrics)
    for end in ("min", "max"):
        values = {key: getattr(item, end) for key, item in tuning.ranges.items()}
        try:
            changed = replace(launch, settings={**launch.settings, **values})
            effective_settings(changed, painting.content, painting.style)
        except InputError as error:
            raise InputError(f"tuning.ranges: {error}") from error
    job = plan.job.given([painting], 1)
    fixed = {key: value for key, value in job.settings.items() if key not in tuning.ranges}
    # The same name for the same search; AWS allows 32 characters.
    name = f"{launch.name}-{digest([painting.fingerprint, asdict(tuning)])[:7]}"
    return plan, PlannedSearch(name, tuning, replace(job, settings=fixed), painting)


class Search(Fleet):
    """Watches a search to its end, and brings its pictures here.

    Args:
        manifest: Of a search.
        aws: The account.
    """

    def __init__(self, manifest: Manifest, aws: Aws) -> None:
        super().__init__(manifest, aws, starting=False)
        assert manifest.search is not None
        self.planned = manifest.search
        self.columns = ("loss", self.planned.tuning.objective)
        self._trials: dict[str, JobState] = {}  # by the names of their training jobs
        self._values: dict[str, dict[str, float]] = {}
        self._ended = ""

    @property
    def over(self) -> bool:
        """Whether the search has ended."""
        return bool(self._ended)

    def done(self) -> list[str]:
        """Keys of the trials whose pictures are here."""
        return sorted(self.collected)

    def turn(self) -> bool:
        """Look at the search and those trials that have not ended; return whether that was due."""
        if self._now() < self._due:
            return False
        # Before the trials are looked at: they end first.
        status = self.aws.tuning_status(self.planned.name)
        for summary in self.aws.list_trials(self.planned.name):
            name, tuned = summary["TrainingJobName"], summary["TunedHyperParameters"]
            if name not in self._trials:
                self._trials[name] = JobState(self.planned.job, {}, state="InProgress")
                self._values[name] = {
                    key: float(tuned[key].strip('"')) for key in self.planned.tuning.ranges
                }
        for number, (name, trial) in enumerate(self._trials.items()):
            if trial.running:
                self._look_at(f"{number:03d}", name, trial)
        if status in FINAL_AT_AWS:
            self._ended = status
        self._due = self._now() + self.manifest.launch.limits.poll_seconds
        self.report()
        return True

    def _look_at(self, key: str, name: str, trial: JobState) -> None:
        described = self.aws.describe(name) or {"TrainingJobStatus": "Lost"}
        update(trial, described)
        trial.metrics |= self._values[name]
        if trial.state != "Completed":
            return
        uri, folder = described["ModelArtifacts"]["S3ModelArtifacts"], self.runs / key
        painting = replace(self.planned.painting, key=key, fingerprint=name)
        try:
            if not is_collected(folder, painting):
                archive = self.aws.get(uri) or b""
                collect(folder, painting, trial.plan.files, archive, job=name, archive=uri)
            self.collected.add(key)
        except InputError as error:
            trial.state, trial.reason = "Failed", str(error)

    def rows(self) -> list[Row]:
        """Return what the table shows of every trial."""
        rows = [
            Row(
                f"{number:03d}",
                trial.state,
                remark(trial, f"{number:03d}" in self.collected),
                name,
                trial.metrics,
                trial.began,
                trial.seconds,
            )
            for number, (name, trial) in enumerate(self._trials.items())
        ]
        later = "Not started" if self.over else "Pending"
        wanted = self.planned.tuning.max_jobs
        return rows + [Row(f"{number:03d}", later) for number in range(len(rows), wanted)]

    def billed(self) -> tuple[float, float]:
        """Return the seconds that were billed so far, and that can be at most."""
        so_far = sum(trial.billed for trial in self._trials.values())
        open_still = sum(row.state in ("Pending", "InProgress") for row in self.rows())
        return so_far, so_far + open_still * self.manifest.launch.job.max_run

    def report(self) -> Path:
        """Write the report of what is known; return its path."""
        launch, tuning = self.manifest.launch, self.planned.tuning
        return write_report(launch.folder, launch.name, tuning, self.rows(), "SageMaker")
