"""Whose a film's folder is, and what a part of a clip is told apart by."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.clips import make
from helpers.moving import moving

from nst_lightning.errors import InputError
from nst_lightning.run_folder import RunFolder
from nst_lightning.video.film_folder import FilmFolder, find_folder
from nst_lightning.video.painting import FramePainter, Painted
from nst_lightning.video.production import Production
from nst_lightning.video.reading import open_clip


def test_another_film_is_refused_and_untouched(tmp_path: Path) -> None:
    folder = FilmFolder(tmp_path)
    assert not folder.holds("one", overwrite=False)
    folder.begin("one", {})
    frame = folder.picture(0)
    frame.parent.mkdir()
    frame.write_bytes(b"painted")
    assert folder.holds("one", overwrite=False)
    with pytest.raises(InputError, match="--overwrite true"):
        folder.holds("two", overwrite=False)
    assert not folder.holds("two", overwrite=True)
    assert frame.is_file(), "a question deletes nothing"
    folder.begin("two", {})
    assert not frame.exists()


def test_a_film_goes_where_its_own_or_nothing_is(tmp_path: Path) -> None:
    first = tmp_path / "clip--waves"
    assert find_folder(first, "one", anew=False) == first
    FilmFolder(first).begin("one", {})
    assert find_folder(first, "one", anew=False) == first
    second = find_folder(first, "two", anew=False)
    assert second == tmp_path / "clip--waves-2"
    FilmFolder(second).begin("two", {})
    third = tmp_path / "clip--waves-3"
    third.mkdir()
    (third / "stylized.png").write_bytes(b"a run's")
    assert find_folder(first, "three", anew=False) == tmp_path / "clip--waves-4"
    # A film is replaced by itself alone, else the first.
    assert find_folder(first, "two", anew=True) == second
    assert find_folder(first, "three", anew=True) == first


def test_a_films_folder_takes_no_run(tmp_path: Path) -> None:
    assert not RunFolder(tmp_path).holds_a_run
    FilmFolder(tmp_path).begin("one", {})
    assert RunFolder(tmp_path).holds_a_run


def test_a_runs_folder_takes_no_film(tmp_path: Path) -> None:
    (tmp_path / "stylized.png").write_bytes(b"a run's")
    with pytest.raises(InputError, match="another --folder, or --overwrite true"):
        FilmFolder(tmp_path).holds("one", overwrite=False)
    assert not FilmFolder(tmp_path).holds("one", overwrite=True)


def test_a_frame_of_the_last_pass_without_its_picture_is_forgotten(tmp_path: Path) -> None:
    """As where files came here one by one, from another machine's disk."""
    folder, other = FilmFolder(tmp_path), FilmFolder(tmp_path / "older")
    frame, raw = np.zeros((4, 6, 3), np.uint8), torch.zeros(1, 3, 4, 6)
    for number, level in ((0, 0.2), (1, 0.7)):
        painted = Painted(
            frame, raw, torch.full_like(raw, level), None, torch.zeros(1, 1, *frame.shape[:2])
        )
        for index in range(3):
            folder.keep(number, index, painted, begins=index == 0)
        if number == 0:
            other.keep(0, 1, painted, begins=False)
    folder.picture(0).unlink()
    shutil.copy(other.picture(1), folder.picture(1))  # still that of the pass before
    folder.mend(1)
    assert [folder.has(1, index) for index in range(3)] == [False, False, True]
    assert all(folder.has(0, index) for index in range(3))


def test_parts_of_a_clip_of_the_same_length_are_two_films(tmp_path: Path) -> None:
    clip = str(make(tmp_path / "in.mp4", moving(4, size=(96, 64))[0], rate=4))
    settings = {"data.size": 96, "data.steps_per_epoch": 1}
    films = []
    for start, end in (("0", "0.5"), ("0.5", "1"), ("0", "0.5")):
        production = Production(clip, ["sample:waves"], "out.mp4", tmp_path, start, end)
        painter = FramePainter(settings, [], production.styles, 3e6)
        with open_clip(clip, start, end) as part:
            assert part.info.count == 2
            films.append(production._identity(painter, part)[0])
    assert films[0] != films[1]
    assert films[0] == films[2]
