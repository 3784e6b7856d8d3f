"""Apple's GPU is left alone: Lightning would take it, and the optimiser's float64 would fail."""

import pytest
import torch

from nst_lightning import InputError
from nst_lightning.processor import usable_accelerator
from nst_lightning.session import open_run


@pytest.fixture
def _apple(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("_apple")
def test_auto_is_the_processor(capsys: pytest.CaptureFixture[str]) -> None:
    assert usable_accelerator("auto") == "cpu"
    assert capsys.readouterr().err == (
        "note: Apple's GPU has no float64: painting on the processor\n"
    )
    session = open_run({"data.size": 64}, pictures=False, checkpoints=False)
    assert session.trainer.accelerator.__class__.__name__ == "CPUAccelerator"


@pytest.mark.usefixtures("_apple")
@pytest.mark.parametrize("given", ["mps", "gpu"])
def test_asked_for(given: str) -> None:
    with pytest.raises(InputError, match=rf"trainer.accelerator: {given} .* use cpu"):
        usable_accelerator(given)


def test_elsewhere_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert [usable_accelerator(name) for name in ("auto", "cpu", "gpu")] == ["auto", "cpu", "gpu"]
