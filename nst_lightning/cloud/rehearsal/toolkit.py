"""Runs one training job on this machine with AWS's own toolkit, as the PyTorch container does."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nst_lightning.cloud.rehearsal.loopback import guarded_path
from nst_lightning.cloud.rehearsal.s3_folders import copy_new, download, upload_tar
from nst_lightning.cloud.rehearsal.service import TrainingService

GRACE = 120.0
"""Seconds between SIGTERM and SIGKILL when a job is stopped, as on AWS."""

TakeAway = Callable[[str, int, str], bool]
"""Given a job's name, the number of its instance and a line that it prints: whether the spot
instance is taken away at that line; the job then gets another."""

_PROGRAM = "from sagemaker_training.cli.train import main; main()"


class ToolkitRunner:
    """Runs jobs one by one, each in a folder that stands in for ``/opt/ml``.

    Args:
        service: Where the jobs are kept.
        folder: Gets one folder a job.
        take_away: Decides about spot instances; none is taken away if None.
    """

    def __init__(
        self, service: TrainingService, folder: Path, take_away: TakeAway | None = None
    ) -> None:
        self.service, self.folder = service, folder
        self.take_away = take_away or (lambda *_: False)
        self._processes: set[subprocess.Popen[str]] = set()

    def __call__(self, name: str) -> None:
        """Run a job to its end, on as many instances as that takes."""
        instance = 1
        while self._instance(name, instance):
            instance += 1
            self.service.move(name, "Interrupted")
            self.service.move(name, "Starting")

    def kill(self) -> None:
        """End every process of every job at once."""
        for process in list(self._processes):
            _signal(process, signal.SIGKILL)

    def _instance(self, name: str, number: int) -> bool:
        """Run a job on one instance; return whether that was taken away."""
        import boto3

        service = self.service
        job = service.describe_training_job({"TrainingJobName": name})
        s3 = boto3.client("s3")
        base = self.folder / name / f"instance-{number}" / "opt" / "ml"
        service.move(name, "Downloading")
        problem = _lay_out(s3, job, base)
        if problem:
            service.move(name, "Failed", status="Failed", FailureReason=problem)
            return False
        checkpoints = job.get("CheckpointConfig", {}).get("S3Uri")
        sent: dict[Path, int] = {}

        def sync() -> None:
            if checkpoints:
                copy_new(s3, base / "checkpoints", checkpoints, sent)

        started = time.time()
        service.move(name, "Training", TrainingStartTime=started)
        watched = _Watched(job, lambda line: self.take_away(name, number, line))
        code, why = self._train(name, job, base, watched, sync)
        sync()
        seconds = max(1, round(time.time() - started))
        spent = int(job.get("BillableTimeInSeconds", 0)) + seconds
        service.note(name, BillableTimeInSeconds=spent, TrainingTimeInSeconds=spent)
        (base.parents[1] / "train.log").write_text("\n".join(watched.lines), encoding="utf-8")
        service.note(name, FinalMetricDataList=watched.metrics())
        if watched.taken_away:
            return True
        service.move(name, "Uploading")
        failure = base / "output" / "failure"
        output = f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}/output"
        artifacts = {}
        if code == 0 or why:
            upload_tar(s3, base / "model", f"{output}/model.tar.gz")
            artifacts = {"ModelArtifacts": {"S3ModelArtifacts": f"{output}/model.tar.gz"}}
        if why:
            service.move(name, why, "Stopped", **artifacts)
        elif code == 0:
            service.move(name, "Completed", "Completed", **artifacts)
        else:
            message = failure.read_text(encoding="utf-8") if failure.is_file() else ""
            reason = f"AlgorithmError: {message}, exit code: {code}"[:1024]
            service.move(name, "Failed", "Failed", FailureReason=reason)
        return False

    def _train(
        self,
        name: str,
        job: dict[str, Any],
        base: Path,
        watched: "_Watched",
        sync: Callable[[], None],
    ) -> tuple[int, str]:
        """Run the toolkit; return its exit code and, if the job was stopped, the final status."""
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            env=_environ(name, job, base),
            cwd=base,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._processes.add(process)
        reader = threading.Thread(target=watched.read, args=(process,), daemon=True)
        reader.start()
        started, why, asked = time.monotonic(), "", 0.0
        limit = job["StoppingCondition"]["MaxRuntimeInSeconds"]
        synced = time.monotonic()
        try:
            while process.poll() is None:
                stopping = self.service.status(name) != "InProgress"
                if not why and (stopping or time.monotonic() - started > limit):
                    why = "Stopped" if stopping else "MaxRuntimeExceeded"
                    asked = time.monotonic()
                    _signal(process, signal.SIGTERM)
                if why and time.monotonic() - asked > GRACE:
                    _signal(process, signal.SIGKILL)
                if time.monotonic() - synced > 1:
                    sync()
                    self.service.note(name, FinalMetricDataList=watched.metrics())
                    synced = time.monotonic()
                time.sleep(0.05)
        finally:
            # The container is gone, and every orphan with it.
            _signal(process, signal.SIGKILL)
            self._processes.discard(process)
        reader.join(10)
        return process.returncode, why


class _Watched:
    """What a job prints: its log, its metrics, and whether its instance is to be taken away."""

    def __init__(self, job: dict[str, Any], take_away: Callable[[str], bool]) -> None:
        definitions = job["AlgorithmSpecification"].get("MetricDefinitions") or []
        self._regexes = [(d["Name"], re.compile(d["Regex"])) for d in definitions]
        self._values: dict[str, tuple[float, float]] = {}
        self._take_away = take_away
        self.lines: list[str] = []
        self.taken_away = False

    def read(self, process: subprocess.Popen[str]) -> None:
        """Read until the end."""
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line.rstrip("\n"))
            for name, regex in self._regexes:
                if match := regex.search(line):
                    self._values[name] = float(match.group(1)), time.time()
            if not self.taken_away and self._take_away(line):
                self.taken_away = True
                _signal(process, signal.SIGKILL)

    def metrics(self) -> list[dict[str, Any]]:
        """Return the last value of every metric, as AWS describes them."""
        return [
            {"MetricName": name, "Value": value, "Timestamp": when}
            for name, (value, when) in dict(self._values).items()
        ]


def _signal(process: subprocess.Popen[str], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _lay_out(s3: Any, job: dict[str, Any], base: Path) -> str | None:
    """Make ``/opt/ml`` as a container finds it; return why that cannot be done, if it cannot."""
    for folder in ("input/config", "input/data", "model", "output/data", "checkpoints", "code"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    channels = job.get("InputDataConfig") or []
    for channel in channels:
        name, uri = channel["ChannelName"], channel["DataSource"]["S3DataSource"]["S3Uri"]
        if not download(s3, uri, base / "input" / "data" / name):
            return f"ClientError: Data download failed: there is no S3 object under {uri}"
    if uri := job.get("CheckpointConfig", {}).get("S3Uri"):
        download(s3, uri, base / "checkpoints")
    kind = job["ResourceConfig"]["InstanceType"]
    # The name must resolve, or the toolkit asks for a quarter of an hour.
    group = {"instance_group_name": "homogeneousCluster", "instance_type": kind}
    resources = {
        "current_host": "localhost",
        "hosts": ["localhost"],
        "network_interface_name": "lo",
        "current_instance_type": kind,
        "current_group_name": "homogeneousCluster",
        "instance_groups": [group | {"hosts": ["localhost"]}],
    }
    file_mode = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}
    written = {
        "hyperparameters": job.get("HyperParameters", {}),
        "inputdataconfig": {c["ChannelName"]: file_mode for c in channels},
        "resourceconfig": resources,
    }
    for name, content in written.items():
        path = base / "input" / "config" / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
    return None


def _environ(name: str, job: dict[str, Any], base: Path) -> dict[str, str]:
    return {
        **os.environ,
        **(job.get("Environment") or {}),
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_TRAINING_MODULE": "sagemaker_pytorch_container.training:main",
        "TRAINING_JOB_NAME": name,
        "TRAINING_JOB_ARN": job["TrainingJobArn"],
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": guarded_path(os.environ),
        # requirements.txt is checked against what is installed here, and nothing is installed.
        "PIP_DRY_RUN": "1",
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
