"""The command's own words, and a program that has nothing but the loopback."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import namespace

from nst_lightning.app import server
from nst_lightning.cli import main

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--share", "true"], "unknown option --share"),
        (["--port", "0"], "--port: 0 is not a port"),
        (["--port", "many"], "port"),
        (["--host", "192.0.2.7"], "--host 192.0.2.7: cannot listen there"),
        (["--out", "https://example.org/a"], "is an address"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["app", *words]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_without_gradio_the_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nst_lightning.app.command.find_spec", lambda name: None)
    assert main(["app"]) == 2
    assert "uv run --extra app nst app" in capsys.readouterr().err


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["app", "--port", str(port)]) == 2
        assert f"--port {port}: cannot listen there" in capsys.readouterr().err
        assert server._free("127.0.0.1", None) != port


def test_the_help_offers_no_sharing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["app", "--help"])
    said = capsys.readouterr().out
    assert {"--out", "--host", "--port", "--browser"} <= set(re.findall(r"--\w+", said))
    assert "share" not in said


@pytest.mark.slow
def test_it_serves_and_paints_where_there_is_nothing_but_the_loopback(tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the extra app is not installed")
    if not namespace.is_allowed():
        pytest.skip("this machine allows no network namespace")
    done = subprocess.run(
        [*namespace.ALONE, sys.executable, str(HERE / "serve_in_namespace.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    counts = json.loads(done.stdout.strip().splitlines()[-1])
    assert counts["devices"] == ["lo"]
    assert counts["status"] == 200
    assert counts["phase"] == "finished"
    assert counts["tried"] == 0  # no packet was meant for anywhere else
    assert counts["control"] > 0  # one that is meant for elsewhere is counted
