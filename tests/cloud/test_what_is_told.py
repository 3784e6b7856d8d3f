"""What a person is told: prices, help, logs, a table, a line an event."""

import contextlib
import io
import itertools
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from helpers.scripted_jobs import complete, result
from helpers.troubled_aws import TroubledAws

from nst_lightning.cloud.command_line import parse
from nst_lightning.cloud.commands import main
from nst_lightning.cloud.config import JobConfig, Launch
from nst_lightning.cloud.estimate import estimate
from nst_lightning.cloud.manifest import Manifest
from nst_lightning.cloud.plan import Painting, Plan, PlannedJob
from nst_lightning.cloud.table import Row, summary, table


def test_a_rehearsal_costs_nothing_and_asks_for_no_price() -> None:
    wanted = Launch("x", [], [])
    painting = Painting("a--b", "a", "b", {}, {}, "1")
    plan = Plan(PlannedJob({}, {}, "", "", []), {"a--b": painting})
    for rehearsal in (False, True):
        manifest = Manifest(wanted, rehearsal=rehearsal)
        manifest.adopt(wanted, plan)
        assert ("price" in " ".join(estimate(manifest, plan))) is not rehearsal


def test_help_says_how_a_setting_is_given(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["launch", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    (words,) = re.findall(r"as in (--settings\.\S+ \S+)\. ", shown)
    assert parse(["--name", "x", *words.split()]).launch.settings == {"data.size": 512}


def say_in_log(name: str, instance: int, *lines: str) -> None:
    """Let a job print lines on one of its instances, as CloudWatch has them."""
    group, stream = "/aws/sagemaker/TrainingJobs", f"{name}/algo-1-{instance}"
    logs = boto3.client("logs")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def test_the_log_of_a_job_is_that_of_all_its_instances_and_goes_on_until_its_end(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, tmp_path: Path, asleep: Any
) -> None:
    assert main(["--config", str(config()), "--no_wait"]) == 0
    (name,) = aws.service.jobs
    words = ["logs", "test", "cat--klimt", "--out", str(tmp_path / "out")]
    capsys.readouterr()
    assert main(words) == 0
    assert capsys.readouterr().err == f"nothing is printed yet: {name} is InProgress, Starting\n"
    say_in_log(name, 1700000000, "first", "second")
    say_in_log(name + "0", 1700000000, "of another job")
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines() == ["first", "second"]

    turns = iter(
        [
            lambda: say_in_log(name, 1700000099, "on another instance"),
            lambda: complete(aws.service, name, result(1)),
            lambda: say_in_log(name, 1700000099, "too late"),
        ]
    )
    asleep("logs", lambda seconds: next(turns)())
    assert main([*words, "--follow"]) == 0
    assert capsys.readouterr().out.splitlines() == ["first", "second", "on another instance"]
    assert main(["logs", "test", "dog--klimt", *words[3:]]) == 2
    assert "there is no picture dog--klimt; there are cat--klimt" in capsys.readouterr().err


@pytest.mark.usefixtures("no_page")
def test_off_a_terminal_there_is_a_line_an_event_and_the_address_of_every_job(
    aws: TroubledAws, config: Callable[..., Path], capsys: Any, asleep: Any
) -> None:
    def turn(seconds: float) -> None:
        (name,) = aws.service.jobs
        step = next(steps)
        if step == "ends":
            complete(aws.service, name, result(1))
        elif step == "paints":
            began = time.time() - 60
            aws.service.move(name, "Training", TrainingStartTime=began)
            values = {"step": 5.0, "steps": 20.0, "picture": 1.0, "loss": 3.5}
            metrics = [{"MetricName": k, "Value": v, "Timestamp": 0} for k, v in values.items()]
            aws.service.note(name, FinalMetricDataList=metrics)

    steps = itertools.chain(["paints"], itertools.repeat("", 4), itertools.repeat("ends"))
    asleep("watching", turn)
    file = config(job__price_per_hour=60.0, limits__poll_seconds=0.001)
    assert main(["--config", str(file)]) == 0
    shown = capsys.readouterr()
    assert not shown.err
    lines = [line for line in shown.out.splitlines() if " cat--klimt: " in line]
    (name,) = aws.service.jobs
    assert len(lines) == 3
    console = "https://us-west-2.console.aws.amazon.com/sagemaker/home?region=us-west-2#/jobs/"
    assert lines[0].endswith(f"cat--klimt: InProgress, Starting, {console}{name}")
    assert "InProgress, Training, step 5/20" in lines[1]
    assert "Completed, picture is here" in lines[2]
    assert re.search(r"3 s billed: about 0\.05 USD, and 0\.05 USD at most", shown.out)


def test_on_a_terminal_it_says_how_far_how_long_and_what_it_costs() -> None:
    from rich.console import Console

    console = Console(width=100, record=True, file=io.StringIO())
    began = time.time() - 100
    metrics = {"step": 25.0, "steps": 100.0, "loss": 12.34567}
    rows = [
        Row("a [b]--c", "InProgress", "Training", "job", metrics, began),
        Row("d--c", "Failed", "out of memory: " + "a long reason " * 9),
        *(Row(f"{n}--c", "Pending") for n in range(3)),
    ]
    console.print(table("title", rows, ("loss",), "us-west-2", None))
    shown = console.export_text()
    assert re.search(
        r"a \[b\]--c +│ InProgress +│ 25/100 +│ 0:01:4\d │ 0:0[45]:\d\d │ 12\.35", shown
    )
    assert re.search(r"d--c +│ Failed +│.*│ out of memory: a long .*…", shown)
    launch = Launch("x", [], [], job=JobConfig(price_per_hour=2.0, currency="EUR"))
    line = summary(launch, rows, 0, (1800.0, 7200.0))
    assert line == (
        "5 pictures: 3 Pending, 1 InProgress, 1 Failed; 0 pictures here; 1800 s billed: about 1.00 "
        "EUR, and 4.00 EUR at most"
    )
