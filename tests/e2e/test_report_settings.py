"""The report's settings on a real pair: where the tutorial explodes and we do not."""

import csv
import itertools
from pathlib import Path

import pytest

from helpers.painting import fit

IMAGES = Path(__file__).parents[3] / "shared" / "images"
PAIR = (IMAGES / "tubingen.jpg", IMAGES / "starry_night.jpg")
needs_pair = pytest.mark.skipif(
    not all(path.is_file() for path in PAIR), reason="needs ../shared/images (real pictures)"
)


def losses(folder):
    with (folder / "metrics.csv").open() as handle:
        return [float(row["loss"]) for row in csv.DictReader(handle)]


def settings(folder):
    return [
        *("--config=recipes/pytorch_tutorial.yaml", f"--trainer.default_root_dir={folder}"),
        *(f"--data.content={PAIR[0]}", f"--data.style={PAIR[1]}", "--data.size=160"),
        *("--data.steps_per_epoch=300", "--trainer.max_epochs=1", "--images.every_n_steps=0"),
    ]


@pytest.mark.slow
@needs_pair
def test_bounded_lbfgs_never_rises_and_ends_at_or_below_530(tmp_path):
    fit([*settings(tmp_path), "--config=overlays/bounded_lbfgs.yaml"])
    seen = losses(tmp_path)
    assert len(seen) == 300
    assert all(after <= before for before, after in itertools.pairwise(seen))
    assert seen[-1] <= 530


@pytest.mark.slow
@needs_pair
def test_the_tutorials_optimiser_explodes_and_the_guard_ends_at_its_best(tmp_path, capsys):
    session = fit(settings(tmp_path))
    assert "the loss exploded" in capsys.readouterr().out
    final = float(session.model.losses(session.model.picture())["loss"])
    assert final <= min(losses(tmp_path)) * (1 + 1e-6)
