import numpy as np
import pytest
import torch
from PIL import Image

from nst_lightning.data.output import contact_sheet
from nst_lightning.data.sheet import Cell, draw_cells
from nst_lightning.errors import InputError

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30), (30, 200, 200)]


def frames() -> list[torch.Tensor]:
    return [torch.tensor(c).reshape(1, 3, 1, 1).expand(1, 3, 24, 40) / 255 for c in COLOURS]


def box(sheet: np.ndarray, colour) -> tuple[int, int, int, int]:
    """Return where a colour is: top, bottom, left, right."""
    rows, columns = np.nonzero((sheet == colour).all(-1))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


@pytest.mark.parametrize(("columns", "rows"), [(None, [3, 2]), (2, [2, 2, 1]), (9, [5])])
def test_every_frame_is_there_in_reading_order(tmp_path, columns, rows):
    path = contact_sheet(frames(), range(5), tmp_path / "a.png", columns=columns, tile=64)
    sheet = np.asarray(Image.open(path))
    boxes = [box(sheet, colour) for colour in COLOURS]
    for top, bottom, left, right in boxes:
        assert (bottom - top, right - left) == (38, 64)
    tops = sorted({b[0] for b in boxes})
    assert [sum(b[0] == top for b in boxes) for top in tops] == rows
    assert boxes == sorted(boxes, key=lambda b: (b[0], b[2]))


def test_labels_are_drawn_under_their_frames(tmp_path):
    sheets = []
    for labels in (["", "", "", "", ""], ["step 10", "", "", "", "step 2000"]):
        path = contact_sheet(frames(), labels, tmp_path / "a.png", tile=64)
        sheets.append(np.asarray(Image.open(path)).astype(int))
    rows, columns = np.nonzero(np.abs(sheets[1] - sheets[0]).max(-1) > 100)
    for index in (0, 4):
        _, bottom, left, right = box(sheets[0], COLOURS[index])
        under = (rows >= bottom) & (rows < bottom + 20) & (columns >= left) & (columns < right)
        assert under.sum() > 20
        rows, columns = rows[~under], columns[~under]
    # And nowhere else.
    assert len(rows) == 0


def test_frames_of_several_shapes(tmp_path):
    pictures = [Image.new("RGB", (20, 80), "red"), Image.new("RGB", (80, 20), "blue")]
    path = contact_sheet(pictures, ["a", "b"], tmp_path / "a.jpg", tile=80)
    assert Image.open(path).width > 160


def test_labels_frames_and_a_missing_picture():
    grid = [[Cell(Image.new("RGB", (60, 30), "blue"), frame="#ff0000"), Cell(placeholder="none")]]
    plain = np.asarray(draw_cells(grid, 64))
    assert box(plain, (0, 0, 255)) == (6, 38, 6, 70)
    # The frame is drawn around the picture, and is as wide on every side.
    assert box(plain, (255, 0, 0)) == (3, 41, 3, 73)
    assert box(plain, (238, 238, 238)) == (6, 38, 76, 140)
    labelled = np.asarray(
        draw_cells(grid, 64, title="T", caption="c", columns=["one", "two"], heads=["head"])
    )
    _, _, left, _ = box(labelled, (0, 0, 255))
    top = box(labelled, (0, 0, 255))[0]
    assert left > 6
    assert top > 6
    assert (labelled[:top, left:].min(-1) < 100).any()  # the columns' labels
    assert (labelled[top:, : left - 2].min(-1) < 100).any()  # the row's


def test_what_is_refused(tmp_path):
    with pytest.raises(ValueError, match="one label each"):
        contact_sheet(frames(), ["a"], tmp_path / "a.png")
    with pytest.raises(ValueError, match="0 pictures"):
        contact_sheet([], [], tmp_path / "a.png")
    with pytest.raises(InputError, match="suffix"):
        contact_sheet(frames(), range(5), tmp_path / "a.xyz")
    assert list(tmp_path.iterdir()) == []
