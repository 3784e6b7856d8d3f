"""A run as it is seen: what is kept is little, and who paints waits for nobody."""

import base64
import itertools
import json
import threading
import time

from nst_lightning.preview.feed import _MOST_POINTS, Feed, Shot

from .conftest import levels


def test_a_picture_is_encoded_once_and_by_who_asks() -> None:
    shot = Shot(1, levels())
    assert shot._sent == b""
    first = shot.as_json()
    assert base64.b64decode(json.loads(first).split(",")[1]).startswith(b"\xff\xd8")
    assert shot.as_json() is first


def test_long_curves_are_thinned() -> None:
    feed = Feed("a run")
    for step in range(1, 20_001):
        feed.add_losses(step, {"loss": 1 / step})
    points = json.loads(feed.state(-1, -1))["losses"]
    steps = [step for step, _ in points]
    assert len(points) <= _MOST_POINTS
    assert steps[0] == 1
    assert steps[-1] > 19_900
    gaps = {after - before for before, after in itertools.pairwise(steps)}
    assert len(gaps) == 1


def test_a_pause_holds_and_ends() -> None:
    feed = Feed("a run")
    feed.tell("painting")
    feed.hold(lambda: False)  # nobody paused: it returns
    feed.pause()
    assert feed.phase == "pausing"
    for end in (feed.go_on, feed.finish):
        feed.pause()
        waiting = threading.Thread(target=feed.hold, args=(lambda: False,))
        waiting.start()
        time.sleep(0.3)
        assert waiting.is_alive()
        assert feed.phase == "paused"
        end()
        waiting.join(5)
        assert not waiting.is_alive()
    assert feed.phase == "finishing"


def test_a_pause_costs_no_processor_time() -> None:
    feed = Feed("a run")
    feed.pause()
    until = time.monotonic() + 1.0
    before = time.thread_time()
    feed.hold(lambda: time.monotonic() > until)
    assert time.thread_time() - before < 0.05
