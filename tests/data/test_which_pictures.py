"""What counts as a picture, each once, and names that fit a folder."""

from pathlib import Path

import pytest

from nst_lightning.data.which_pictures import Pair, Source, find_sources, label_of, safe_name
from nst_lightning.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.PNG", "notes.txt", "c.webp"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "a.png").write_bytes(b"")
    return tmp_path


def labels(*given: object) -> list[str]:
    return [source.label for source in find_sources([str(g) for g in given], "styles")]


def test_a_folder_gives_its_pictures_by_name(folder: Path) -> None:
    assert labels(folder) == ["a", "b", "c"]


def test_globs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert labels(folder / "*.jpg") == ["b"]
    assert labels(folder / "**" / "*.png") == ["a"]
    monkeypatch.chdir(folder)
    assert labels("[bc].*") == ["b", "c"]


def test_the_order_given_stays_and_each_picture_comes_once(folder: Path) -> None:
    assert labels("sample:cat", folder / "c.webp", folder, "sample:cat") == ["cat", "c", "a", "b"]


def test_one_file_under_two_spellings_comes_once(folder: Path) -> None:
    (folder.parent / "link").symlink_to(folder)
    names = [folder / "cat.jpg", folder / ".." / folder.name / "cat.jpg"]
    names.append(folder.parent / "link" / "cat.jpg")
    assert [s.source for s in find_sources([*map(str, names)], "contents")] == [str(names[0])]


def test_a_missing_file_is_left_to_be_told_when_it_is_read() -> None:
    assert labels("nowhere.jpg") == ["nowhere"]


def test_a_name_with_brackets_that_exists_is_a_file(folder: Path) -> None:
    (folder / "[1].jpg").write_bytes(b"")
    assert labels(folder / "[1].jpg") == ["[1]"]


def test_a_list_as_yaml_writes_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert labels("[a.PNG, sample:cat]", "b.jpg") == ["a", "cat", "b"]
    Path("[1]").write_bytes(b"")
    assert labels("[1]") == ["[1]"]


@pytest.mark.parametrize("given", ["*.jpg", "", "empty"])
def test_nothing_found_is_one_line(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="--contents: "):
        find_sources([given], "contents")


def test_names_are_unique_whatever_the_case(folder: Path) -> None:
    (folder / "B.png").write_bytes(b"")
    given = [folder / "b.jpg", folder / "B.png", folder / "a.PNG", folder / "deeper" / "a.png"]
    found = find_sources([str(g) for g in given], "styles")
    assert [source.name for source in found] == ["b", "B-2", "a", "a-2"]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("starry_night", "starry_night"),
        ("a b--c", "a-b-c"),
        ("../../etc", "etc"),
        ("<img src=x>", "img-src-x"),
        ("Dürer 1", "Dürer-1"),
        ("???", "picture"),
        ("x" * 90, "x" * 60),
        ("\u5199" * 90, "\u5199" * 33),  # three bytes each
    ],
)
def test_safe_names(label: str, name: str) -> None:
    assert safe_name(label) == name


def test_labels() -> None:
    assert label_of("https://user:secret@host/a/b%20c.jpg?token=1") == "b%20c"
    assert label_of("sample:cat") == "cat"
    assert label_of("/some/where/The_Scream.v2.jpg") == "The Scream.v2"
    assert find_sources(["a/the_scream.jpg"], "styles")[0].name == "the_scream"


def test_a_pair() -> None:
    pair = Pair(Source("a-b", "a b", "a b.jpg"), Source("c", "c", "c.jpg"))
    assert (pair.name, pair.label) == ("a-b--c", "a b × c")  # noqa: RUF001


def test_labels_of_one_name_tell_the_folder(tmp_path: Path) -> None:
    given = ["d1/same.jpg", "d2/same.jpg", "e/d2/same.png", "d1/other.jpg"]
    assert labels(*given) == ["same (d1)", "same (d2)", "same (d2) (3)", "other"]


def test_one_file_under_two_spellings_is_one_picture(folder: Path) -> None:
    spelled = [folder / "b.jpg", folder / "deeper" / ".." / "b.jpg", f"{folder}//./b.jpg"]
    (folder / "link.jpg").symlink_to(folder / "b.jpg")
    assert labels(*spelled, folder / "link.jpg") == ["b"]
