"""The paintings: a made-up tree with the published statistics, odd names, damage, queries."""

import os
import time
from pathlib import Path

import pytest
from helpers import paintings
from PIL import Image

from nst_lightning.artworks import collection as module
from nst_lightning.artworks.collection import Artworks, find_files
from nst_lightning.artworks.download import VARIABLE
from nst_lightning.artworks.index import index_folder
from nst_lightning.artworks.names import fold, key_of, number_of, repair
from nst_lightning.artworks.query import parse_query
from nst_lightning.cli import main
from nst_lightning.data.images import load_image


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path_factory.mktemp("kaggle")))
    monkeypatch.delenv(VARIABLE, raising=False)
    module._indexed.cache_clear()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paintings.make(tmp_path_factory.mktemp("paintings"))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two artists with pictures, one without, two damaged files."""
    for artist, count in (("Gustav_Klimt", 3), ("Albrecht_Dürer", 2)):
        folder = tmp_path / "art" / artist
        folder.mkdir(parents=True)
        for number in range(1, count + 1):
            picture = Image.effect_noise((60 + number, 40), 60).convert("RGB")
            picture.save(folder / f"{artist}_{number}.jpg")
    (tmp_path / "art" / "Nobody").mkdir()
    whole = (tmp_path / "art" / "Gustav_Klimt" / "Gustav_Klimt_1.jpg").read_bytes()
    (tmp_path / "art" / "Gustav_Klimt" / "Gustav_Klimt_8.jpg").write_bytes(whole[:-300])
    (tmp_path / "art" / "Gustav_Klimt" / "Gustav_Klimt_9.jpg").write_text("no picture")
    return tmp_path / "art"


# -- the published statistics --


def test_the_published_statistics(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["artworks", f"--root={tree}", f"--out={tmp_path}", "--figures=false"]) == 0
    said = capsys.readouterr().out
    assert "paintings  8118 of 50 artists" in said
    assert "an artist  median 120, IQR 101, from 24 (Painter 44) to 877 (Vincent van Gogh)" in said
    assert "width      median 807 px, from 204 to 4096" in said
    assert "height     median 923 px, from 226 to 3826" in said
    lines = (tmp_path / "statistics.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 51
    assert lines[1].startswith("Vincent van Gogh,")
    assert lines[2].startswith("Albrecht Dürer,Northern Renaissance,Dutch,1800 - 1850,443,")
    assert len((tmp_path / "index.csv").read_text(encoding="utf-8").splitlines()) == 8119


def test_the_figures(small: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib (the extra 'paintings')")
    assert main(["artworks", f"--root={small}", f"--out={tmp_path / 'out'}"]) == 0
    for name in ("figure4.png", "figure5.png"):
        with Image.open(tmp_path / "out" / name) as figure:
            assert figure.width > 500


def test_the_cache_says_the_same(tree: Path) -> None:
    started = time.monotonic()
    first = Artworks.read(tree)
    between = time.monotonic()
    again = Artworks.read(tree)
    print(f"cold {between - started:.2f} s, warm {time.monotonic() - between:.2f} s")
    assert again.works == first.works
    assert len(first.works) == paintings.TOTAL


def test_a_changed_file_is_read_again(small: Path) -> None:
    before = {e.path: e for e in index_folder(small)}
    path = small / "Gustav_Klimt" / "Gustav_Klimt_2.jpg"
    Image.new("RGB", (99, 77)).save(path)
    os.utime(path, ns=(1, 1))
    after = {e.path: e for e in index_folder(small)}
    changed = {p for p in after if after[p] != before[p]}
    assert changed == {"Gustav_Klimt/Gustav_Klimt_2.jpg"}
    assert (after[changed.pop()].width, before["Gustav_Klimt/Gustav_Klimt_2.jpg"].width) == (99, 62)


def test_a_turned_photograph_has_the_size_that_is_seen(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    (tmp_path / "A").mkdir()
    Image.new("RGB", (50, 20)).save(tmp_path / "A" / "a.jpg", exif=exif)
    (entry,) = index_folder(tmp_path)
    assert (entry.width, entry.height) == (20, 50)


# -- damage --


def test_damaged_files_are_listed_and_not_fatal(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    assert main(["artworks", f"--root={small}", f"--out={out}", "--figures=false"]) == 0
    listed = (out / "corrupt.txt").read_text().splitlines()
    assert len(listed) == 2
    assert "Gustav_Klimt_8.jpg: image file is truncated" in listed[0]
    assert "Gustav_Klimt_9.jpg: it is not a picture" in listed[1]
    said = capsys.readouterr().out
    assert said.count("corrupt: ") == 2
    assert "note: no readable painting by Nobody" in said


def test_damage_in_the_middle_needs_decoding(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    path = tmp_path / "A" / "a.png"
    Image.effect_noise((90, 90), 60).save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :: 7] = bytes(len(data[len(data) // 2 :: 7]))
    path.write_bytes(bytes(data[:-12]) + b"\0\0\0\0IEND\xaeB`\x82")
    assert index_folder(tmp_path)[0].error == ""
    assert index_folder(tmp_path, decode=True)[0].error != ""


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("artworks:Nobody/1", ["Nobody has no readable painting"]),
        ("artworks:Nobody", ["Nobody has no readable painting"]),
        ("artworks:Gustaf_Klimt/3", ["no artist 'Gustaf_Klimt'", "did you mean Gustav_Klimt?"]),
        ("artworks:Gustav_Klimt/77", ["no painting artworks:Gustav_Klimt/77", "1 to 3"]),
        ("artworks:Gustav_Klimt/\u00b2", ["there is no painting"]),
        ("artworks:Gustav_Klimt/8", ["no painting artworks:Gustav_Klimt/8"]),
        ("artworks:Gustav_Klimt?n=4", ["asks for 4 and finds 3"]),
        ("artworks:Gustav_Klimt?min_side=512", ["finds 0"]),
        ("artworks:Gustav_Klimt?min_syde=512", ["min_syde=512", "did you mean min_side?"]),
        ("artworks:Gustav_Klimt?n=0", ["n=0", "at least 1"]),
        ("artworks:Gustav_Klimt?n=many", ["n=many"]),
        ("artworks:Gustav_Klimt/", ["after the slash"]),
        ("artworks:", ["name an artist"]),
        ("artworks:?genre=Cubism", ["genre 'Cubism'", "no artists.csv"]),
    ],
)
def test_a_query_that_finds_nothing(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture, source: str, words: list[str]
) -> None:
    run = tmp_path / "run"
    args = [
        f"--data.style={source}",
        f"--data.artworks={small}",
        f"--trainer.default_root_dir={run}",
    ]
    assert main(args) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for word in words:
        assert word in said
    assert not run.exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--root=nowhere"], "no folder nowhere"),
        ([], "NST_ARTWORKS"),
        (["--select=klimt"], "does not begin with artworks:"),
        (["--select=artworks:Nobody"], "no readable painting"),
        (["--rot=x"], "did you mean --root"),
    ],
)
def test_a_mistake_on_the_command_line(
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    args: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if "--select" in "".join(args):
        monkeypatch.setenv(VARIABLE, str(small))
    assert main(["artworks", *args]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said
    assert not (tmp_path / "outputs").exists()


def test_a_folder_without_pictures(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "A").mkdir()
    assert main(["artworks", f"--root={tmp_path}"]) == 2
    assert "no picture under" in capsys.readouterr().err


def test_download_without_kagglehub(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert main(["artworks", "--download=true"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "pip install kagglehub" in said


# -- queries --


@pytest.mark.parametrize("artist", ["Gustav_Klimt", "gustav klimt", "GUSTAV-KLIMT"])
def test_one_painting_by_number(small: Path, artist: str) -> None:
    (path,) = find_files(f"artworks:{artist}/3", small)
    assert Path(path).name == "Gustav_Klimt_3.jpg"


def test_a_sample_by_size_count_and_seed(tree: Path) -> None:
    query = "artworks:Vincent_van_Gogh?min_side=512&n=5"
    chosen = find_files(query, tree)
    assert chosen == find_files(query, tree)
    assert len(set(chosen)) == 5
    assert all("Vincent_van_Gogh" in path for path in chosen)
    assert chosen != find_files(f"{query}&seed=1", tree)
    for path in chosen:
        with Image.open(path) as picture:
            assert min(picture.size) >= 512


def test_by_genre_and_all(tree: Path) -> None:
    artworks = Artworks.read(tree)
    works = artworks.select(parse_query("artworks:?genre=art nouveau&n=all"))
    artists = {w.artist for w in works}
    assert artists == {name for i, name in enumerate(paintings.names()) if i % 4 == 0}
    assert len(works) == sum(c for i, c in enumerate(paintings.counts()) if i % 4 == 0)


def test_the_environment_names_the_folder(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(small))
    image = load_image("artworks:albrecht durer/2", 32, role="style")
    assert image.original_size == (62, 40)


def test_several_styles_at_once(small: Path) -> None:
    from nst_lightning import ImagePair

    pair = ImagePair(style="artworks:Gustav_Klimt?n=2", size=32, artworks=str(small))
    pair.setup("fit")
    assert len(pair.styles) == 2
    assert pair.blend == [0.5, 0.5]


# -- names --


@pytest.mark.parametrize(
    "name",
    [
        "Albrecht_Dürer",
        "Albrecht_Du\u0308rer",  # decomposed, as macOS writes it
        "Albrecht_DuΓòá├¬rer",  # Kaggle's
        "Albrecht_DÃ¼rer",
        "Albrecht_D\udcfcrer",  # a byte that is no UTF-8
    ],
)
def test_every_spelling_of_durer(name: str) -> None:
    assert key_of(name) == "Albrecht_Dürer"
    assert fold(name) == fold("ALBRECHT DURER")


@pytest.mark.parametrize("name", ["Joan_Miró", "Paul Cézanne", "歌川広重", "Ștefan Luchian", "Ål"])
def test_sound_names_stay(name: str) -> None:
    assert repair(name) == name


@pytest.mark.parametrize(
    ("stem", "number"), [("Gustav_Klimt_3", 3), ("plate 12", 12), ("1889", None), ("sky", None)]
)
def test_numbers(stem: str, number: int | None) -> None:
    assert number_of(stem) == number


def test_two_spellings_of_one_folder_count_once(tmp_path: Path) -> None:
    for folder in ("Albrecht_Dürer", "Albrecht_DuΓòá├¬rer"):
        (tmp_path / folder).mkdir()
        for number in (1, 2):
            Image.new("RGB", (30, 20)).save(tmp_path / folder / f"{folder}_{number}.jpg")
    artworks = Artworks.read(tmp_path)
    assert len(artworks.works) == 2
    assert artworks.duplicates == 2
    assert {work.path.parent.name for work in artworks.works} == {"Albrecht_Dürer"}


def test_flat_resized_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "resized" / "resized"
    folder.mkdir(parents=True)
    for name in ("Gustav_Klimt_1", "Gustav_Klimt_2", "Jan_van_Eyck_1"):
        Image.new("RGB", (30, 20)).save(folder / f"{name}.jpg")
    counts = {k: len(v) for k, v in Artworks.read(tmp_path).by_artist().items()}
    assert counts == {"Gustav_Klimt": 2, "Jan_van_Eyck": 1}
