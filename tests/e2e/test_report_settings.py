"""The report's settings on real pairs: where the tutorial explodes and we do not."""

import itertools

import pytest
from helpers.painting import fit, logged
from helpers.real_pictures import SAMPLES, SHARED, only_with_shared

ENDS_BELOW = [
    pytest.param(SAMPLES, 570, id="samples"),
    pytest.param(SHARED, 530, id="shared", marks=only_with_shared),
]


def losses(folder):
    return [float(row["loss"]) for row in logged(folder)]


def settings(folder, pair):
    return [
        "--config=recipes/pytorch_tutorial.yaml",
        f"--trainer.default_root_dir={folder}",
        f"--data.content={pair[0]}",
        f"--data.style={pair[1]}",
        "--data.size=160",
        "--data.steps_per_epoch=300",
        "--trainer.max_epochs=1",
        "--images.every_n_steps=0",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("pair", "bound"), ENDS_BELOW)
def test_bounded_lbfgs_never_rises_and_ends_low(tmp_path, pair, bound):
    fit([*settings(tmp_path, pair), "--config=overlays/bounded_lbfgs.yaml"])
    seen = losses(tmp_path)
    assert len(seen) == 300
    assert all(after <= before for before, after in itertools.pairwise(seen))
    assert seen[-1] <= bound


@pytest.mark.slow
def test_the_tutorials_optimiser_explodes_and_the_guard_ends_at_its_best(tmp_path, capsys):
    session = fit(settings(tmp_path, SAMPLES))
    assert "the loss exploded" in capsys.readouterr().out
    final = float(session.model.losses(session.model.picture())["loss"])
    assert final <= min(losses(tmp_path)) * (1 + 1e-6)
