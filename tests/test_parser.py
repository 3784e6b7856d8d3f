"""Mistakes on the command line and in a config: what jsonargparse really says, in one line."""

from pathlib import Path

import pytest

from nst_lightning.command_options import parse_command
from nst_lightning.errors import InputError
from nst_lightning.parser import OneLineParser, option_names
from nst_lightning.run_cli import RunCLI, RunParser
from nst_lightning.session import open_words
from nst_lightning.short_names import ELSEWHERE


def mistake(*args: str) -> str:
    """Return the line that the real parser answers with."""
    with pytest.raises(InputError) as caught:
        open_words(args)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 300, line
    return line


def in_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mistake.yaml"
    path.write_text(text)
    return mistake("--config", str(path))


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--data.sise=3", "unknown option --data.sise; did you mean --data.size?"),
        ("--dta.size=3", "unknown option --dta.size; did you mean --data.size?"),
        (
            "--images.evry_n_steps=3",
            "unknown option --images.evry_n_steps; did you mean --images.every_n_steps?",
        ),
        (
            "--trainer.max_epoks=3",
            "unknown option --trainer.max_epoks; did you mean --trainer.max_epochs?",
        ),
        ("--xyzzy.plugh=1", "unknown option --xyzzy.plugh"),
        ("--data.steps=5", "unknown option --data.steps; did you mean --steps?"),
        ("--iterations=5", "unknown option --iterations; did you mean --steps?"),
        ("--image-size=5", "unknown option --image-size; did you mean --size?"),
        ("--width=5", "unknown option --width; did you mean --size?"),
        ("--force", "unknown option --force; did you mean --overwrite?"),
        ("--verbose", "unknown option --verbose"),
        (
            "--data.style_weight=1",
            "unknown option --data.style_weight; did you mean --data.style_weights?",
        ),
        ("--sytle=a.jpg", "unknown option --sytle; did you mean --style?"),
        ("--strokes=fine", "unknown option --strokes; did you mean --data.strokes?"),
        ("--max_epochs=3", "unknown option --max_epochs; did you mean --trainer.max_epochs?"),
    ],
)
def test_unknown_options(option: str, line: str) -> None:
    assert mistake(option) == line


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--model.style.wieght=3", ["model.style", "wieght"]),
        ("--model.optimizer=Adamm", ["model.optimizer", "Adamm", "did you mean Adam?"]),
        (
            "--model.optimizer=torch.optim.Adamm",
            ["model.optimizer", "Adamm", "did you mean Adam?"],
        ),
        ("--model.style=GrammLoss", ["model.style", "GrammLoss", "did you mean GramLoss?"]),
        ("--data.size=large", ["data.size", "int", "large"]),
        ("--data.size=1.5", ["data.size", "1.5"]),
        ("--data.size_rule=tall", ["data.size_rule", "expected one of", "'height'", "tall"]),
        ("--model.style.weight=heavy", ["model.style", "weight", "heavy"]),
        ("--model.style.metric=cosin", ["model.style", "metric", "cosin", "'cosine'"]),
        ("--model.clamp=sometimes", ["model.clamp", "sometimes", "'closure'"]),
        ("--images.film=mp4", ["images.film", "mp4"]),
        ("--model.extra=[1]", ["model.extra: expected a dict, got [1]"]),
        ("--data.style_weights=[a]", ["data.style_weights"]),
        ("--explosion.enabled=perhaps", ["explosion.enabled", "perhaps"]),
    ],
)
def test_wrong_values_name_key_and_value(option: str, words: list[str]) -> None:
    line = mistake(option)
    for word in words:
        assert word in line, line
    for jargon in ("Traceback", "class_path", "Subtypes", "<class", "Union", "Namespace"):
        assert jargon not in line, line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data: {sise: 3}", ["unknown key", "sise", "did you mean data.size?"]),
        ("dta: {size: 3}", ["unknown key dta"]),
        ("data: {size: big}", ["data.size", "big"]),
        (
            "model:\n  style:\n    class_path: nst_lightning.losses.GramLoss\n"
            "    init_args: {wieght: 3}",
            ["model.style", "wieght"],
        ),
        (
            "model:\n  style:\n    class_path: nst_lightning.losses.GrammLoss",
            ["model.style", "GrammLoss", "did you mean GramLoss?"],
        ),
        (
            "model:\n  style:\n    class_path: no_such_module.Loss",
            ["model.style", "no_such_module"],
        ),
        ("model: {style: 3}", ["model.style", "LossTerm", "got 3"]),
        ("trainer: {max_epochs: many}", ["trainer.max_epochs", "many"]),
    ],
)
def test_mistakes_in_a_file(tmp_path: Path, text: str, words: list[str]) -> None:
    line = in_file(tmp_path, text + "\n")
    for word in words:
        assert word in line, line
    for jargon in ("Traceback", "Subtypes", "<class", "Union", "Namespace"):
        assert jargon not in line, line


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--model.content.layers=[conv1_l]", ["conv1_l", "did you mean conv1_"]),
        ("--model.style.weight=-1", ["weight", "-1"]),
        ("--model.encoder.weights=/nowhere.pth", ["/nowhere.pth"]),
        ("--data.size=0", ["data.size must be a whole number of at least 1, not 0"]),
        ("--explosion.factor=0.5", ["explosion.factor: 0.5"]),
        ("--images.quality=0", ["quality"]),
        ("--trainer.devices=2", ["trainer.devices"]),
    ],
)
def test_what_a_class_says_is_the_whole_line(option: str, words: list[str]) -> None:
    line = mistake(option)
    for word in words:
        assert word in line, line
    assert "Parser key" not in line
    assert "does not validate" not in line.lower()


