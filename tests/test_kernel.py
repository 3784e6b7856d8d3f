"""What a notebook's cells show, in a real kernel; and the example notebook, run as it stands."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

EXAMPLES = Path(__file__).parents[1] / "examples"


class Watched(nbclient.NotebookClient):  # type: ignore[misc]
    """Notes every message that a cell shows, not the last alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shown: list[dict[str, Any]] = []

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] in ("display_data", "update_display_data"):
            place = msg["content"]["transient"]["display_id"]
            self.shown.append({"place": place, **msg["content"]["data"]})
        return super().process_message(msg, cell, cell_index)


def run(book: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    resources = {"metadata": {"path": str(folder)}}
    client = Watched(book, timeout=500, kernel_name="python3", resources=resources)
    client.execute()
    return client


def test_a_bar_and_the_picture_as_it_changes(
    pictures: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"""
from nst_lightning import stylize
from nst_lightning.callbacks import picture_feed
picture_feed.EVERY = 0
picture = stylize({str(pictures[0])!r}, {str(pictures[1])!r}, size=48, steps=4, preview=True)
"""
    cells = [nbformat.v4.new_code_cell(code), nbformat.v4.new_code_cell("picture")]
    book = nbformat.v4.new_notebook(cells=cells)
    shown = run(book, tmp_path, monkeypatch).shown
    bars = [entry for entry in shown if "text/html" in entry]
    frames = [entry for entry in shown if "image/jpeg" in entry]
    assert {len({entry["place"] for entry in some}) for some in (bars, frames)} == {1}
    assert bars[0]["text/plain"].startswith("painting 0/4")
    assert re.match(r"painting 4/4 \d:\d\d:\d\d  loss ", bars[-1]["text/plain"])
    assert 'max="4" value="4"' in bars[-1]["text/html"]
    seen = [np.asarray(Image.open(io.BytesIO(_bytes(f["image/jpeg"]))), int) for f in frames]
    assert [picture.shape for picture in seen] == [(36, 48, 3)] * 5
    assert np.abs(seen[0] - seen[-1]).max() > 20  # it changed
    # What stays in the cell is the bar at its end and the last picture; the result is a cell's own.
    kinds = [sorted(output["data"]) for output in book.cells[0]["outputs"]]
    assert kinds == [["text/html", "text/plain"], ["image/jpeg", "text/plain"]]
    result = Image.open(io.BytesIO(_bytes(book.cells[1]["outputs"][0]["data"]["image/png"])))
    assert np.abs(np.asarray(result.convert("RGB"), int) - seen[-1]).mean() < 8  # a JPEG


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_an_example_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in book.cells)  # none is kept in the repository
    client = run(book, tmp_path, monkeypatch)
    assert any("image/jpeg" in entry for entry in client.shown)
    for cell in book.cells:
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr", output


def test_there_is_an_example() -> None:
    assert (EXAMPLES / "first_painting.ipynb").is_file()
