"""The command: pictures, sheet and table; stopped and gone on with; asked before many runs."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.painting import OBJECTIVE, Killed
from PIL import Image

from nst_lightning.cli import main
from nst_lightning.encoder import VGG19Encoder
from nst_lightning.progress import ProgressBar

SMALL = {**OBJECTIVE, "data.size": 32, "trainer.accelerator": "cpu"}


def write(folder: Path, pictures: tuple[Path, Path], *axes: dict[str, Any], **more: Any) -> str:
    settings = SMALL | {"data.content": str(pictures[0]), "data.style": str(pictures[1]), **more}
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump({"title": "Small", "settings": settings, "axes": list(axes)}))
    return str(path)


WEIGHTS = {"name": "weight", "key": "model.style.weight", "values": [1e4, 1e6]}
EPOCHS = {"name": "epochs", "key": "trainer.max_epochs", "values": [1, 2, 3]}


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "grid.csv").read_text())))


def test_a_grid(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = []
    load = VGG19Encoder._load
    monkeypatch.setattr(
        VGG19Encoder, "_load", lambda self, *a: (built.append(self), load(self, *a))[1]
    )
    config = write(tmp_path, pictures, WEIGHTS, EPOCHS, **{"data.steps_per_epoch": 2})
    out = tmp_path / "out"
    args = ["grid", f"--config={config}", f"--out={out}"]
    assert main(args) == 0
    assert "6 pictures from 2 runs" in capsys.readouterr().out
    # One for the runs and one for the measures.
    assert len(built) == 2
    rows = table(out)
    assert [(row["weight"], row["epochs"], row["step"]) for row in rows] == [
        *((w, e, s) for w in ("10000", "1e+06") for e, s in (("1", "2"), ("2", "4"), ("3", "6"))),
    ]
    for row in rows:
        assert Image.open(out / row["picture"]).size == (32, 24)
        assert 0 < float(row["ssim/content"]) <= 1
        assert float(row["loss"]) > 0
    with Image.open(out / "grid.png") as sheet:
        assert sheet.width > 3 * 200
    # All there: nothing is painted again.
    before = {p: p.stat().st_mtime_ns for p in out.rglob("step-*")}
    assert main(args) == 0
    assert "2 of them made, 0 steps to go" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in out.rglob("step-*")} == before

    # A snapshot is the picture of a run of that length.
    single = [f"--{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in SMALL.items()]
    single += [f"--data.content={pictures[0]}", f"--data.style={pictures[1]}"]
    single += ["--data.steps_per_epoch=4", "--trainer.max_epochs=1", "--model.style.weight=1e6"]
    assert main(["fit", *single, f"--trainer.default_root_dir={tmp_path / 'one'}"]) == 0
    picture = Image.open(tmp_path / "one" / "stylized.png").tobytes()
    assert Image.open(out / rows[4]["picture"]).tobytes() == picture


@pytest.mark.slow
def test_stopped_and_gone_on_with(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    settings = {"data.steps_per_epoch": 2, "checkpoint.every_n_steps": 1}
    config = write(tmp_path, pictures, WEIGHTS, EPOCHS, **settings)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main(["grid", f"--config={config}", f"--out={whole}"]) == 0

    advance, steps = ProgressBar.advance, []

    def kill(self: ProgressBar) -> None:
        steps.append(1)
        if len(steps) == 9:
            raise Killed
        advance(self)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ProgressBar, "advance", kill)
        with pytest.raises(Killed):
            main(["grid", f"--config={config}", f"--out={broken}"])
    assert len(table(broken)) == 3
    assert main(["grid", f"--config={config}", f"--out={broken}"]) == 0

    def without_times(folder: Path) -> list[dict[str, str]]:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in table(folder)]

    assert without_times(broken) == without_times(whole)
    for row in table(whole):
        assert (broken / row["picture"]).read_bytes() == (whole / row["picture"]).read_bytes()


def test_an_explosion_is_marked(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    steps = {"name": "steps", "key": "data.steps_per_epoch", "values": [2, 30]}
    # Without bounds and far too long steps: the loss grows without end.
    wild = {"model.optimizer": "torch.optim.Adam", "model.optimizer.lr": 5.0}
    config = write(tmp_path, pictures, steps, **wild, **{"explosion.enabled": False})
    assert main(["grid", f"--config={config}", f"--out={tmp_path / 'out'}"]) == 0
    early, late = table(tmp_path / "out")
    assert early["exploded"] == "False"
    assert late["exploded"] == "True"
    assert int(late["first_explosion"]) == 21
    red = (192, 32, 32)
    with Image.open(tmp_path / "out" / "grid.png") as sheet:
        assert red in {colour for _, colour in sheet.getcolors(10**6)}


@pytest.mark.slow
def test_contents_by_styles_from_the_command_line(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path, pictures, WEIGHTS, **{"data.steps_per_epoch": 1})
    styles = ["--styles", *map(str, pictures)]
    out = tmp_path / "out"
    options = ["--size=24", "--settings.trainer.max_epochs=1", "--measure=false"]
    assert main(["grid", f"--config={config}", *styles, *options, f"--out={out}"]) == 0
    rows = table(out)
    assert [(row["style"], row["weight"]) for row in rows] == [
        *(("content", "10000"), ("content", "1e+06")),
        *(("style", "10000"), ("style", "1e+06")),
    ]
    assert Image.open(out / rows[0]["picture"]).size == (24, 18)


def test_ten_thousand_runs(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    values = [float(i) for i in range(100)]
    axes = [{"key": f"model.{t}.weight", "values": values} for t in ("style", "content")]
    config = write(tmp_path, pictures, *axes, EPOCHS)
    assert main(["grid", f"--config={config}", f"--out={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "30000 pictures from 10000 runs; add --yes" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"modl.style.weight": 3},
            "key modl.style.weight; did you mean model.style.weight?",
        ),
        ({"data.size": 4}, "size"),
        ({"data.style": "nowhere.png"}, "no such file: nowhere.png"),
    ],
)
def test_a_mistake_in_a_setting(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    more: dict[str, Any],
    words: str,
) -> None:
    config = write(tmp_path, pictures, EPOCHS, **more)
    assert main(["grid", f"--config={config}", f"--out={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_mistake_in_the_last_cell_is_found_before_the_first_is_painted(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for number, (wrong, words) in enumerate(
        {
            "model.style.wieght: 3": "unknown key model.style.wieght",
            "model.style.weight: -3": "-3",
            "data.content: nowhere.png": "no such file: nowhere.png",
            "data.scales: [{size: 24, steps: 50}]": "the run has only 4",
            "trainer.callbacks: [{class_path: nst_lightning.callbacks.EpochWeights, "
            "init_args: {term: style, weights: [1.0e+4, null]}}]": "fill the hole",
        }.items()
    ):
        values = {"fine": {}, "wrong": yaml.safe_load("{" + wrong + "}")}
        config = write(tmp_path, pictures, {"name": "what", "values": values})
        out = tmp_path / f"out{number}"
        lengths = ["--settings.data.steps_per_epoch", "2", "--settings.trainer.max_epochs=2"]
        assert main(["grid", f"--config={config}", f"--out={out}", *lengths]) == 2, wrong
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert words in said
        assert not list(out.rglob("*.png"))


@pytest.mark.slow
def test_a_schedule_sees_the_length_of_its_cell(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    ramp = {"class_path": "nst_lightning.callbacks.LinearWeight"}
    ramp["init_args"] = {"term": "style", "start": 1e3, "end": 1e6}
    steps = {"data.steps_per_epoch": 3, "trainer.callbacks": [ramp]}
    config = write(tmp_path, pictures, EPOCHS, **steps)
    out = tmp_path / "out"
    assert main(["grid", f"--config={config}", f"--out={out}"]) == 0
    assert "3 pictures from 3 runs" in capsys.readouterr().out
    rows = table(out)
    single = [f"--{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in SMALL.items()]
    single += [f"--data.content={pictures[0]}", f"--data.style={pictures[1]}"]
    single += [f"--{k}={json.dumps(v)}" for k, v in steps.items()]
    for epochs in (2, 3):
        alone = tmp_path / f"alone{epochs}"
        more = [f"--trainer.max_epochs={epochs}", f"--trainer.default_root_dir={alone}"]
        assert main(["fit", *single, *more]) == 0
        picture = Image.open(alone / "stylized.png").tobytes()
        assert Image.open(out / rows[epochs - 1]["picture"]).tobytes() == picture


@pytest.mark.slow
@pytest.mark.parametrize("schedule", [False, True])
def test_octaves_come_on_top_as_in_a_run(
    tmp_path: Path, pictures: tuple[Path, Path], schedule: bool
) -> None:
    ramp = {"class_path": "nst_lightning.callbacks.LinearWeight"}
    ramp["init_args"] = {"term": "style", "start": 1e3, "end": 1e6}
    steps = {"data.size": 128, "data.scales": "octaves", "data.octave_steps": 3}
    steps |= {"data.steps_per_epoch": 2, "trainer.callbacks": [ramp] if schedule else []}
    config = write(tmp_path, pictures, EPOCHS | {"values": [1, 2]}, **steps)
    assert main(["grid", f"--config={config}", f"--out={tmp_path / 'out'}"]) == 0
    assert [row["step"] for row in table(tmp_path / "out")] == ["5", "10"]
    assert {row["exploded"] for row in table(tmp_path / "out")} == {"False"}
    with Image.open(tmp_path / "out" / table(tmp_path / "out")[0]["picture"]) as picture:
        assert picture.size == (128, 96)


@pytest.mark.slow
def test_pictures_of_one_name_are_two_rows(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / pictures[1].name).write_bytes(pictures[0].read_bytes())
    config = write(tmp_path, pictures, WEIGHTS, **{"data.steps_per_epoch": 3})
    styles = ["--styles", str(pictures[1]), str(other / pictures[1].name)]
    out, short = tmp_path / "out", ["--settings.trainer.max_epochs=1", "--measure=false"]
    args = ["grid", f"--config={config}", *styles, f"--out={out}", *short]
    assert main(args) == 0
    rows = table(out)
    assert len({row["style"] for row in rows}) == 2
    assert len({(out / row["picture"]).read_bytes() for row in rows}) == 4
    # Another picture under the same name is painted anew.
    before = {row["picture"] for row in rows}
    (other / pictures[1].name).write_bytes(pictures[1].read_bytes())
    assert main(args) == 0
    after = table(out)
    assert {row["picture"] for row in after[:2]} < before
    assert not {row["picture"] for row in after[2:]} & before
    assert [row["loss"] for row in after[2:]] == [row["loss"] for row in after[:2]]


@pytest.mark.slow
def test_one_more_value_before_the_end_of_a_finished_run(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    out, steps = tmp_path / "out", {"data.steps_per_epoch": 1}
    for values in ([1, 4], [1, 2, 4], [1, 2, 4, 5]):
        epochs = EPOCHS | {"values": values}
        config = write(tmp_path, pictures, epochs, **steps)
        assert main(["grid", f"--config={config}", f"--out={out}"]) == 0
        rows = table(out)
        assert [int(row["step"]) for row in rows] == values
        assert len({(out / row["picture"]).read_bytes() for row in rows}) == len(values)


def test_a_run_that_the_guard_ends_shows_its_end(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    steps = {"name": "steps", "key": "data.steps_per_epoch", "values": [2, 60, 90]}
    wild = {"model.optimizer": "torch.optim.Adam", "model.optimizer.lr": 5.0}
    guard = {"explosion.grace": 3, "explosion.max_retries": 1}
    config = write(tmp_path, pictures, steps, **wild, **guard)
    assert main(["grid", f"--config={config}", f"--out={tmp_path / 'out'}"]) == 0
    early, late, last = table(tmp_path / "out")
    assert early["ended"] == ""
    assert int(late["ended"]) < 60
    assert last["ended"] == late["ended"]
    assert late["exploded"] == "False"  # it hands over its best picture
    assert float(late["loss"]) <= float(early["loss"])


def test_colours_moved_to_a_palette_are_no_explosion(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    steps = {"name": "steps", "key": "data.steps_per_epoch", "values": [30]}
    config = write(tmp_path, pictures, steps, **{"data.colour": "palette"})
    assert main(["grid", f"--config={config}", f"--out={tmp_path / 'out'}"]) == 0
    (row,) = table(tmp_path / "out")
    assert float(row["loss"]) > 1.1 * float(row["best_loss"])  # of the picture as shown
    assert row["exploded"] == "False"


def test_an_axis_called_like_a_column(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path, pictures, WEIGHTS | {"name": "seconds"})
    assert main(["grid", f"--config={config}", f"--out={tmp_path / 'out'}"]) == 2
    assert "the axis seconds is called like a column" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        ("--settings.data.style=a.png", "--styles"),
        ("--settings.data.content=a.png", "--contents"),
        ("--settings.trainer.default_root_dir=x", "--out"),
        ("--settings.ckpt_path=last", "an unfinished grid goes on by itself"),
    ],
)
def test_settings_that_the_command_sets_by_itself(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    option: str,
    instead: str,
) -> None:
    config = write(tmp_path, pictures, WEIGHTS)
    assert main(["grid", f"--config={config}", f"--out={tmp_path / 'out'}", option]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {option.split('=')[0]}: ")
    assert said.count("\n") == 1
    assert instead in said
    assert not (tmp_path / "out").exists()


def test_the_command_lines_settings_beat_the_grids(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    config = write(tmp_path, pictures, EPOCHS, **{"data.steps_per_epoch": 3})
    out = tmp_path / "out"
    args = ["grid", f"--config={config}", f"--out={out}", "--measure=false"]
    more = ["--settings.data.steps_per_epoch", "1", "--settings.data.size=24"]
    assert main([*args, *more]) == 0
    assert [row["step"] for row in table(out)] == ["1", "2", "3"]
    assert Image.open(out / table(out)[0]["picture"]).size == (24, 18)


@pytest.mark.slow
def test_a_folder_of_contents_makes_an_axis(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    folder = tmp_path / "contents"
    folder.mkdir()
    for number, picture in enumerate(pictures):
        (folder / f"{number}.png").write_bytes(picture.read_bytes())
    config = write(tmp_path, pictures, EPOCHS | {"values": [1]}, **{"data.steps_per_epoch": 1})
    out = tmp_path / "out"
    args = ["grid", f"--config={config}", "--contents", str(folder), f"--out={out}"]
    assert main([*args, "--measure=false"]) == 0
    assert [row["content"] for row in table(out)] == ["0", "1"]
