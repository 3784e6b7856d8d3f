"""Two hundred jobs, a busy service, failures, and a launcher that is killed half-way."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from helpers.scripted_jobs import complete, picture, result

from nst_lightning.cloud.commands import main
from nst_lightning.cloud.manifest import load
from nst_lightning.cloud.rehearsal.loopback import guarded_path
from nst_lightning.cloud.rehearsal.server import FakeAws
from nst_lightning.cloud.rehearsal.service import ServiceError, TrainingService

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PER_MINUTE = 6000


class Scripted:
    """Ends every job as its number says: one in ten fails, one is stopped, one vanishes."""

    def __init__(self, service: TrainingService) -> None:
        self.service = service
        self.numbers: dict[str, int] = {}
        self.lock = threading.Lock()

    def fate(self, number: int) -> str:
        if number % 10 == 7:
            return "fails"
        return {33: "is stopped", 66: "vanishes"}.get(number, "completes")

    def __call__(self, name: str) -> None:
        with self.lock:
            number = self.numbers.setdefault(name, len(self.numbers))
        time.sleep(0.05 + 0.002 * (number % 50))
        self.service.move(name, "Training", "Training in progress")
        fate = self.fate(number)
        if fate == "completes":
            complete(self.service, name, result(number))
        elif fate == "fails":
            reason = (
                'AlgorithmError: ExecuteUserScriptError: ExitCode 1 ErrorMessage "ValueError: '
                'number 7 again" Command "python entry.py", exit code: 1'
            )
            self.service.move(name, "Failed", status="Failed", FailureReason=reason)
        elif fate == "is stopped":
            self.service.move(name, "Stopped", status="Stopped")
        else:
            self.service.forget(name)


def throttled(share: float) -> Callable[[str], ServiceError | None]:
    dice = random.Random(5)

    def fault(action: str) -> ServiceError | None:
        if dice.random() < share:
            return ServiceError("ThrottlingException", "Rate exceeded")
        return None

    return fault


def test_every_one_of_two_hundred_jobs_is_accounted_for(
    tmp_path: Path, aws: FakeAws, config: Callable[..., Path], capsys: Any
) -> None:
    contents, styles = [], []
    for number in range(30):
        path = tmp_path / f"picture {number} ü.png"
        path.write_bytes(picture(1000 + number))
        (contents if number < 20 else styles).append(str(path))
    file = config(
        contents=contents,
        styles=styles,
        limits={"parallel": 40, "calls_per_minute": PER_MINUTE, "poll_seconds": 0.3},
    )
    aws.fault = throttled(0.1)
    service, script = aws.service, Scripted(aws.service)
    created: list[str] = []
    service.on_create.append(created.append)
    instances = ThreadPoolExecutor(16)
    service.on_create.append(lambda name: instances.submit(script, name))
    launcher = subprocess.Popen(
        [sys.executable, str(ROOT / "sagemaker" / "launch.py"), "--config", str(file)],
        env=os.environ | {"PYTHONPATH": guarded_path(os.environ)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
    )
    try:
        while len(created) < 90 and launcher.poll() is None:
            time.sleep(0.01)
        launcher.send_signal(signal.SIGKILL)
    finally:
        output, _ = launcher.communicate()
    assert 90 <= len(created) < 200, output
    after_kill = time.monotonic()

    code = main(["--config", str(file)])

    shown = capsys.readouterr().out
    assert code == 1, shown
    # No duplicate: as many jobs were ever created as there are paintings.
    assert len(created) == len(set(created)) == 200
    manifest = load(tmp_path / "out")
    assert manifest is not None
    assert all(job.attempt == 1 for job in manifest.jobs.values())
    states = Counter(job.state for job in manifest.jobs.values())
    assert states == {"Completed": 178, "Failed": 20, "Stopped": 1, "Lost": 1}
    # No lost picture: each is there, and it is the one that its own job made.
    for key, job in manifest.jobs.items():
        folder = tmp_path / "out" / "runs" / key
        number = script.numbers[manifest.name_of(key)]
        expected = {"completes": "Completed", "fails": "Failed", "is stopped": "Stopped"}
        assert job.state == expected.get(script.fate(number), "Lost")
        if job.state == "Completed":
            assert (folder / "stylized.png").read_bytes() == picture(number)
        else:
            assert not folder.exists()
    assert "178 pictures here" in shown
    assert shown.count("number 7 again") >= 20
    assert not list((tmp_path / "out" / "runs").glob(".*"))
    # Bounded: no more calls than were allowed, throttled ones and repetitions included.
    names = ("CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob")
    times = [when for when, action in aws.calls if action in names and when > after_kill]
    for first in range(len(times)):
        window = sum(1 for when in times[first:] if when < times[first] + 2)
        assert window <= PER_MINUTE / 60 * 2 * 1.1 + 1

    # The failed ones alone, and only once however often one asks.
    aws.fault = None
    script.fate = lambda number: "completes"  # type: ignore[method-assign]
    assert main(["relaunch", "test", "--out", str(tmp_path / "out")]) == 1
    assert len(created) == len(set(created)) == 221
    assert main(["relaunch", "test", "--out", str(tmp_path / "out"), "--stopped"]) in (0, 1)
    assert len(created) == len(set(created)) == 222
    finished = load(tmp_path / "out")
    assert finished is not None
    assert Counter(job.state for job in finished.jobs.values()) == {"Completed": 200}
    instances.shutdown()
    assert boto3.client("s3").list_objects_v2(Bucket="rehearsal", Prefix="x")["KeyCount"] == 0
