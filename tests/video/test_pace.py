"""How far a film is: the bar and the preview are told the same, and it is right."""

import json
from typing import Any

from nst_lightning.preview.feed import Feed
from nst_lightning.preview.series import Series, shown_series
from nst_lightning.progress import ProgressBar
from nst_lightning.video.pace import FilmPace


class Bar(ProgressBar):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__(None)
        self.told: list[dict[str, Any]] = []

    def update(self, completed: float | None = None, **changes: Any) -> None:
        self.told.append({"completed": completed, **changes})


class Clock:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def paint(pace: FilmPace, clock: Clock, number: int, index: int, seconds: float) -> None:
    pace.begin(number, index)
    clock.now += seconds
    pace.end(number, index)


def test_the_time_left_is_that_of_the_frames_left() -> None:
    series, bar, clock = Series(5, "frames"), Bar(), Clock()
    pace = FilmPace(series, 5, 1, [], bar, clock)
    feed = Feed("", series=series)
    shown = []
    for index, seconds in enumerate((60, 10, 10, 12, 10)):
        paint(pace, clock, 0, index, seconds)
        told = json.loads(feed.state(0, 0))["series"]
        assert (told["done"], told["left"]) == (bar.told[-1]["completed"], bar.told[-1]["left"])
        shown.append(told["left"])
    # The first frame loads what the others find there.
    assert shown == [None, 30, 20, 10, 0]
    assert series.name == "frame 5 of 5"


def test_what_was_there_took_no_time() -> None:
    series, bar, clock = Series(8, "frames"), Bar(), Clock()
    there = [(0, 0), (0, 1), (0, 2), (0, 3)]
    pace = FilmPace(series, 8, 1, there, bar, clock)
    for number, index in there:
        pace.end(number, index)
    assert (series.done, series.left) == (4, None)
    paint(pace, clock, 0, 4, 50)
    paint(pace, clock, 0, 5, 7)
    assert (series.done, series.left) == (6, 14)


def test_a_pass_yet_to_come_takes_what_the_one_before_it_took() -> None:
    series, bar, clock = Series(6, "frames"), Bar(), Clock()
    pace = FilmPace(series, 3, 2, [], bar, clock)
    for index, seconds in enumerate((30, 8, 8)):
        paint(pace, clock, 0, index, seconds)
    assert series.left == 3 * 8
    paint(pace, clock, 1, 2, 5)
    assert series.left == 2 * 5
    assert series.name == "frame 3 of 3, pass 2 of 2"


def test_a_series_is_shown_while_it_lasts() -> None:
    series = Series(2, "frames")
    assert shown_series() is None
    with series.shown():
        assert shown_series() is series
    assert shown_series() is None
