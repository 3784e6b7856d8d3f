"""The example of docs/video.md, run as it stands."""

import re
import runpy
from fractions import Fraction
from pathlib import Path

import pytest
from helpers.clips import heard, make

from nst_lightning.video.reading import open_clip

pytest.importorskip("av")

PAGE = Path(__file__).parents[2] / "docs" / "video.md"
BLOCK = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ((name, text),) = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "clip.mp4", sound="aac")
    runpy.run_path(name)
    assert capsys.readouterr().out.startswith("(96, 64) 10 ")
    found = open_clip("inverted.webm")
    assert (found.info.count, found.info.duration) == (10, Fraction(19, 25))
    assert heard(tmp_path / "inverted.webm")[0] == "opus"
