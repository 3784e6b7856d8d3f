"""A real Chromium without a screen."""

import base64
import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
DRIVER = shutil.which("chromedriver") or ""

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="there is no chromium with chromedriver"
)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser that logs its console and every request."""
    pytest.importorskip("selenium")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    quiet = ("--disable-background-timer-throttling", "--disable-renderer-backgrounding")
    for argument in ("--headless=new", "--disable-gpu", "--hide-scrollbars", *quiet):
        options.add_argument(argument)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium has none for root
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def look_as(browser: Any, width: int, scheme: str = "light") -> None:
    """Let pages be shown as on a phone (under 500 px) or a desktop, light or dark."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    # Else a click waits for no scrolling: what is clicked on is not where it was.
    features.append({"name": "prefers-reduced-motion", "value": "reduce"})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def screenshot(shown: Any) -> Image.Image:
    """Return what is shown of the browser's window or an element of the page."""
    from selenium.common.exceptions import TimeoutException

    for attempt in range(3):
        try:
            shot = getattr(shown, "screenshot_as_base64", None) or shown.get_screenshot_as_base64()
            return Image.open(io.BytesIO(base64.b64decode(shot))).convert("RGB")
        except TimeoutException:  # a busy machine
            if attempt == 2:
                raise
    raise AssertionError


def complaints(browser: Any) -> list[str]:
    """Return what the console has said since the last call, but for plain remarks."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] != "INFO"]


def hosts_asked(browser: Any) -> set[str]:
    """Return the hosts of all requests since the last call, with the browser's own addresses."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        urlsplit(event["params"]["request"]["url"])
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    return {url.hostname or url.scheme for url in asked if url.scheme not in ("data", "blob")}
