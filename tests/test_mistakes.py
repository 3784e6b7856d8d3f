"""Whoever raises it: what the user can mend is one line; the rest asks for a report."""

import codecs
import errno
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from helpers.painting import ADAM, OBJECTIVE, arguments, files
from lightning.pytorch import Callback, Trainer

from nst_lightning import InputError, cli, run_command, stylize
from nst_lightning.cli import main
from nst_lightning.mistakes import as_mistake
from nst_lightning.options import read_yaml

CALLBACKS = "lightning.pytorch.callbacks"
# Of Lightning, torch, NumPy, jsonargparse and ours: an option -> what its line says.
OPTIONS: dict[str, tuple[str, ...]] = {
    "--trainer.precision=16-true": ("trainer.precision", "32-true"),
    "--trainer.precision=64-true": ("trainer.precision", "32-true"),
    "--trainer.accelerator=tpu": ("trainer.accelerator: ", "xla"),
    "--trainer.accelerator=gpu": ("gpu",) if not torch.cuda.is_available() else (),
    "--trainer.strategy=nonsense": ("nonsense",),
    "--model.optimizer=torch.optim.Muon": ("model.optimizer: ", "2D"),
    "--model.optimizer=torch.optim.SparseAdam": ("model.optimizer: ", "dense"),
    "--seed_everything=-1": ("seed_everything: -1",),
    "--seed_everything=99999999999": ("99999999999",),
    "--ckpt_path=": ("--ckpt_path",),
    "--trainer.limit_train_batches=0": ("no step",),
    "--trainer.max_epochs=0": ("no step",),
    "--trainer.max_steps=0": ("no step",),
    "--trainer.overfit_batches=0.01": ("no step",),
    "--trainer.max_time=00:00:00:00": ("trainer.max_time",),
    "--trainer.max_time='{seconds: -5}'": ("trainer.max_time",),
    "--trainer.min_epochs=3": ("trainer.min_epochs",),
    "--trainer.min_steps=50": ("trainer.min_steps",),
    "--model.style.weight=1e30": ("most of it the term style",),
    "--model.style.weight=1e-30 --model.content.weight=0": ("most of it the term style",),
    "--trainer.callbacks+=test_mistakes.Gathers": ("accumulate_grad_batches",),
    "--trainer.callbacks+=test_mistakes.Stops": ("before its first step",),
    "--trainer.callbacks+=test_mistakes.Replaces": ("in the place of the picture",),
    f"--trainer.callbacks+={CALLBACKS}.EMAWeightAveraging": ("model.average",),
    f"--trainer.callbacks+={CALLBACKS}.OnExceptionCheckpoint --trainer.callbacks.dirpath=.": (
        "--ckpt_path last",
    ),
    "--trainer.accumulate_grad_batches=3": ("accumulate_grad_batches",),
    f"--trainer.callbacks+={CALLBACKS}.GradientAccumulationScheduler "
    "--trainer.callbacks.scheduling='{1: 2}'": ("accumulate_grad_batches",),
    f"--trainer.callbacks+={CALLBACKS}.LearningRateMonitor": ("no learning rate",),
    "--model.style=none": ("use null",),
    "--trainer.logger=WandbLogger": ("wandb",),
    "--trainer.default_root_dir=s3://b/r": ("is an address",),
}


class Gathers(Callback):
    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        trainer.accumulate_grad_batches = 3


class Stops(Callback):
    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        trainer.should_stop = True


class Replaces(Callback):
    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        pl_module.image = torch.nn.Parameter(pl_module.image.detach().clone())


