"""A launcher command that opens no run imports nothing heavy; sys.modules shows it."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nst_lightning.cloud import settings_check

PROGRAM = """
import sys
from nst_lightning.cloud.commands import main
try:
    main(sys.argv[1:])
finally:
    heavy = {"torch", "lightning", "sagemaker", "boto3", "moto", "optuna", "PIL", "numpy"}
    print("heavy:", sorted(heavy & set(sys.modules)))
"""


def launcher(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the launcher's command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )


@pytest.mark.parametrize("words", [["--help"], ["launch", "--help"], ["stop", "nobody"]])
def test_nothing_heavy_is_imported(words: list[str], tmp_path: Path) -> None:
    done = launcher(*words, cwd=tmp_path)
    assert done.stdout.strip().splitlines()[-1] == "heavy: []", done.stderr
    assert not done.stderr or done.stderr.startswith("error: there is no launch nobody")


@pytest.mark.slow
def test_a_launch_leaves_torch_to_another_process(
    config: Callable[..., Path], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = str(config())
    first, done = (launcher("--config", file, "--dry_run") for _ in range(2))
    # The second asked no other process, and says the same.
    assert len(list((tmp_path / "cache").rglob("settings/*.json"))) == 1
    assert first.stdout == done.stdout
    heavy = done.stdout.strip().splitlines()[-1]
    assert '"TrainingJobName"' in done.stdout, done.stderr
    for name in ("torch", "lightning", "sagemaker", "moto", "optuna"):
        assert f"'{name}'" not in heavy


@pytest.mark.slow
def test_what_a_run_refuses_comes_back_from_that_process_in_one_line(
    config: Callable[..., Path], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = config(settings={"data.size": 48, "model.style.weihgt": 3})
    done = launcher("--config", str(file), "--dry_run")
    (line,) = done.stderr.strip().splitlines()
    assert re.match("error: unknown (key|option) .*weihgt; did you mean .*weight", line)
    assert done.stdout.startswith("heavy:")
    assert not list((tmp_path / "cache").rglob("settings/*.json"))  # a mistake is looked at again


def test_an_answer_is_kept_for_the_same_question_alone(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config = tmp_path / "a.yaml"
    config.write_text("data: {size: 48}")
    question: dict[str, Any] = {"settings": {"a": 1}, "configs": [str(config)]}
    place = settings_check._place(b"code", question)
    assert settings_check._place(b"code", {**question, "contents": ["other.png"]}) == place
    assert settings_check._place(b"edoc", question) != place
    assert settings_check._place(b"code", {**question, "settings": {"a": 2}}) != place
    config.write_text("data: {size: 64}")
    assert settings_check._place(b"code", question) != place


@pytest.mark.slow
def test_code_that_breaks_the_check_is_one_line_below_its_traceback(
    config: Callable[..., Path], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "mine.py").write_text("import os\nos._exit(7)\n")
    settings = {"data.size": 48, "model.style": {"class_path": "mine.Loss"}}
    file = config(settings=settings, job__code=[str(tmp_path / "mine.py")])
    done = launcher("--config", str(file), "--dry_run")
    last = done.stderr.strip().splitlines()[-1]
    assert last == "error: settings: their check ended with exit code 7; see above"
