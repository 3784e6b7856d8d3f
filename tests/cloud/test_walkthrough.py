"""The walkthrough names what exists."""

import re
from pathlib import Path

from nst_lightning.cloud.command_line import parse

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs" / "sagemaker"
TEXT = (ROOT / "docs" / "sagemaker.md").read_text(encoding="utf-8")


def test_every_command_of_the_walkthrough_is_understood() -> None:
    lines = re.findall(r"sagemaker/launch\.py ([^\n#`;>]+)", TEXT)
    assert len(lines) >= 9
    for line in lines:
        words = line.replace("mine.yaml", "fanout.yaml").replace("your.yaml", "fanout").split()
        assert parse(words).command


def test_files_and_keys_that_are_named_exist() -> None:
    for name in re.findall(r"\]\(\.\./([^)]+)\)", TEXT):
        assert (ROOT / name).is_file(), name
    source = (ROOT / "nst_lightning" / "cloud" / "config.py").read_text(encoding="utf-8")
    for section, key in re.findall(r"`(aws|job|limits)\.(?!json)(\w+)", TEXT):
        assert re.search(rf"^    {key}: ", source, re.MULTILINE), f"{section}.{key}"


def test_shipped_yaml_files_are_read_with_all_their_keys() -> None:
    for path in CONFIGS.glob("*.yaml"):
        command = "tune" if path.stem == "tuning" else "launch"
        request = parse([command, "--config", str(path)])
        assert request.launch.contents
        assert request.launch.settings["data.size"]
    tuning = parse(["tune", "--config", "tuning"]).tuning
    assert tuning is not None
    assert tuning.ranges["model.style.weight"].scale == "log"
    assert tuning.ranges["model.style.weight"].max == 1e4
