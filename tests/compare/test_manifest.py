"""What tells one run from another."""

from pathlib import Path

from nst_lightning.compare.manifest import Manifest, decisive, digest
from nst_lightning.data.samples import sample_bytes
from nst_lightning.data.sources import source_digest


def test_a_manifest_comes_back(tmp_path: Path) -> None:
    made = Manifest("abc", True, 1.5, {"fast.png": "d"}, {"fast.png": 0.1})
    made.write(tmp_path)
    assert Manifest.read(tmp_path) == made


def test_a_damaged_manifest_counts_as_none(tmp_path: Path) -> None:
    for text in ("", "[]", '{"other": 1}', "{"):
        (tmp_path / "compare.json").write_text(text)
        assert Manifest.read(tmp_path) == Manifest()


def test_a_pictures_digest_is_its_content(tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    first.write_bytes(b"1")
    second.write_bytes(b"1")
    assert source_digest(str(first)) == source_digest(str(second))
    second.write_bytes(b"2")
    assert source_digest(str(first)) != source_digest(str(second))
    first.write_bytes(sample_bytes("klimt"))
    assert source_digest("sample:klimt") == source_digest(str(first))


def test_digest_knows_no_order_of_keys() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})


def test_where_a_run_is_and_how_it_is_shown_does_not_decide() -> None:
    config = {
        "seed_everything": 0,
        "model": {"tv": None},
        "data": {"content": "a", "style": "b", "size": 4},
        "trainer": {"default_root_dir": "x", "max_epochs": 2, "accelerator": "cpu"},
        "images": {"every_n_steps": 3},
    }
    told = decisive(config)
    assert told["data"] == {"size": 4}
    assert told["trainer"]["max_epochs"] == 2
    assert "images" not in told
    moved = {**config, "trainer": {**config["trainer"], "default_root_dir": "y"}}
    assert decisive(moved) == told
    longer = {**config, "trainer": {**config["trainer"], "max_epochs": 3}}
    assert decisive(longer) != told
