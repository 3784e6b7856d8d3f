"""Paced calls, on a clock of their own."""

import itertools

import pytest

from nst_lightning.cloud.calls import PacedCalls, TryAgainError


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_no_minute_sees_more_calls_than_allowed() -> None:
    clock = Clock()
    calls = PacedCalls(100, now=clock.now, sleep=clock.sleep)
    times: list[float] = []
    for _ in range(500):
        calls(lambda: times.append(clock.time))
    for first in times:
        assert sum(first <= when < first + 60 for when in times) <= 101


def test_a_busy_service_is_asked_again_later_and_later() -> None:
    clock = Clock()
    calls = PacedCalls(6000, now=clock.now, sleep=clock.sleep)
    asked: list[float] = []

    def busy() -> str:
        asked.append(clock.time)
        if len(asked) < 6:
            raise TryAgainError("busy")
        return "done"

    assert calls(busy) == "done"
    waits = [b - a for a, b in itertools.pairwise(asked)]
    for number, wait in enumerate(waits):
        assert 2**number / 2 <= wait <= 2**number + 0.02


def test_patience_ends() -> None:
    clock = Clock()
    calls = PacedCalls(6000, patience=30, now=clock.now, sleep=clock.sleep)

    def busy() -> None:
        raise TryAgainError("busy")

    with pytest.raises(TryAgainError):
        calls(busy)
    assert clock.time <= 30
