"""The page in a real Chromium, beside a run that is really painted, and alone."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.browser import (
    chromium,
    complaints,
    hosts_asked,
    look_as,
    needs_chromium,
    screenshot,
)
from helpers.painting import small_run

from nst_lightning.options import to_words
from nst_lightning.preview.feed import Feed, Shot
from nst_lightning.preview.series import Series
from nst_lightning.preview.server import PreviewServer

from .conftest import levels

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[Any]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def browser(shared_browser: Any) -> Iterator[Any]:
    look_as(shared_browser, 1440)
    yield shared_browser
    shared_browser.get("about:blank")
    complaints(shared_browser)


def until(so: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end
        time.sleep(0.05)


def text(browser: Any, name: str) -> str:
    return str(browser.find_element("id", name).text)


def source(browser: Any) -> str:
    return str(browser.find_element("id", "picture").get_attribute("src") or "")


def shown(browser: Any) -> np.ndarray:
    """Return what is seen of the picture, at 32 x 24 pixels."""
    hide = "document.querySelectorAll('.tag,.handle').forEach(e => { e.style.display = 'none'; })"
    browser.execute_script(hide)
    shot = screenshot(browser.find_element("id", "slider")).resize((32, 24))
    return np.asarray(shot, dtype=float)[2:-2, 2:-2]


def small(seed: int) -> np.ndarray:
    from PIL import Image

    shot = Image.fromarray(levels(seed)).resize((32, 24))
    return np.asarray(shot, dtype=float)[2:-2, 2:-2]


def test_a_run_from_the_first_look_to_finish_now(
    browser: Any, tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    settings = small_run(tmp_path / "run", pictures, 1_000_000)
    words = [*to_words({**settings, "images.every_n_steps": 0}), "--preview", "true"]
    out = tmp_path / "out.txt"
    with out.open("w") as stream:
        program = subprocess.Popen(
            [sys.executable, "-m", "nst_lightning", "fit", *words],
            stdout=stream,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[2],
        )
    try:
        until(lambda: program.poll() is not None or "preview  " in out.read_text(), 300)
        browser.get(out.read_text().split("preview  ")[1].split()[0])
        until(lambda: text(browser, "phase") == "Painting.")
        assert text(browser, "title") == "content \N{MULTIPLICATION SIGN} style"
        until(lambda: source(browser).startswith("data:"))
        before = source(browser)
        until(lambda: source(browser) != before)  # it changes

        pause, finish = (browser.find_element("id", name) for name in ("pause", "finish"))
        pause.click()
        until(lambda: text(browser, "phase") == "Paused.")
        until(lambda: pause.text == "Go on")
        step = text(browser, "step")
        time.sleep(2.5)
        assert text(browser, "step") == step
        pause.send_keys(" ")  # by keyboard
        until(lambda: text(browser, "step") != step)
        assert text(browser, "phase") == "Painting."
        assert browser.execute_script("return document.querySelectorAll('#chart path').length") >= 3

        finish.click()
        assert program.wait(120) == 0
        until(lambda: text(browser, "phase").startswith("Finished early, at step "))
        assert "The program has ended." in text(browser, "phase")
        assert str(tmp_path / "run") in text(browser, "phase")
        assert not finish.is_enabled()
        assert (tmp_path / "run" / "stylized.png").is_file()
        assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()
        assert hosts_asked(browser) == {"127.0.0.1"}
        time.sleep(2)  # it does not ask in vain
        assert complaints(browser) == []
    finally:
        program.kill()
        program.wait()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_a_desktop_by_day_and_night(
    browser: Any, server: PreviewServer, width: int, scheme: str
) -> None:
    look_as(browser, width, scheme)
    browser.get(server.address)
    until(lambda: source(browser).startswith("data:"))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    seen = np.asarray(screenshot(browser))
    assert (seen[:, :5].mean() < 80) == (scheme == "dark")
    assert (text(browser, "step"), text(browser, "steps")) == ("2", "of 60 steps")
    assert text(browser, "left") == "29 s"
    assert text(browser, "memory") == "1.5 GB"
    assert text(browser, "scale") == "1 of 2: 32 \N{MULTIPLICATION SIGN} 24 px"
    assert text(browser, "legend").split() == ["sum", "900", "content", "225", "style", "675"]
    for name in ("pause", "finish"):
        assert browser.find_element("id", name).size["height"] >= 44  # a finger
    names = "return [...document.querySelectorAll('button,input,progress,img,svg[role]')]"
    labels = browser.execute_script(
        f"{names}.map(e => e.getAttribute('aria-label') || e.alt || e.textContent"
        " || e.getAttribute('aria-labelledby'))"
    )
    assert all(labels)
    assert complaints(browser) == []
    assert hosts_asked(browser) == {"127.0.0.1"}


def test_the_divider_moves_by_keys_between_painting_and_photograph(
    browser: Any, server: PreviewServer
) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get(server.address)
    until(lambda: source(browser).startswith("data:"))
    field = browser.find_element("id", "divider")
    assert np.abs(shown(browser) - small(1)).mean() < 12
    field.send_keys(Keys.ARROW_RIGHT * 3)
    assert field.get_attribute("value") == "3"
    assert field.get_attribute("aria-valuetext") == "3 % photograph, 97 % painting"
    field.send_keys(Keys.END)
    assert np.abs(shown(browser) - small(5)).mean() < 12
    field.send_keys(Keys.HOME)
    assert np.abs(shown(browser) - small(1)).mean() < 12


def test_pictures_and_runs_follow_one_another(
    browser: Any, server: PreviewServer, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Shot] = []
    as_json = Shot.as_json
    monkeypatch.setattr(Shot, "as_json", lambda shot: (sent.append(shot), as_json(shot))[1])
    browser.get(server.address)
    until(lambda: source(browser).startswith("data:"))
    feed.show("picture", levels(2))
    until(lambda: np.abs(shown(browser) - small(2)).mean() < 12)
    # The same picture is not sent again.
    time.sleep(2.5)
    assert len(sent) == len(set(sent)) == 3
    feed.tell("failed", why="the disk is full")
    until(lambda: "The run failed: the disk is full" in text(browser, "phase"))
    server.feed = following = Feed("dog")
    following.show("picture", levels(3))
    following.tell("painting", step=0, steps=5)
    until(lambda: text(browser, "title") == "dog")
    until(lambda: np.abs(shown(browser) - small(3)).mean() < 12)
    assert text(browser, "legend") == ""
    assert complaints(browser) == []


def test_a_film_is_shown_beside_the_frame_in_hand(
    browser: Any, server: PreviewServer, feed: Feed
) -> None:
    browser.get(server.address)
    until(lambda: text(browser, "left") == "29 s")
    assert not browser.find_element("id", "series").is_displayed()
    film = Series(24, "frames", done=7, left=200.0)
    server.feed = frame = Feed("frame 8 of 24", series=film)
    frame.tell("painting", step=5, steps=54, left=3.0)
    until(lambda: text(browser, "title") == "frame 8 of 24")
    shown = ("done", "total", "all-left", "step", "steps", "left")
    now = [text(browser, name) for name in shown]
    assert now == ["7", "of 24 frames", "3:20 min", "5", "of 54 steps", "3 s"]
    assert browser.title.startswith("7/24")
    assert browser.find_element("id", "all").get_attribute("value") == "7"
    assert "the frames that are painted are kept" in text(browser, "finish-note")
    film.done = 8  # between two frames
    frame.tell("finished", step=54)
    until(lambda: text(browser, "phase") == "This picture is painted; the next one begins.")
    assert text(browser, "done") == "8"
    film.done, film.left, film.file = 24, 0.0, "painted.mp4"
    until(lambda: "All 24 frames are painted. The result is painted.mp4." in text(browser, "phase"))
    assert text(browser, "all-left") == "\N{EN DASH}"
    assert complaints(browser) == []


def test_a_page_that_nobody_sees_asks_nothing(
    browser: Any, server: PreviewServer, feed: Feed
) -> None:
    browser.get(server.address)
    until(lambda: feed.is_watched)
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    try:
        until(lambda: not feed.is_watched, 20)
    finally:
        browser.close()
        browser.switch_to.window(first)
    until(lambda: feed.is_watched)


def test_without_a_server_the_page_says_so(browser: Any, feed: Feed) -> None:
    server = PreviewServer()
    server.feed = feed
    browser.get(server.address)
    until(lambda: source(browser).startswith("data:"))
    server._http.shutdown()
    server.token = "another program's"
    until(lambda: "another program's" in text(browser, "phase"))
    server.close()
    until(lambda: "No answer" in text(browser, "phase"), 30)
    assert not browser.find_element("id", "finish").is_enabled()
    assert source(browser).startswith("data:")
