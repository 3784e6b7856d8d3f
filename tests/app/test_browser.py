"""The app in a real Chromium: from two files dropped to a picture kept."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.browser import (
    chromium,
    hosts_asked,
    look_as,
    needs_chromium,
    save_in,
    until,
    whole_page,
)
from PIL import Image

from nst_lightning.data.metadata import read_settings
from nst_lightning.session import open_run

pytestmark = [pytest.mark.slow, needs_chromium]
pytest.importorskip("gradio", reason="the extra app is not installed")

SIZE = "#size :is(input, textarea)"
ROOT = Path(__file__).parents[2]
GUARD = ROOT / "nst_lightning" / "cloud" / "rehearsal" / "guard"
# Read by the app's process before anything else: it notes whoever wants to leave this machine.
WATCH = """
import sys
from loopback_watch import watch

def noted(event, args):
    try:
        watch(event, args)
    except OSError as error:
        with open({note!r}, "a") as file:
            file.write(f"{{event}} {{error}}\\n")
        raise

sys.addaudithook(noted)
"""


class App:
    """The program, started in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.note = folder, folder / "left.txt"
        watch = folder / "watch"
        watch.mkdir(exist_ok=True)
        (watch / "sitecustomize.py").write_text(WATCH.format(note=str(self.note)))
        path = os.pathsep.join([str(watch), str(GUARD), str(ROOT)])
        self._log = folder / "log.txt"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nst_lightning", "app", "--out", "made", "--browser=false"],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.address = until(lambda: re.search(r"http://\S+", self.said), 300)[0]

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def made(self) -> list[Path]:
        return sorted((self.folder / "made").glob("*/*.png"))

    def end(self) -> int:
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(120)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    running = App(tmp_path_factory.mktemp("app"))
    yield running
    running.end()


