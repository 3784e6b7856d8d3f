"""A real Chromium without a screen."""

import base64
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
DRIVER = shutil.which("chromedriver") or ""
needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="there is no chromium with chromedriver"
)


@contextmanager
def open_browser(downloads: Path) -> Iterator[Any]:
    """Open a browser that saves files in a folder, and notes what it asks for."""
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
    downloads.mkdir(exist_ok=True)
    where = {"behavior": "allow", "downloadPath": str(downloads)}
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    try:
        yield driver
    finally:
        driver.quit()


def show_as(browser: Any, width: int, scheme: str = "light") -> None:
    """Be a phone (under 500 px) or a desktop, in light or dark colours, and move nothing."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    features.append({"name": "prefers-reduced-motion", "value": "reduce"})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def until(what: Callable[[], Any], seconds: float = 120) -> Any:
    """Return what a function returns as soon as that is true; its last error if it never is."""
    deadline, error = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            if found := what():
                return found
        # The page may change between finding an element and asking it.
        except Exception as failed:
            error = failed
        time.sleep(0.2)
    raise AssertionError("it did not become so in time") from error


def asked_for(browser: Any) -> list[str]:
    """Return all addresses that were asked for since the last call."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def whole_page(browser: Any) -> Image.Image:
    """Return a screenshot of the page from its top to its end."""
    size = browser.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
    shot = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
    )
    return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
