"""The page in a real Chromium without a screen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from helpers.browser import chromium, complaints, look_as, needs_chromium, screenshot
from PIL import Image

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture
def browser() -> Iterator[Any]:
    with chromium() as driver:
        yield driver


def show(browser: Any, page: Path, width: int, scheme: str = "light") -> None:
    """Open the page as a phone (under 500 px) or a desktop shows it, everything unfolded."""
    look_as(browser, width, scheme)
    browser.get((page / "report" / "index.html").as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    browser.execute_async_script(
        "const done = arguments[0];"
        "const shown = [...document.images].filter(i => i.hasAttribute('src'));"
        "Promise.allSettled(shown.map(i => i.decode())).then(() => done());"
    )


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_loads_and_fits(browser: Any, bad_names: Path, width: int, scheme: str) -> None:
    show(browser, bad_names, width, scheme)
    broken = browser.execute_script(
        "return [...document.images].filter(i => i.hasAttribute('src'))"
        ".filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"
    )
    assert broken == []
    assert browser.execute_script("return document.images.length") > 20
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    shown = browser.execute_script(
        "return [...document.querySelectorAll('.drawing img')].map(i => i.currentSrc)"
    )
    kind = f"-{scheme}-{'narrow' if width < 500 else 'wide'}.svg"
    assert len(shown) == 3
    assert all(source.endswith(kind) for source in shown)
    elsewhere = browser.execute_script(
        "return performance.getEntriesByType('resource').map(e => e.name)"
        ".filter(n => !/^(file|data):/.test(n))"
    )
    assert elsewhere == []
    assert complaints(browser) == []
    picture = np.asarray(screenshot(browser))
    assert picture.std() > 10
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    assert (picture[:, :5].mean() < 80) == (scheme == "dark")


def left_edge(browser: Any) -> str:
    return browser.execute_script(
        "return getComputedStyle(document.querySelector('.slider .over')).clipPath"
    )


def seen(browser: Any) -> np.ndarray:
    slider = browser.find_element("css selector", ".slider")
    return np.asarray(screenshot(slider), dtype=float)


def test_the_divider_moves_by_keys_and_mouse(browser: Any, bad_names: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    show(browser, bad_names, 1440)
    field = browser.find_element("css selector", ".slider input")
    assert field.get_attribute("value") == "50"
    assert left_edge(browser) == "inset(0px 0px 0px 50%)"
    before = seen(browser)
    field.send_keys(Keys.ARROW_RIGHT * 10)
    assert field.get_attribute("value") == "60"
    assert left_edge(browser) == "inset(0px 0px 0px 60%)"
    assert field.get_attribute("aria-valuetext") == "60 % fast, 40 % optimised"
    assert np.abs(seen(browser) - before).max() > 30
    field.send_keys(Keys.HOME)
    assert left_edge(browser) == "inset(0px 0px 0px 0%)"
    field.send_keys(Keys.END)
    assert left_edge(browser) == "inset(0px 0px 0px 100%)"

    width = field.size["width"]
    ActionChains(browser).move_to_element_with_offset(field, -width // 4, 0).click().perform()
    assert int(field.get_attribute("value")) == pytest.approx(25, abs=3)


def test_the_pictures_on_the_divider_are_the_two_methods(browser: Any, bad_names: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    show(browser, bad_names, 1440)
    field = browser.find_element("css selector", ".slider input")
    row = browser.find_elements("css selector", ".pair .row img")
    style = "document.querySelectorAll('.tag,.handle').forEach(e => { e.style.display = 'none'; })"
    browser.execute_script(style)
    names = [image.get_attribute("src").rsplit("/", 1)[1] for image in row[:4]]
    assert names == ["content.jpg", "style.jpg", "optimised.jpg", "MeanColour.jpg"]
    slider = browser.find_element("css selector", ".slider")
    for key, name in ((Keys.HOME, "optimised"), (Keys.END, "MeanColour")):
        field.send_keys(key)
        small = screenshot(slider).resize((32, 24), Image.Resampling.BOX)
        found = np.asarray(small, dtype=float)
        source = browser.execute_script(
            "return document.querySelector('.slider img').getAttribute('src')"
        )
        file = bad_names / "report" / Path(unquote(source)).with_name(f"{name}.jpg")
        wanted = np.asarray(Image.open(file).resize((32, 24), Image.Resampling.BOX), dtype=float)
        assert np.abs(found - wanted)[2:-2, 2:-2].mean() < 12


def votes(browser: Any) -> list[dict[str, str]]:
    return browser.execute_script(
        "const key = Object.keys(localStorage).find(k => k.startsWith('nst_lightning vote'));"
        "return key ? JSON.parse(localStorage.getItem(key)) : []"
    )


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_blind_vote_from_the_first_ballot_to_the_tally(
    browser: Any, bad_names: Path, width: int, scheme: str
) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    show(browser, bad_names, width, scheme)
    status = browser.find_element("id", "vote-status")
    assert status.text.startswith("0 of 2 voted.")
    assert not browser.find_element("id", "vote-tally").is_displayed()
    browser.find_element("css selector", ".vote-open").click()
    booth = browser.find_element("id", "booth")
    assert booth.is_displayed()
    assert browser.switch_to.active_element.get_attribute("class") == "choice"
    assert "1 of 2" in booth.text
    assert "optimised" not in booth.text
    assert "mean colour" not in booth.text
    browser.execute_async_script(
        "const done = arguments[0], all = [...document.querySelectorAll('#booth img')];"
        "Promise.allSettled(all.map(i => i.decode())).then(() => done());"
    )
    # Both pictures and both references are seen at once, and nothing is cut off.
    for picture in booth.find_elements("css selector", "img"):
        box = picture.rect
        assert box["width"] > 40
        assert box["height"] > 40
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    inside = "const b = document.getElementById('booth'); return b.scrollHeight - b.clientHeight"
    assert browser.execute_script(inside) <= 0
    assert (np.asarray(screenshot(browser))[:, :3].mean() < 80) == (scheme == "dark")

    keys = ActionChains(browser)
    keys.send_keys("1").perform()
    assert "2 of 2" in booth.text
    (first,) = votes(browser)
    assert first["chosen"] == first["left"]
    keys.send_keys(Keys.BACKSPACE).perform()
    assert votes(browser) == []
    keys.send_keys(Keys.ARROW_RIGHT).perform()
    (first,) = votes(browser)
    assert first["chosen"] == first["right"]
    # Left and come back to: the vote is kept, and its ballot is not shown again.
    keys.send_keys(Keys.ESCAPE).perform()
    assert not booth.is_displayed()
    assert status.text.startswith("1 of 2 voted.")
    show(browser, bad_names, width, scheme)
    browser.find_element("css selector", "#vote .vote-open").click()
    browser.find_elements("css selector", ".choice")[1].click()
    made = votes(browser)
    assert {vote["pair"] for vote in made} == {p.name for p in (bad_names / "runs").iterdir()}
    assert made[1]["chosen"] == made[1]["right"]
    assert not browser.find_element("id", "booth").is_displayed()
    tally = browser.find_element("id", "vote-tally")
    assert tally.is_displayed()
    assert "optimised" in tally.text
    assert "mean colour" in tally.text
    optimised = sum(vote["chosen"] == "optimised" for vote in made)
    assert f"{optimised} of 2" in tally.text
    assert complaints(browser) == []
