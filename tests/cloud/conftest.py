"""A stand-in for AWS on the loopback, and a launch for it."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.troubled_aws import TroubledAws

from nst_lightning.cloud.rehearsal.loopback import loopback_only
from nst_lightning.cloud.rehearsal.server import BUCKET, ROLE, pointed_at
from nst_lightning.cloud.rehearsal.service import TrainingService


@pytest.fixture
def service() -> TrainingService:
    return TrainingService()


@pytest.fixture
def aws(service: TrainingService) -> Iterator[TroubledAws]:
    """AWS for this process, with a bucket and a role, and nothing beyond the loopback."""
    import boto3

    server = TroubledAws(service)
    server.start()
    with loopback_only(), pointed_at(server):
        boto3.setup_default_session()
        server.prepare()
        yield server
    server.stop()


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a launch's YAML, with changes by dotted name."""

    def write(**changes: Any) -> Path:
        launch: dict[str, Any] = {
            "name": "test",
            "contents": ["sample:cat"],
            "styles": ["sample:klimt"],
            "settings": {"data.size": 48},
            "out": str(tmp_path / "out"),
            "aws": {"region": "us-west-2", "role": ROLE, "bucket": BUCKET},
            "job": {"instance_type": "ml.g5.xlarge"},
            "limits": {"parallel": 8, "calls_per_minute": 6000, "poll_seconds": 0.2},
        }
        for key, value in changes.items():
            section, _, name = key.partition("__")
            if name:
                launch[section] = {**launch[section], name: value}
            else:
                launch[section] = value
        path = tmp_path / "launch.yaml"
        path.write_text(json.dumps(launch), encoding="utf-8")
        return path

    return write


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[float], None]], None]:
    """Return a function that has a module of the launcher, and it alone, call this to sleep."""

    def replace(module: str, sleep: Callable[[float], None]) -> None:
        clock = SimpleNamespace(**{**vars(time), "sleep": sleep})
        monkeypatch.setattr(f"nst_lightning.cloud.{module}.time", clock)

    return replace


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no page, which says what it lacks: pictures of 20 pixels are too small for it."""
    monkeypatch.setattr("nst_lightning.cloud.commands.make_page", lambda fleet: None)
