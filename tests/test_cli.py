"""The command line: what it assumes, which setting wins, what it prints, how it ends."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.painting import ADAM, arguments, files, fit, logged, paint

from nst_lightning.cli import COMMANDS, main, overview, split_command
from nst_lightning.errors import InputError
from nst_lightning.options import DEFAULTS
from nst_lightning.run_cli import RunCLI
from nst_lightning.session import Session, open_words


def build(*args: str) -> Session:
    """Make model, pictures and trainer without running them."""
    return open_words(args)


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


# -- the command --


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ([], ("fit", [])),
        (["--data.size", "3"], ("fit", ["--data.size", "3"])),
        (["-c", "a.yaml"], ("fit", ["-c", "a.yaml"])),
        *(([name, "--size", "3"], (name, ["--size", "3"])) for name in COMMANDS),
        *(([name], (name, [])) for name in COMMANDS),
    ],
)
def test_fit_is_assumed(given: list[str], taken: tuple[str, list[str]]) -> None:
    before = list(given)
    assert split_command(given) == taken
    assert given == before


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("fitt", "; did you mean fit?"),
        ("tset", "; did you mean"),
        ("comapre", "; did you mean compare?"),
        ("xyz", ""),
    ],
)
def test_unknown_command(word: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        split_command([word])
    assert str(caught.value).startswith(f"unknown command '{word}'{hint}")
    assert str(caught.value).endswith(f"({', '.join(COMMANDS)})")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_gets_the_words_that_follow_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, given = COMMANDS[name], []

    def stand_in(words: list[str]) -> int:
        given.append(words)
        return 7

    monkeypatch.setattr(f"{command.module}.{command.function}", stand_in)
    assert main([name, "--size", "3"]) == 7
    assert given == [["--size", "3"]]


# -- which setting wins --


def test_defaults() -> None:
    session, written = build(), yaml.safe_load(DEFAULTS.read_text())
    for name, term in session.model.objective.terms.items():
        arguments = written["model"][name]["init_args"]
        assert {key: getattr(term, key) for key in arguments} == arguments
    assert session.pair.content_source == written["data"]["content"]
    assert session.trainer.max_epochs == written["trainer"]["max_epochs"]


def test_a_term_by_its_name_on_the_command_line() -> None:
    session = build("--model.style.weight", "1e7", "--model.content.layers", "[conv1_1]")
    assert session.model.objective.terms["style"].weight == 1e7
    assert (
        session.model.objective.terms["style"].layers
        == build().model.objective.terms["style"].layers
    )
    assert session.model.objective.terms["content"].layers == ["conv1_1"]


def test_a_term_is_dropped_with_null() -> None:
    assert list(build("--model.tv", "null").model.objective.terms) == ["content", "style"]


def test_overlays(tmp_path: Path) -> None:
    first = write(
        tmp_path / "first.yaml",
        "data: {size: 64, style: [a.png, b.png, c.png]}\n"
        "model:\n  style:\n    class_path: nst_lightning.losses.GramLoss\n"
        "    init_args: {weight: 5.0, layers: [conv1_1, conv2_1, conv3_1], layer_weights: null}\n",
    )
    second = write(
        tmp_path / "second.yaml",
        "data: {style: [d.png]}\nmodel:\n  style:\n    init_args: {layers: [relu1_1]}\n",
    )
    session = build("--config", first, "--config", second)
    style = session.model.objective.terms["style"]
    # Lists are replaced, everything else is merged.
    assert style.layers == ["relu1_1"]
    assert style.weight == 5.0
    assert session.pair.style_sources == ["d.png"]
    assert session.pair.size == 64
    assert build("--config", second, "--config", first).model.objective.terms["style"].layers == [
        "conv1_1",
        "conv2_1",
        "conv3_1",
    ]


def test_options_beat_files_wherever_they_stand(tmp_path: Path) -> None:
    config = write(tmp_path / "a.yaml", "data: {size: 64, init: grey}\n")
    session = build("--config", config, "--data.size", "96")
    assert (session.pair.size, session.pair.init) == (96, "grey")


def test_another_class_for_a_term(tmp_path: Path) -> None:
    config = write(
        tmp_path / "a.yaml",
        "model:\n  style:\n    class_path: nst_lightning.losses.WassersteinLoss\n"
        "    init_args: {weight: 2.0, eps: 1.0e-3, layer_weights: null}\n",
    )
    style = build("--config", config).model.objective.terms["style"]
    assert (type(style).__name__, style.weight, style.eps) == ("WassersteinLoss", 2.0, 1e-3)


@pytest.mark.parametrize("name", ["klimt.yaml", "klimt", "configs/klimt.yaml"])
def test_a_config_is_found_in_configs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    session = build("--config", name)
    assert session.pair.style_sources == ["sample:klimt"]
    assert session.trainer.default_root_dir.endswith("outputs/klimt")
    assert session.folder == Path(session.trainer.default_root_dir)


# -- checkpoints --


@pytest.mark.slow
def test_defaults_below_checkpoint_below_files_below_options(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    first = ("--model.style.weight=111", "--model.content.weight=11", "--model.tv.weight=0.25")
    paint(folder, pictures, *first, "--seed_everything=5", steps=2)
    config = write(
        tmp_path / "a.yaml",
        "model:\n  style:\n    init_args: {weight: 222.0}\n"
        "  content:\n    init_args: {weight: 22.0}\ndata: {steps_per_epoch: 3}\n",
    )
    capsys.readouterr()
    session = fit(
        [
            "--config",
            config,
            "--model.style.weight=333",
            "--ckpt_path=last",
            f"--trainer.default_root_dir={folder}",
            "--trainer.max_epochs=2",
            "--trainer.accelerator=cpu",
        ]
    )
    weights = {name: term.weight for name, term in session.model.objective.terms.items()}
    assert weights == {"style": 333.0, "content": 22.0, "tv": 0.25}
    assert session.pair.size == 32  # of the checkpoint; the default is 512
    assert session.model.settings["seed_everything"] == 5
    assert session.trainer.global_step == 5
    notes = sorted(capsys.readouterr().err.splitlines())
    assert notes == [
        "note: data.steps_per_epoch is 3 (the checkpoint was made with 2)",
        "note: model.content.weight is 22.0 (the checkpoint was made with 11.0)",
        "note: model.style.weight is 333.0 (the checkpoint was made with 111.0)",
    ]


@pytest.mark.slow
def test_a_checkpoint_by_its_path(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    paint(tmp_path / "first", pictures, steps=2)
    given = str(tmp_path / "first" / "checkpoints" / "last.ckpt")
    more = "--trainer.max_epochs=2"
    session = paint(tmp_path / "second", pictures, f"--ckpt_path={given}", more, steps=2)
    assert session.trainer.global_step == 4
    assert (tmp_path / "second" / "stylized.png").is_file()
    assert [int(row["step"]) for row in logged(tmp_path / "second")] == [2, 3]


def test_no_checkpoint_yet(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    session = paint(tmp_path, pictures, "--ckpt_path=last", steps=1)
    assert session.trainer.global_step == 1
    assert "note: no checkpoint yet at" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "path", "words"),
    [
        ("fit", "nowhere.ckpt", "--ckpt_path: there is no file nowhere.ckpt"),
        ("test", "last", "run fit first"),
        ("test", None, "test needs --ckpt_path"),
    ],
)
def test_a_missing_checkpoint(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    command: str,
    path: str | None,
    words: str,
) -> None:
    args = arguments(tmp_path, pictures)[1:]
    assert main([command, *args, *([f"--ckpt_path={path}"] if path else [])]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert words in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_checkpoint(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    args = arguments(tmp_path / "run", pictures, f"--ckpt_path={tmp_path / 'other.ckpt'}")
    assert main(args) == 2
    assert "other.ckpt is not a whole checkpoint of nst_lightning" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


# -- how it ends --


def test_a_run(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path, pictures, steps=2)) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert f"picture  {tmp_path / 'stylized.png'}" in said.out
    assert files(tmp_path) == [
        "checkpoints/last.ckpt",
        "config-full.yaml",
        "config.yaml",
        "images/best.png",
        "made_of.json",
        "metrics.csv",
        "stylized.png",
    ]


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--data.sise=3"], "error: unknown option --data.sise; did you mean --data.size?\n"),
        (["qqq"], f"error: unknown command 'qqq' ({', '.join(COMMANDS)})\n"),
        (["--config", "kllimt"], "error: --config: there is no file kllimt; did you mean klimt?"),
        (["--data.content=nowhere.png"], "error: content picture: no such file: nowhere.png"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    args: list[str],
    line: str,
) -> None:
    command = [*arguments(tmp_path, pictures), *args] if args[0].startswith("-") else args
    assert main(command) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(line)
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_of_ours_is_not_hidden(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(self: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Session, "run", broken)
    assert main(arguments(tmp_path, pictures)) == 1
    said = capsys.readouterr().err
    assert "please report it" in said.splitlines()[0]
    assert "Traceback" in said
    assert "RuntimeError: a defect" in said


def test_ctrl_c_while_building(
    tmp_path: Path, pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RunCLI, "instantiate_classes", interrupted)
    assert main(arguments(tmp_path, pictures)) == 130


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_has_a_line_for_every_command(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert main([option]) == 0
    said = capsys.readouterr()
    assert said.out == overview() + "\n"
    assert said.err == ""
    for name, command in COMMANDS.items():
        (line,) = (line for line in said.out.splitlines() if line.split()[:1] == [name])
        assert line.split(maxsplit=1)[1] == command.help


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from nst_lightning import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("fit", "test")])
def test_help_of_a_command(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code in (0, None)
    said = capsys.readouterr()
    assert said.err == ""
    assert f" {name} " in f"{said.out.splitlines()[0]} "
    options = {"version": [], "sagemaker": ["launch", "watch", "logs", "tune"]}
    for option in options.get(name, ["--out"]):
        assert option in said.out


# -- config.yaml --


@pytest.mark.slow
def test_the_configuration_written_repeats_the_run(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    options = (*ADAM, "--data.init=noise", "--model.clamp=step", "--model.tv=null")
    paint(first, pictures, *options, "--seed_everything=11", "--images.bits=16", steps=3)
    written = yaml.safe_load((first / "config.yaml").read_text())
    assert "ckpt_path" not in written
    assert "config" not in written
    assert written["seed_everything"] == 11
    args = ["--config", str(first / "config.yaml"), f"--trainer.default_root_dir={again}"]
    assert main(args) == 0
    assert (again / "stylized.png").read_bytes() == (first / "stylized.png").read_bytes()
    assert logged(again) == logged(first)
    # Another seed gives another picture, so the comparison says something.
    assert main([*args, "--seed_everything=12"]) == 0
    assert (again / "stylized.png").read_bytes() != (first / "stylized.png").read_bytes()


@pytest.mark.slow
def test_the_logger_may_be_switched_off(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    paint(tmp_path, pictures, "--trainer.logger=false", steps=1)
    assert not (tmp_path / "metrics.csv").exists()
    assert (tmp_path / "stylized.png").is_file()


@pytest.mark.slow
def test_measures_are_printed(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path, pictures, steps=2)) == 0
    before = files(tmp_path)
    capsys.readouterr()
    args = ["test", *arguments(tmp_path, pictures)[1:], "--ckpt_path=last"]
    assert main(args) == 0
    said = capsys.readouterr().out
    for word in ("MSE to the content", "PSNR", "SSIM to the style", "style distance"):
        assert word in said
    assert "untouched content" in said
    assert files(tmp_path) == before
