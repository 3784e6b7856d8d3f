"""What a run still takes, against runs whose every step's time is known."""

import itertools

import pytest

from nst_lightning.callbacks.pace import Pace, at_size

OCTAVES = [64, 128, 256, 512, 1024, 2048]


def run_of(sizes: list[int], steps: list[int], prepare: float) -> list[tuple[int, float]]:
    """Return each step's scale and seconds: 30 ms, 2 us a pixel, and what prepares a new size."""
    taken = []
    for scale, (size, count) in enumerate(zip(sizes, steps, strict=True)):
        each = 0.03 + 2e-6 * size**2
        # The run's own first step has kernels to choose; the others their pictures to look at.
        first = 5.0 if scale == 0 else prepare * (0.5 + 4e-5 * size**2)
        taken += [(scale, each + first), *itertools.repeat((scale, each), count - 1)]
    return taken


def told(sizes: list[int], steps: list[int], prepare: float) -> list[tuple[float | None, float]]:
    """Return what is told after each step, and what is true."""
    run, pace, pairs = run_of(sizes, steps, prepare), Pace(), []
    for done, (scale, seconds) in enumerate(run, 1):
        pace.add(scale, seconds)
        left = [sum(s == at for s, _ in run[done:]) for at in range(len(sizes))]
        pixels = [size**2 for size in sizes]
        pairs.append((pace.seconds_left(left, pixels), sum(t for _, t in run[done:])))
    return pairs


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("prepare", [0.0, 1.0])
def test_what_is_told_is_never_far_off(count: int, prepare: float) -> None:
    sizes = OCTAVES[:count]
    pairs = told(sizes, [24] * (count - 1) + [60], prepare)
    for estimate, true in pairs:
        # Of how long it takes to prepare a size, less is known than of its steps.
        assert estimate is None or estimate == pytest.approx(true, rel=0.3 if prepare else 0.02)
    unknown = [estimate is None for estimate, _ in pairs]
    first = unknown.index(False)
    assert not any(unknown[first:])
    # As soon as a quarter of the last size's long side is painted at, and then always.
    assert first == 24 * max(min(count - 1, 1), count - 3) + 3
    assert pairs[-1] == (0.0, 0)


def test_nothing_is_told_of_one_step() -> None:
    pace = Pace()
    pace.add(0, 9.0)
    assert pace.seconds_left([2], [100]) is None
    assert pace.seconds[0] == 9.0  # it is all that is known of a step
    # Unless tiles within it tell.
    assert pace.seconds_left([2], [100], {0: 4.0}) == 8.0


def test_a_step_s_time_is_the_mean_of_the_last_ones() -> None:
    pace = Pace()
    for seconds in [50.0, *[3.0] * 20, *[1.0, 2.0] * 5]:
        pace.add(0, seconds)
    assert pace.seconds_left([4], [100]) == 4 * 1.5


def test_the_time_left_is_that_of_all_scales() -> None:
    pace = Pace()
    for scale, seconds in [(0, 2.0), (1, 5.0)]:
        for _ in range(5):
            pace.add(scale, seconds)
    # 1 s, and 1 s a hundred pixels: 17 s at 1600. Preparing takes 5 s, as before.
    assert pace.seconds_left([0, 20, 6], [100, 400, 1600]) == 20 * 5 + 5 + 5 * 17


@pytest.mark.parametrize(
    ("small", "large", "each"),
    [
        (2.0, 5.0, 17.0),
        (5.0, 5.0, 5.0),
        (9.0, 5.0, 5.0),  # it was busy: a step takes no less for more pixels
        (0.1, 5.0, 20.0),  # nor more than the pixels say
    ],
)
def test_neither_part_of_a_step_is_less_than_nothing(
    small: float, large: float, each: float
) -> None:
    assert at_size({0: small, 1: large}, [100, 400, 1600], 2) == pytest.approx(each)
