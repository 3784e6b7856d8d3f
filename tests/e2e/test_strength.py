"""One knob from the photograph to the painting, and colours alone."""

from pathlib import Path

import pytest
import torch
from helpers.painting import fit

from nst_lightning.metrics.functional import colour_distance, structural_similarity
from nst_lightning.session import Session

pytestmark = pytest.mark.slow


def painted(folder: Path, *more: str) -> Session:
    return fit(
        [
            "--data.content=sample:astronaut",
            "--data.style=sample:starry",
            "--data.size=112",
            "--data.octave_steps=12",
            "--data.steps_per_epoch=12",
            "--images.every_n_steps=0",
            f"--trainer.default_root_dir={folder}",
            *more,
        ]
    )


def measured(session: Session) -> tuple[float, float]:
    """How like the photograph, and how far from the painting's colours."""
    picture, pair = session.picture(), session.pair
    return (
        float(structural_similarity(picture.double(), pair.content.double())),
        float(colour_distance(picture, pair.styles[0])),
    )


def test_more_strength_is_less_of_the_photograph(tmp_path: Path) -> None:
    found = [
        measured(painted(tmp_path / str(s), f"--model.strength={s}")) for s in (0, 0.25, 0.5, 1)
    ]
    likeness, colours = zip(*found, strict=True)
    assert likeness[0] > 0.95
    assert list(likeness) == sorted(likeness, reverse=True)
    assert likeness[-1] < 0.4
    assert colours[0] > colours[1] > 3 * colours[2]


def test_colours_only(tmp_path: Path) -> None:
    session = painted(tmp_path, "--config=looks/colours_only.yaml")
    content = session.pair.content
    before = float(colour_distance(content, session.pair.styles[0]))
    likeness, after = measured(session)
    assert after < before / 5
    assert likeness > 0.6
    assert torch.equal(session.model.image.detach(), content)


@pytest.mark.parametrize("strength", ["-0.1", "1.5"])
def test_no_strength(tmp_path: Path, strength: str, capsys: pytest.CaptureFixture[str]) -> None:
    from nst_lightning.cli import main

    assert (
        main(["fit", f"--model.strength={strength}", f"--trainer.default_root_dir={tmp_path}"]) == 2
    )
    said = capsys.readouterr().err
    assert "model.strength must be a finite number of at least 0 and of at most 1" in said
    assert said.count("\n") == 1