@pytest.fixture
def page(app: App, tmp_path: Path) -> Iterator[Any]:
    with chromium() as browser:
        save_in(browser, tmp_path / "downloads")
        look_as(browser, 1440)
        browser.get(app.address)
        until(lambda: find(browser, "#photograph input[type=file]"))
        until(
            lambda: "on two cores" in text(browser, "body") or "took here" in text(browser, "body")
        )
        yield browser
        refused = [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
        assert refused == []
        assert hosts_asked(browser) == {"127.0.0.1"}


def find(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def text(browser: Any, selector: str) -> str:
    return str(find(browser, selector).text)


def drop(browser: Any, role: str, file: Path) -> None:
    find(browser, f"#{role} input[type=file]").send_keys(str(file))


def drag(browser: Any, selector: str, file: Path) -> None:
    """Drop a file as the mouse does, on whatever lies there."""
    place = find(browser, selector)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", place)
    x, y = browser.execute_script(
        "const at = arguments[0].getBoundingClientRect();"
        "return [at.x + at.width / 2, at.y + at.height / 2]",
        place,
    )
    data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": x, "y": y, "data": data}
        browser.execute_cdp_cmd("Input.dispatchDragEvent", event)


def choose_size(browser: Any, pixels: int) -> None:
    from selenium.webdriver.common.keys import Keys

    field = find(browser, SIZE)
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(str(pixels), Keys.ENTER)
    assert field.get_attribute("value") == str(pixels)


def set_strength(browser: Any, value: str) -> None:
    from selenium.webdriver.common.keys import Keys

    field = find(browser, "#strength input[type=number]")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(value, Keys.TAB)
    until(lambda: find(browser, "#strength input[type=range]").get_attribute("value") == value)


def press(browser: Any, selector: str) -> None:
    button = find(browser, selector)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()


def shown(browser: Any) -> str:
    return str(find(browser, "#picture img").get_attribute("src"))


def test_two_files_dropped_and_a_picture_kept(
    page: Any, app: App, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    drop(page, "photograph", pictures[0])
    drop(page, "painting", pictures[1])
    until(lambda: find(page, "#photograph-view img") and find(page, "#painting-view img"))
    # Another takes its place, wherever of its part it is dropped; beside them nothing is opened.
    drag(page, "h1", pictures[1])
    for place, number in (("#photograph", 1), ("#photograph-view", 0)):
        drag(page, place, pictures[number])
        until(lambda name=pictures[number].name: text(page, "#photograph-line") == name)
    assert (len(page.window_handles), text(page, "h1")) == (1, "Paint a photograph")
    choose_size(page, 24)  # what is typed counts, though a usual size begins with it
    choose_size(page, 128)
    set_strength(page, "0.62")
    press(page, "#paint")
    seen = set()

    def finished() -> bool:
        seen.update(
            e.get_attribute("src") for e in page.find_elements("css selector", "#picture img")
        )
        return "is finished" in text(page, "#status")

    until(finished, 300)
    until(lambda: shown(page).endswith("content--style.png"))
    assert len(seen | {shown(page)}) >= 3  # it was shown as it was painted
    press(page, "#download a")
    name = "0001-content--style.png"
    saved = until(lambda: next(iter((tmp_path / "downloads").glob(name)), None))
    assert saved.read_bytes() == app.made[0].read_bytes()
    settings = read_settings(saved)
    assert (settings["model"]["strength"], settings["data"]["size"]) == (0.62, 128)
    assert (settings["data"]["content"], settings["data"]["style"]) == ("content.png", "style.png")
    with Image.open(saved) as picture:
        assert picture.size == (128, 96)

    # The same picture, byte for byte, as the command line's.
    again = open_run(
        {"data.content": str(pictures[0]), "data.style": str(pictures[1]), "data.size": 128}
        | {"model.strength": 0.62, "trainer.default_root_dir": str(tmp_path / "line")},
        summary=False,
        progress=False,
        checkpoints=False,
    )
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the app of these tests
    again.run()
    torch.set_num_threads(threads)
    assert again.picture_path.read_bytes() == saved.read_bytes()


def test_its_settings_paint_it_again(page: Any, app: App, pictures: tuple[Path, Path]) -> None:
    first = app.made[0]
    press(page, "#settings-of > button")
    until(lambda: find(page, "#settings input[type=file]")).send_keys(str(first))
    until(lambda: find(page, "#strength input[type=range]").get_attribute("value") == "0.62")
    assert find(page, SIZE).get_attribute("value") == "128"
    assert "Paint now uses the settings of 0001" in text(page, "body")
    drop(page, "photograph", pictures[0])
    drop(page, "painting", pictures[1])
    until(lambda: find(page, "#photograph-view img") and find(page, "#painting-view img"))
    before = len(app.made)
    press(page, "#paint")
    until(lambda: len(app.made) > before, 300)
    until(lambda: "is finished" in text(page, "#status"))
    one, other = (np.asarray(Image.open(path)) for path in (first, app.made[-1]))
    assert np.array_equal(one, other)


def test_stop_keeps_the_picture_and_the_next_job_follows(page: Any, app: App) -> None:
    press(page, "#photograph-samples button")
    press(page, "#painting-samples button")
    until(lambda: find(page, "#photograph-view img") and find(page, "#painting-view img"))
    choose_size(page, 256)
    press(page, "#paint")
    until(lambda: re.search(r"step [2-9]\d* of", text(page, "#status")), 300)
    choose_size(page, 64)
    press(page, "#paint")
    until(lambda: ", painted, strength 0.5, 64 px: 1 before it" in text(page, "#status"))
    before = len(app.made)
    press(page, "#stop")
    until(lambda: len(app.made) == before + 1)
    stopped = json.loads(app.made[-1].with_name("app.json").read_text())
    assert 2 <= stopped["steps"] < 60
    until(lambda: len(app.made) == before + 2, 300)
    until(lambda: "klimt is finished" in text(page, "#status"))
    assert "before it" not in text(page, "body")
    assert f"stopped at step {stopped['steps']} of 60" in text(page, "#gallery")
    assert read_settings(app.made[-1])["data"]["size"] == 64


def test_what_is_wrong_with_a_file_is_said_as_on_the_command_line(
    page: Any, tmp_path: Path, pictures: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    from nst_lightning.cli import main

    odd = {
        "text.jpg": b"no picture at all",
        "cut off.png": pictures[0].read_bytes()[:200],
        "<b>.svg": b"<svg></svg>",
        "empty.png": b"",
        "bomb.png": _bomb(),
    }
    for name, data in odd.items():
        file = tmp_path / name
        file.write_bytes(data)
        assert main(["fit", f"--data.content={file}", "--data.style=sample:klimt"]) == 2
        said = capfd.readouterr().err.strip().replace(f"{tmp_path}/", "")
        assert said.startswith("error: content picture: ")
        drop(page, "photograph", file)
        # Gradio takes < and > out of names.
        expected = said.replace("<b>", "b")
        until(lambda expected=expected: text(page, "#photograph-line") == expected, 30)
    press(page, "#paint")
    until(lambda: "there is no photograph yet" in text(page, "#problem"))


def _bomb() -> bytes:
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits(page: Any, app: App, width: int, scheme: str) -> None:
    look_as(page, width, scheme)
    page.refresh()
    until(lambda: find(page, "#gallery img"))
    press(page, "#gallery button")
    until(lambda: "Use these settings" in text(page, "body"))
    time.sleep(1)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    picture = np.asarray(whole_page(page))
    assert (picture[:, :5].mean() < 80) == (scheme == "dark")
    unnamed = page.execute_script(
        "return [...document.querySelectorAll('button, input, a')].filter(e => e.offsetParent && "
        "!e.querySelector('.image-frame') && "  # Gradio's own, around a picture
        "!(e.innerText || e.ariaLabel || e.title || e.labels?.length)).map(e => e.outerHTML)"
    )
    assert unnamed == []


def test_the_gallery_outlives_the_program_and_nothing_left_this_machine(
    app: App, tmp_path: Path
) -> None:
    made = len(app.made)
    assert made
    assert app.end() == 0
    other = App(app.folder)
    with chromium() as browser:
        browser.get(other.address)
        until(lambda: len(browser.find_elements("css selector", "#gallery img")) == made)
        press(browser, "#gallery button")
        until(lambda: "strength: " in text(browser, "body"))
        press(browser, "#use")
        until(lambda: "Paint now uses the settings of" in text(browser, "body"))
    assert other.end() == 0
    assert not app.note.exists(), app.note.read_text()
