"""The examples of docs/extending.md, run as they stand."""

import re
import runpy
import sys
from pathlib import Path

import pytest
from helpers.painting import fit

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
BLOCK = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SMALL = ["--data.size=48", "--data.content=sample:cat", "--data.style=sample:coffee"]
SMALL += ["--data.steps_per_epoch=3", "--trainer.max_epochs=2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]


def header(folder, name="out"):
    return (folder / name / "metrics.csv").read_text().splitlines()[0].split(",")


def test_a_term_of_ones_own_beside_the_others(folder):
    fit(["--config=my_term.yaml", *SMALL, "--trainer.default_root_dir=out"])
    assert "means_loss" in header(folder)
    assert (folder / "out" / "stylized.png").is_file()


def test_a_term_of_ones_own_in_place_of_the_style(folder):
    style = ["--model.style=my_terms.ChannelMeanLoss", "--model.style.weight=100"]
    session = fit([*style, *SMALL, "--trainer.default_root_dir=out"])
    assert type(session.model.objective.terms["style"]).__name__ == "ChannelMeanLoss"
    assert session.model.objective.terms["style"].weight == 100


def test_the_check_of_a_term(folder):
    runpy.run_path("my_test.py")["test_channel_means"]()


def test_callbacks_of_ones_own(folder):
    session = fit(["--config=my_callbacks.yaml", *SMALL, "--trainer.default_root_dir=out"])
    assert "brightness" in header(folder)
    assert session.model.objective.terms["style"].weight == 5000


def test_a_schedule_of_ones_own(folder):
    fit(["--config=my_schedule.yaml", *SMALL, "--trainer.default_root_dir=out"])
    assert "style_weight" in header(folder)


def test_an_optimiser_of_ones_own(folder):
    session = fit(["--config=my_optimiser.yaml", *SMALL, "--trainer.default_root_dir=out"])
    (optimizer,) = session.trainer.optimizers
    assert type(optimizer).__name__ == "SignDescent"
    assert optimizer.param_groups[0]["step"] == 0.005


def test_the_script(folder, capsys):
    runpy.run_path("my_script.py", run_name="__main__")
    assert "torch.Size([1, 3, 43, 64])" in capsys.readouterr().out
    assert (folder / "outputs" / "script" / "stylized.png").is_file()
