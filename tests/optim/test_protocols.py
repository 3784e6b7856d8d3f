"""What an optimiser offers decides what is done with it; none needs to be of a class of ours."""

import pytest
import torch
from torch import nn

from nst_lightning.optim import (
    AsksToRefine,
    BoundedLBFGS,
    FollowsObjective,
    Resettable,
    ScaledLBFGS,
)
from nst_lightning.optim.protocols import forget_picture, keeps_curvature, objective_changed


class Theirs(torch.optim.SGD):
    """Somebody else's, which happens to offer all three."""

    refine = None

    def __init__(self, params):
        super().__init__(params, lr=0.1, momentum=0.9)
        self.heard = []

    def reset(self):
        self.heard.append("reset")

    def objective_changed(self):
        self.heard.append("objective_changed")


def stepped(kind):
    picture = nn.Parameter(torch.rand(1, 3, 8, 8))
    optimizer = kind([picture])

    def closure():
        optimizer.zero_grad()
        loss = (picture - 0.2).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return optimizer


@pytest.mark.parametrize("kind", [BoundedLBFGS, Theirs])
def test_those_that_offer_all(kind):
    optimizer = stepped(kind)
    for protocol in (Resettable, FollowsObjective, AsksToRefine):
        assert isinstance(optimizer, protocol)
    assert keeps_curvature(optimizer)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.LBFGS, ScaledLBFGS])
def test_torchs_offer_none(kind):
    optimizer = stepped(kind)
    for protocol in (Resettable, FollowsObjective, AsksToRefine):
        assert not isinstance(optimizer, protocol)
    assert keeps_curvature(optimizer) == isinstance(optimizer, torch.optim.LBFGS)


def test_what_is_offered_is_called():
    optimizer = stepped(Theirs)
    forget_picture(optimizer)
    objective_changed(optimizer)
    assert optimizer.heard == ["reset", "objective_changed"]
    assert optimizer.state


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.LBFGS, ScaledLBFGS])
def test_others_forget_a_picture_with_their_whole_state(kind):
    optimizer = stepped(kind)
    assert optimizer.state
    forget_picture(optimizer)
    assert not optimizer.state


def test_only_torchs_lbfgs_forgets_a_changed_objective():
    adam, lbfgs = stepped(torch.optim.Adam), stepped(torch.optim.LBFGS)
    objective_changed(adam)
    objective_changed(lbfgs)
    assert adam.state
    assert not lbfgs.state
