"""The example of docs/baselines.md, run as it stands."""

import re
import sys
from pathlib import Path

import pytest
import torch

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "baselines.md"


class Darker(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image * 0.5


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_model_of_ones_own(tmp_path, monkeypatch, content, style):
    import yaml
    from jsonargparse import ArgumentParser

    from nst_lightning.baselines import Baseline

    text = DOCUMENT.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n# my_painter\.py\n(.*?)```", text, re.DOTALL)
    (settings,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "my_painter.py").write_text(code)
    torch.jit.script(Darker()).save(str(tmp_path / "starry_night.pt"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_painter", raising=False)
    monkeypatch.chdir(tmp_path)

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--baseline", type=Baseline)
    config = parser.parse_object({"baseline": yaml.safe_load(settings)})
    stylizer = parser.instantiate_classes(config).baseline
    torch.testing.assert_close(stylizer(content, style), content * 0.5)
    assert stylizer.label == "my painter"