@pytest.mark.slow
@pytest.mark.parametrize("option", [o for o, words in OPTIONS.items() if words])
def test_an_option_that_cannot_be(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    option: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(arguments(tmp_path / "run", pictures, *shlex.split(option), steps=2)) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert all(word in lines[0] for word in OPTIONS[option])
    if not any(late in option for late in ("SparseAdam",)):  # in the first step
        assert files(tmp_path) == []


@pytest.mark.slow
def test_fewer_epochs_than_are_done(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = arguments(tmp_path, pictures, steps=2)
    assert main([*words, "--trainer.max_epochs=2"]) == 0
    capsys.readouterr()
    assert main([*words, "--ckpt_path=last"]) == 2
    assert "max_epochs" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "note"),
    [
        (("--model.style.weight=1e17",), "content counted for nothing"),
        (("--model.content.weight=1e17",), "nothing was painted"),
        (("--model.tv.weight=1e12",), "style counted for nothing"),
        (
            (
                "--data.style=sample:klimt",
                "--data.content=sample:cat",
                "--data.size=64",
                "--model.tv.weight=1e4",
                "--data.steps_per_epoch=16",
            ),
            "blurred all over",
        ),
        ((*ADAM[:1], "--model.optimizer.lr=1e-30"), "nothing was painted"),
        ((*ADAM[:1], "--model.optimizer.lr=1e6"), "nothing was painted"),
        (("--trainer.max_time=00:00:00:01", "--trainer.max_epochs=9999"), "ended after"),
        (("--model.style=null", "--model.tv=null"), ""),
        # Without detail yet, which is not tv's doing.
        (
            (
                *(*ADAM[:1], "--model.optimizer.lr=3e-3", "--data.init=grey", "--data.size=64"),
                *("--data.content=sample:cat", "--data.style=sample:klimt"),
            ),
            "",
        ),
        ((), ""),
    ],
)
def test_a_useless_or_unfinished_picture_is_said(
    options: tuple[str, ...],
    note: str,
    tmp_path: Path,
    pictures: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = arguments(tmp_path, pictures, *options, "--images.every_n_steps=9999", steps=3)
    assert main(words) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert any(note in line for line in notes) if note else not notes


@pytest.mark.slow
def test_a_finished_run_that_is_asked_for_more(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path, pictures, steps=2)) == 0
    before = (tmp_path / "stylized.png").read_bytes()
    capsys.readouterr()
    assert main(arguments(tmp_path, pictures, "--ckpt_path=last", steps=4)) == 0
    out = capsys.readouterr().out
    assert "painting" not in out
    assert "at step 2, for its epochs are done; to go on, raise --trainer.max_epochs" in out
    assert "ended after" not in out
    assert (tmp_path / "stylized.png").read_bytes() == before


def raised(function: Any) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


THEIRS = {
    "torch's memory": lambda: torch.empty(2**48),
    "NumPy's memory": lambda: np.empty(2**48),
    "NumPy's argument": lambda: np.random.default_rng(-1),
    "torch's optimiser": lambda: torch.optim.Adam([torch.zeros(1)], lr=-1),
    "a full disk": lambda: os_error(errno.ENOSPC),
    "a quota": lambda: os_error(errno.EDQUOT),
    "no permission": lambda: os_error(errno.EACCES),
}
OURS = {
    "a shape": lambda: torch.zeros(2) + torch.zeros(3),
    "a key": lambda: {}["x"],
    "an attribute": lambda: None.x,  # type: ignore[attr-defined]
    "a claim": lambda: (_ for _ in ()).throw(AssertionError("x")),
}


def os_error(code: int) -> None:
    raise OSError(code, os.strerror(code), "/a/file")


@pytest.mark.parametrize("name", THEIRS)
def test_theirs_is_one_line(name: str) -> None:
    line = as_mistake(raised(THEIRS[name]))
    assert isinstance(line, InputError)
    assert "\n" not in str(line)
    assert "memory" not in name or "smaller data.size" in str(line)


