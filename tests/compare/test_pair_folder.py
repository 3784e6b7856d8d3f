"""What is kept of a pair, and what decides whether it is painted again."""

from pathlib import Path

import torch
from PIL import Image

from nst_lightning.compare.pair_folder import PairFolder, Record
from nst_lightning.fingerprint import decisive


def test_a_record_comes_back(tmp_path: Path) -> None:
    folder = PairFolder(tmp_path)
    folder.record = Record("abc", True, 1.5, {"fast.png": "d"}, {"fast.png": 0.1})
    folder.write_record()
    assert PairFolder(tmp_path).record == folder.record


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    for text in ("", "[]", '{"other": 1}', "{"):
        (tmp_path / "compare.json").write_text(text)
        assert PairFolder(tmp_path).record == Record()


def test_finished_foreign_and_unfinished(tmp_path: Path) -> None:
    folder = PairFolder(tmp_path)
    assert not folder.is_finished("abc")
    assert not folder.is_foreign
    # A stopped run has a picture, too.
    folder.begin("abc")
    picture = tmp_path / "stylized.png"
    Image.new("RGB", (16, 16)).save(picture)
    assert not PairFolder(tmp_path).is_finished("abc")
    folder.record.finished = True
    folder.write_record()
    assert PairFolder(tmp_path).is_finished("abc")
    assert not PairFolder(tmp_path).is_finished("other")
    assert not PairFolder(tmp_path).is_foreign
    # Without a record it was made elsewhere, and is taken as it is.
    (tmp_path / "compare.json").unlink()
    assert PairFolder(tmp_path).is_foreign
    assert PairFolder(tmp_path).is_finished("other")
    # A run that begins leaves nothing of the one before.
    folder.begin("other")
    assert not picture.exists()
    assert PairFolder(tmp_path).record == Record("other")


def test_a_picture_beside_is_there_if_it_was_made_of_the_same(tmp_path: Path) -> None:
    folder = PairFolder(tmp_path)
    assert not folder.has("fast", "d")
    folder.add("fast", torch.zeros(1, 3, 16, 16), "d")
    assert folder.has("fast", "d")
    assert not folder.has("fast", "e")
    (tmp_path / "fast.png").unlink()
    assert not folder.has("fast", "d")


def test_where_a_run_is_and_how_it_is_shown_does_not_decide() -> None:
    config = {
        "seed_everything": 0,
        "model": {"tv": None},
        "data": {"content": "a", "style": "b", "size": 4},
        "trainer": {"default_root_dir": "x", "max_epochs": 2, "accelerator": "cpu"},
        "images": {"every_n_steps": 3},
    }
    kept = decisive(config)
    assert kept["data"] == {"size": 4}
    assert kept["trainer"]["max_epochs"] == 2
    assert "images" not in kept
    moved = {**config, "trainer": {**config["trainer"], "default_root_dir": "y"}}
    assert decisive(moved) == kept
    longer = {**config, "trainer": {**config["trainer"], "max_epochs": 3}}
    assert decisive(longer) != kept
