"""config.yaml: what was chosen, from which the run is repeated to the byte."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.painting import ADAM, arguments, paint

from nst_lightning.cli import main
from nst_lightning.options import CONFIG_FOLDERS, DEFAULTS, flatten, write_yaml
from nst_lightning.run_config import chosen, with_pictures
from nst_lightning.session import Session, open_words

CONFIGS = sorted(
    path
    for kind in ("", "recipes", "looks", "controls", "overlays")
    for path in (CONFIG_FOLDERS[1] / kind).glob("*.yaml")
    if path.stem not in ("compare", "regions", "two_styles", "transparent")
)


def opened(*words: str) -> Session:
    return open_words(words)


@pytest.fixture(scope="module")
def defaults() -> dict[str, Any]:
    return opened().settings


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_what_was_chosen_says_it_all(
    path: Path, tmp_path: Path, defaults: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [f"--config={path}", "--data.size=520", "--seed_everything=7"]
    full = opened(*given).settings
    full["trainer"]["default_root_dir"] = defaults["trainer"]["default_root_dir"]
    short = chosen(full, defaults)
    assert 0 < len(flatten(short)) < len(flatten(full)) / 2
    (tmp_path / "short.yaml").write_text(write_yaml(short))
    again = opened("--config=short.yaml").settings
    again["trainer"]["default_root_dir"] = full["trainer"]["default_root_dir"]
    assert again == full


def test_another_class_is_stated_whole() -> None:
    before = {"style": {"class_path": "A", "init_args": {"weight": 1, "layers": [1]}}, "tv": 3}
    now = {"style": {"class_path": "B", "init_args": {"weight": 1, "layers": [1]}}, "tv": None}
    assert chosen(now, before) == now
    now["style"] = {"class_path": "A", "init_args": {"weight": 1, "layers": [2]}}
    assert chosen(now, before) == {"style": {"init_args": {"layers": [2]}}, "tv": None}


def test_the_pictures_come_first() -> None:
    pictures = {"content": "a", "style": "b"}
    settings = with_pictures({"seed": 1, "data": {"size": 3, "style": "b"}}, pictures)
    assert list(settings) == ["data", "seed"]
    assert list(settings["data"]) == ["content", "style", "size"]


@pytest.mark.slow
def test_both_files_of_a_run(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    first = tmp_path / "first"
    options = (*ADAM, "--data.init=noise", "--seed_everything=11", "--images.bits=16")
    paint(first, pictures, *options, "--overwrite=true", f"--images.out={tmp_path / 'o.png'}")
    short = yaml.safe_load((first / "config.yaml").read_text())
    full = yaml.safe_load((first / "config-full.yaml").read_text())
    for config in (short, full):
        assert {"overwrite", "ckpt_path", "config"}.isdisjoint(config)
        assert config["data"]["content"] == str(pictures[0])
        assert not config["images"].get("out")
    assert short["images"] == {"bits": 16}
    assert short["seed_everything"] == 11
    assert set(yaml.safe_load(DEFAULTS.read_text())) <= set(full)
    assert {"every_n_steps", "format", "side"} <= set(full["images"])
    for name in ("config.yaml", "config-full.yaml"):
        again = tmp_path / name
        words = [f"--config={first / name}", f"--trainer.default_root_dir={again}"]
        assert main(words) == 0
        assert (again / "stylized.png").read_bytes() == (first / "stylized.png").read_bytes()
        assert (again / "metrics.csv").read_bytes() == (first / "metrics.csv").read_bytes()


@pytest.mark.slow
def test_a_run_s_config_with_other_pictures_has_another_folder(
    pictures: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments(Path("mine"), pictures, steps=1)) == 0
    before = (tmp_path / "mine/stylized.png").read_bytes()
    assert main(["sample:coffee", "sample:waves", "--config", "mine/config.yaml"]) == 0
    assert (tmp_path / "outputs/coffee--waves/stylized.png").is_file()
    assert (tmp_path / "mine/stylized.png").read_bytes() == before
