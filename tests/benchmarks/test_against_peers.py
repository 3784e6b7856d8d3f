"""The arithmetic of the comparison, and that the peers' loops optimise our recipes' objectives."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def against_peers():
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("against_peers")
    sys.path.remove(str(FOLDER))


def duel_of(against_peers, pair, theirs, ours):
    return against_peers.Duel(pair, 512, "tutorial", 1, theirs, ours)


def test_ratios_by_hand(against_peers):
    theirs = [(1, 10.0, 900.0), (2, 20.0, 400.0), (3, 30.0, 700.0)]
    ours = [(0, 0.0, 1000.0), (1, 3.0, 700.0), (2, 4.0, 450.0), (3, 5.0, 390.0)]
    duel = duel_of(against_peers, "a", theirs, ours)
    assert duel.sooner(duel.best) == pytest.approx(20 / 5)
    assert duel.sooner(duel.last) == pytest.approx(30 / 3)
    never = duel_of(against_peers, "b", theirs, ours[:3])
    assert never.sooner(never.best) == 0
    assert against_peers.times_sooner([duel], "best") == "tutorial 4.0x"
    # The median over pairs of the medians over repeats.
    assert against_peers.times_sooner([duel, duel, never, duel], "best") == "tutorial 2.0x"


def test_the_tutorials_loop_has_our_recipes_objective(against_peers, tmp_path):
    files = against_peers.prepare("sample:cat", "sample:starry", 48, tmp_path)["tutorial"]
    request = files | {"evaluations": 3, "peer": "tutorial", "recipe": "pytorch_tutorial"}
    rows = against_peers.peer_runs.tutorial(request)
    assert [row[0] for row in rows] == [1, 2, 3, 3]
    ours = against_peers.peer_runs.ours(
        request | {"goal": 0.0, "picture": str(tmp_path / "ours.png")}
    )
    assert ours[0][2] == pytest.approx(rows[0][2], rel=1e-4)
    assert torch.isfinite(torch.tensor([row[2] for row in ours])).all()


def test_pastiches_class_has_our_recipes_objective(against_peers, tmp_path):
    pytest.importorskip("pastiche")
    files = against_peers.prepare("sample:cat", "sample:starry", 48, tmp_path)["pastiche"]
    request = files | {"evaluations": 2, "peer": "pastiche", "recipe": "pastiche"}
    rows = against_peers.peer_runs.pastiche(request)
    ours = against_peers.peer_runs.ours(
        request | {"goal": 0.0, "picture": str(tmp_path / "ours.png")}
    )
    assert ours[0][2] == pytest.approx(rows[0][2], rel=1e-3)