@pytest.mark.parametrize("name", OURS)
def test_ours_keeps_its_traceback(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert as_mistake(raised(OURS[name])) is None
    monkeypatch.setattr(run_command, "fit", lambda words: OURS[name]())
    assert main(["fit"]) == 1
    first, *rest = capsys.readouterr().err.splitlines()
    assert "please report it" in first
    assert "torch " in first
    assert "Traceback" in rest[0]


@pytest.mark.slow
def test_stylize_says_the_same(
    pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr("nst_lightning.session.RunCLI", full)
    with pytest.raises(InputError, match="the disk is full") as caught:
        stylize(*pictures, size=32, steps=1)
    assert isinstance(caught.value.__cause__, OSError)


class OwnFault(Callback):
    """A user's own, that fails while a step ends."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def on_train_batch_end(self, *args: Any) -> None:
        FAULTS[self.kind][1]()


# Of code of the user's own: what is raised, by what.
FAULTS: dict[str, tuple[type[Exception], Any]] = {
    "a file": (FileNotFoundError, lambda: Path("/no/such/file").read_text()),
    "an array": (FileNotFoundError, lambda: np.load("/no/such/array")),
    "no permission": (PermissionError, lambda: os_error(errno.EACCES)),
    "shapes": (RuntimeError, lambda: torch.zeros(2) + torch.zeros(3)),
    "text": (ValueError, lambda: json.loads("{")),
    "a key": (KeyError, lambda: {}["x"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_of_the_users_own_code_is_theirs(
    tmp_path: Path, pictures: tuple[Path, Path], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It reaches the caller; on the command line the line says where, and whose it is."""
    error = FAULTS[kind][0]
    with pytest.raises(error):
        stylize(*pictures, steps=1, settings=OBJECTIVE, size=32, callbacks=[OwnFault(kind)])
    words = arguments(tmp_path, pictures, steps=1)
    given = "[{class_path: test_mistakes.OwnFault, init_args: {kind: %s}}]" % kind  # noqa: UP031
    capsys.readouterr()
    assert main([*words, f"--trainer.callbacks={given}"]) == 1
    said = capsys.readouterr().err.splitlines()
    line = next(line for line in said if line.startswith("error: "))
    assert "raised by your own code, at " in line
    assert f"{Path(__file__).name}, line " in line
    assert said[said.index(line) + 1].startswith("Traceback")


def test_versions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    said = capsys.readouterr().out
    assert "nst_lightning" in said
    assert f"torch {torch.__version__.split('+')[0]}" in said
    assert main(["version", "x"]) == 2


@pytest.mark.parametrize("module", ["nst_lightning", "nst_lightning.cli"])
def test_python_m(module: str) -> None:
    command = [sys.executable, "-m", module, "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_pipe_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Broken())
    assert cli.main(["--help"]) == 0


def test_a_name_that_the_output_cannot_hold() -> None:
    code = "import sys; from nst_lightning.cli import main; sys.exit(main(['画']))"
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert done.returncode == 2
    assert rb"\u753b" in done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            b"data: {size: 1}\nmodel: {}\ndata: {}\n",
            r"the key data stands twice \(line 3\)",
        ),
        (b"data:\n  size: 1\n  init: grey\n  size: 2\n", r"the key size stands twice \(line 4\)"),
        (b"a: [{b: 1, b: 2}]\n", "the key b stands twice"),
        (codecs.BOM_UTF16_LE + "data: {}".encode("utf-16-le"), "UTF-16; save it as UTF-8"),
        (codecs.BOM_UTF16_BE + "data: {}".encode("utf-16-be"), "UTF-16; save it as UTF-8"),
        (b"\xff\xfe\x00", "UTF-16"),
        (b"a: \x00\n", "is not YAML"),
    ],
)
def test_yaml_files_that_say_another_thing_than_they_seem(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_yaml(path)
    path.write_bytes(codecs.BOM_UTF8 + b"data: {size: 1}\nmodel: &x {a: 1}\nmore: {<<: *x, b: 2}\n")
    assert read_yaml(path)["more"] == {"a": 1, "b": 2}
