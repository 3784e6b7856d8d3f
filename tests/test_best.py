"""The best picture is the one whose loss was lowest, whatever else came."""

import math

import numpy as np
import pytest
import torch

from nst_lightning.best import BestPicture

SERIES = {
    "usual": [5.0, 3.0, 4.0, 2.5, 2.6],
    "with_nan": [5.0, math.nan, 4.0, math.inf, 4.5, math.nan],
    "nan_first": [math.nan, math.nan, 7.0, 6.0, math.nan],
    "infinite_first": [math.inf, 9.0, -math.inf + math.inf, 9.5],
    "first_is_best": [1.0, 2.0, 3.0],
    "ties_keep_the_first": [2.0, 2.0, 2.0],
}


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    return request.param


@pytest.mark.parametrize("name", SERIES)
def test_agrees_with_nanargmin(name: str, device: str) -> None:
    best = BestPicture()
    picture = torch.empty(1, 3, 4, 5, device=device)
    for index, loss in enumerate(SERIES[name]):
        picture.fill_(index)
        best.update(torch.tensor(loss, device=device), picture)
    losses = np.array(SERIES[name])
    losses[~np.isfinite(losses)] = np.nan
    expected = int(np.nanargmin(losses))
    assert best.loss is not None
    assert best.picture is not None
    assert float(best.loss) == losses[expected]
    assert torch.equal(best.picture.cpu(), torch.full((1, 3, 4, 5), float(expected)))


def test_only_bad_losses_leave_an_infinite_best() -> None:
    best = BestPicture()
    for _ in range(3):
        best.update(torch.tensor(math.nan), torch.zeros(1, 3, 2, 2))
    assert float(best.loss) == math.inf  # type: ignore[arg-type]


def test_keeps_no_graph_and_no_alias() -> None:
    best = BestPicture()
    picture = torch.nn.Parameter(torch.ones(1, 3, 2, 2))
    loss = (2 * picture).sum()
    best.update(loss, picture)
    with torch.no_grad():
        picture.zero_()
        loss.detach().zero_()
    assert best.loss is not None
    assert best.picture is not None
    assert not best.loss.requires_grad
    assert not best.picture.requires_grad
    assert float(best.picture.sum()) == 12


def test_second_best_is_copied_too() -> None:
    best = BestPicture()
    picture = torch.ones(1, 3, 2, 2)
    loss = torch.tensor(2.0)
    best.update(loss, picture)
    loss.fill_(1.0)
    best.update(loss, picture.mul_(3))
    loss.fill_(9.0)
    picture.zero_()
    assert float(best.loss) == 1  # type: ignore[arg-type]
    assert float(best.picture.mean()) == 3  # type: ignore[union-attr]


def test_state_goes_on_where_it_was() -> None:
    first, second = BestPicture(), BestPicture()
    first.update(torch.tensor(2.0), torch.full((1, 3, 2, 2), 0.5))
    second.load_state_dict(first.state_dict(), torch.device("cpu"))
    second.update(torch.tensor(3.0), torch.zeros(1, 3, 2, 2))
    assert float(second.loss) == 2  # type: ignore[arg-type]
    assert float(second.picture.mean()) == 0.5  # type: ignore[union-attr]
    second.update(torch.tensor(1.0), torch.zeros(1, 3, 2, 2))
    assert float(second.loss) == 1  # type: ignore[arg-type]


def test_an_empty_state_and_clear() -> None:
    best = BestPicture()
    assert best.state_dict() == {"loss": None, "picture": None}
    best.update(torch.tensor(2.0), torch.zeros(1, 3, 2, 2))
    best.clear()
    assert (best.loss, best.picture) == (None, None)
    best.load_state_dict({"loss": None, "picture": None}, torch.device("cpu"))
    best.update(torch.tensor(8.0), torch.ones(1, 3, 2, 2))
    assert float(best.loss) == 8  # type: ignore[arg-type]