def test_an_option_without_its_value() -> None:
    assert "--data.size" in mistake("--data.size")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (['--model.style={"weight":1,"weight":2}'], ["model.style", "weight stands twice"]),
        (["--data=d.yaml"], ["size stands twice (line 2)", "size: 48"]),
        (["--config=nested.yaml"], ["size stands twice (line 2)"]),
        (["--trainer.callbacks=callbacks.yaml"], ["trainer.callbacks", "patience stands twice"]),
        (["--data=laughs.yaml"], ["aliases"]),
        (["--data=utf16.yaml"], ["UTF-8"]),
        (["--model.style=utf16.yaml"], ["model.style", "utf-8"]),
        (["--data=two.yaml"], ["data: two.yaml holds no settings", "another document"]),
        (["--data=nowhere.yaml"], ["data: there is no file nowhere.yaml"]),
        (["--data=http://10.255.255.1/a.yaml"], ["data: there is no file http"]),
        (["--model.style=http://10.255.255.1/a.yaml"], ["there is no class http"]),
        (["--trainer.callbacks=s3://b/a.yaml"], ["there is no class s3"]),
        (["--trainer.logger=nowhere.yaml"], ["there is no module nowhere"]),
        (["--seed_everything=abc"], ["seed_everything: expected a bool or an int, got abc"]),
        (["--seed_everything=null"], ["seed_everything: expected a bool or an int, got None"]),
        (["--trainer.deterministic=maybe"], ["expected a bool or one of 'warn', got maybe"]),
        (["--model.optimizer=torch.nn.Linear"], ["torch.nn.Linear is no Optimizer"]),
        ([""], ["unknown option ''"]),
        (["--trainer.callbacks+=lightning.pytorch.callbacks.Timer"], ["Interval.step"]),
        (["--trainer.callbacks+=lightning.pytorch.callbacks.BackboneFinetuning"], ["one picture"]),
    ],
)
def test_nested_files_words_and_alternatives(
    options: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "d": "size: 48\nsize: 32\n",
        "nested": "data: d.yaml\n",
        "two": "size: 48\n---\nsize: 32\n",
        "callbacks": "- class_path: lightning.pytorch.callbacks.EarlyStopping\n"
        "  init_args: {monitor: loss, patience: 1, patience: 2}\n",
        "laughs": "\n".join(
            ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
            + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
        ),
    }.items():
        Path(f"{name}.yaml").write_text(text)
    Path("utf16.yaml").write_text("size: 48\n", encoding="utf-16")
    line = mistake(*options)
    for word in words:
        assert word in line, line
    assert "Parser key" not in line


# -- commands that make many runs --


def many_runs() -> OneLineParser:
    parser = OneLineParser(prog="many")
    parser.add_argument("--config", action="config")
    parser.add_argument("--size", type=int, default=1)
    parser.add_argument("--settings", type=dict, default={})
    return parser


def test_settings_of_files_and_words_are_laid_over_one_another(tmp_path: Path) -> None:
    below, first, second = (tmp_path / f"{name}.yaml" for name in ("below", "first", "second"))
    below.write_text("settings: {data: {size: 8, init: grey}, model.tv: null}\n")
    first.write_text("size: 5\nsettings: {data.size: 16, model: {style: {weight: 1}}}\n")
    second.write_text("size: 6\nsettings: {model.style.weight: 2}\n")
    words = ["--config", str(first), f"--config={second}", "--settings.model.style.weight", "3"]
    config = parse_command(many_runs(), [*words, "--size=7"], [below])
    assert config.size == 7
    assert config.settings == {
        "data.init": "grey",
        "model.tv": None,
        "data.size": 16,
        "model.style.weight": 3,
    }


def test_mistakes_in_a_command_that_makes_many_runs(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("settings: [1]\n")
    for words, line in (
        (["--sise=3"], "unknown option --sise; did you mean --size?"),
        (["--settings.data.style", "a"], "--settings.data.style: the command sets it; use --styl"),
        (["--settings.data.size"], "--settings.data.size needs a value"),
        (["--config", "nowhere.yaml"], "--config: there is no file nowhere.yaml"),
    ):
        with pytest.raises(InputError) as caught:
            parse_command(many_runs(), words, reserved={"data.style": "--styles"})
        assert str(caught.value).startswith(line)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"wrong\.yaml: settings: is no mapping"):
        parse_command(many_runs(), [], [wrong])


def test_names_of_other_programs_lead_to_options_that_there_are() -> None:
    known = {*option_names(RunCLI([], "fit", parts=frozenset()).parser), *RunParser.short}
    meant = {f"--{name}" for word, name in ELSEWHERE.items()}
    meant -= {"--host", "--configs"}  # the app's, and those of commands that make many runs
    meant -= {"--from", "--to", "--every"}  # a film's
    assert meant <= known
