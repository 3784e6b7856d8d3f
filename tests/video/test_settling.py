"""Places grow older from frame to frame, and are held the more the longer they are in sight."""

import itertools

import torch

from nst_lightning.video import settling
from nst_lightning.video.settling import SETTLED, carried, held, older

STILL = torch.zeros(1, 2, 4, 9)
NOWHERE = torch.zeros(1, 1, 4, 9, dtype=torch.bool)
EVERYWHERE = torch.ones(1, 1, 4, 9)


def test_what_comes_into_sight_begins_anew_and_settles() -> None:
    age = settling.of_a_first_frame(4, 9)
    assert float(held(carried(EVERYWHERE, age), age).min()) == 1
    hidden = NOWHERE.clone()
    hidden[..., 4] = True
    age = older(age, STILL, EVERYWHERE * ~hidden, hidden)
    assert age[0, 0, 0].tolist() == [SETTLED] * 4 + [0] + [SETTLED] * 4
    # The places beside it are painted together with it.
    assert carried(EVERYWHERE, age)[0, 0, 0].tolist() == [1, 1, 1, 0, 0, 0, 1, 1, 1]
    seen = []
    for _ in range(SETTLED):
        age = older(age, STILL, EVERYWHERE, NOWHERE)
        seen.append(float(held(carried(EVERYWHERE, age), age)[0, 0, 0, 4]))
    assert seen[:3] == [0, 0, 0]
    assert all(later > earlier for earlier, later in itertools.pairwise(seen[2:]))
    assert seen[-1] == 1


def test_ages_move_with_their_places() -> None:
    age = torch.zeros(1, 1, 4, 9)
    age[..., 3] = 5
    flow = STILL.clone()
    flow[:, 0] = -2  # each place was two pixels further left
    assert older(age, flow, EVERYWHERE, NOWHERE)[0, 0, 0].tolist() == [1, 1, 1, 1, 1, 6, 1, 1, 1]


def test_noise_now_and_then_lets_nothing_begin_anew() -> None:
    """A place of which one frame in ten says nothing stays held by the others."""
    age, draw = settling.of_a_first_frame(4, 9), torch.Generator().manual_seed(1)
    least = SETTLED
    for _ in range(200):
        mask = (torch.rand(1, 1, 4, 9, generator=draw) > 0.1).float()
        age = older(age, STILL, mask, NOWHERE)
        least = min(least, float(age.median()))
    assert least >= SETTLED - 2
    for _ in range(SETTLED):
        age = older(age, STILL, torch.zeros_like(mask), NOWHERE)
    assert float(age.max()) == 0
