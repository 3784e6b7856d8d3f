"""The help of a run: what matters first, all of it on two screens, and what is in effect."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nst_lightning.cli import main
from nst_lightning.options import DEFAULTS
from nst_lightning.run_help import asked
from nst_lightning.short_names import SHORT_NAMES

SCREEN = 24  # lines of the smallest terminal


def shown(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*words]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", ["nst"])


@pytest.mark.parametrize("command", ["fit", "test"])
def test_two_screens(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(command, "--help", capsys=capsys)
    lines = text.splitlines()
    assert len(lines) <= 2 * SCREEN
    assert max(map(len, lines)) <= 80
    assert lines[0] == f"usage: nst {command} PHOTO PAINTING [-o PICTURE] [options]"
    order = ["--content", "--style ", "--strength", "--look", "--steps", "--size", "--out"]
    order += ["--data.KEY", "--model.KEY", "--images.KEY", "Lightning's trainer", "--trainer.KEY"]
    places = [text.index(word) for word in order]
    assert places == sorted(places)
    for name in SHORT_NAMES:
        assert f"--{name}" in text
    # Every setting is named: of the trainer's, under one heading at the end.
    for name in ("steps_per_epoch", "octave_steps", "every_n_steps", "max_retries", "optimizer"):
        assert name in text
    for name in ("max_epochs", "accelerator", "deterministic"):
        assert name in text[text.index("Lightning's trainer") :]


def test_the_whole_has_the_trainer_last(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown("fit", "--help=all", capsys=capsys)
    assert text.index("--trainer.max_epochs") > text.index("--checkpoint.every_n_steps")
    assert "Size of the result in pixels" in text
    assert str(DEFAULTS) not in text


def test_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown("--images.help", capsys=capsys)
    assert "--images.side" in text
    assert "--data.size" not in text


@pytest.mark.parametrize(
    ("words", "there"),
    [
        (
            "--model.style.help",
            ["NearestNeighbourLoss", "metric", "now: cosine)", "[0.25, 0.5, 1.0, 2.0, 4.0])"],
        ),
        ("--model.style.help --style_weight 77", ["now: 77.0)"]),
        (
            "--config recipes/gatys.yaml --model.style.help",
            ["losses.GramLoss;", "--model.style.divisor"],
        ),
        ("--model.optimizer.help", ["BoundedLBFGS;", "--model.optimizer.history"]),
        ("--model.encoder.help", ["VGG19Encoder;", "now: replicate)", "now: auto)"]),
        ("--model.tv null --model.tv.help", ["model.tv is null: left out", "GramLoss"]),
    ],
)
def test_a_class_as_it_is_in_effect(
    words: str, there: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = " ".join(shown(*words.split(), capsys=capsys).split())
    for word in there:
        assert word in text
    assert "taps" not in text
    assert "params" not in text


def test_another_class_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--size=64", "--model.style.help", "GramLoss"])
    assert caught.value.code == 0
    assert "--model.style.divisor" in capsys.readouterr().out


def test_a_mistake_beside_it_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data.sise=3", "--model.style.help"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown option --data.sise")


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["--model.style.help", "GramLoss"], ""),
        (["--model.style.help=GramLoss"], ""),
        (["--model.style.help", "--size=3"], "--model.style.help"),
        (["a.jpg", "-h"], "-h"),
        (["--trainer.help"], "--trainer.help"),
        (["--trainer.logger.help"], ""),
        (["--size", "3"], ""),
    ],
)
def test_what_asks_for_help(words: list[str], word: str) -> None:
    assert asked(words) == word


# -- before torch is there --


def started(folder: Path, *words: str, terminal: bool = True) -> tuple[str, str]:
    """Start the program where torch says that it is imported, and ends it; return both streams."""
    (folder / "torch").mkdir()
    (folder / "torch/__init__.py").write_text(
        "import os\nos.write(2, b'torch is imported\\n')\nos._exit(7)\n"
    )
    reader, writer = os.openpty() if terminal else os.pipe()
    code = "import sys; from nst_lightning.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.PIPE,
        stderr=writer,
        env=os.environ | {"PYTHONPATH": str(folder)},
        cwd=folder,
        check=False,
        timeout=120,
    )
    assert done.returncode in (2, 7)
    os.close(writer)
    said = b""
    try:
        while part := os.read(reader, 4096):
            said += part
    except OSError:  # a terminal's other end is closed
        pass
    os.close(reader)
    return done.stdout.decode(), said.decode().replace("\r\n", "\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [["fit"], ["test"], ["sample:cat", "sample:waves"], ["compare"], ["grid", "-c", "strength"]],
)
def test_a_terminal_says_something_before_torch_is_imported(
    command: list[str], tmp_path: Path
) -> None:
    _, said = started(tmp_path, *command)
    assert said == "loading torch and Lightning ...\ntorch is imported\n"


@pytest.mark.slow
def test_a_picture_that_is_not_there_is_refused_before_that(tmp_path: Path) -> None:
    _, said = started(tmp_path, "sample:cat", "nowhere.jpg")
    assert said == "error: style picture: no such file: nowhere.jpg\n"


@pytest.mark.slow
def test_no_terminal_is_told_nothing(tmp_path: Path) -> None:
    _, said = started(tmp_path, "fit", terminal=False)
    assert said == "torch is imported\n"


@pytest.mark.slow
def test_help_begins_before_torch_is_imported(tmp_path: Path) -> None:
    out, _ = started(tmp_path, "fit", "--help")
    assert "--strength" in out
    assert "--trainer.KEY" not in out
