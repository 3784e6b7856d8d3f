"""Settings of fit in compare: from files and options, laid over one another."""

from pathlib import Path

import pytest

from nst_lightning.compare.fit_settings import as_options, flat, lay_over
from nst_lightning.errors import InputError


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_later_ones_win_and_the_others_stay(tmp_path: Path) -> None:
    first = write(tmp_path / "a.yaml", "fit: {a.b: 1, c.d: 2, e: 0}\n")
    second = write(tmp_path / "b.yaml", "fit:\n  a:\n    b: 3\n  f: [1, 2]\nsize: 3\n")
    args = ["--size", "5", "--fit.e", "1e5", "--fit.g=null", "--out", "x"]
    settings, rest = lay_over([first, second], args)
    assert settings == {"c.d": 2, "a.b": 3, "f": [1, 2], "e": "1e5", "g": None}
    # As options are applied one after another, the last word must come last.
    assert list(settings) == ["c.d", "a.b", "f", "e", "g"]
    assert rest == ["--size", "5", "--out", "x"]


def test_a_class_stays_whole() -> None:
    given = {"model": {"style": {"class_path": "X", "init_args": {"weight": 1}}, "tv": None}}
    assert dict(flat(given)) == {"model.style": given["model"]["style"], "model.tv": None}


def test_options_of_fit() -> None:
    settings = {"config": "gatys", "model.style.weight": 2.5, "model.tv": None, "a": [1], "b": "x"}
    config, path, *others = as_options(settings)
    assert (config, Path(path).name) == ("--config", "gatys.yaml")
    assert others == ["--model.style.weight=2.5", "--model.tv=null", "--a=[1]", "--b=x"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--fit.data.size", "3"], "--fit.data.size belongs to the comparison; use --size"),
        (["--fit.data.content=a"], "use --contents"),
        (["--fit.model.tv"], "--fit.model.tv needs a value"),
        (["--fit.model.tv", "--size"], "--fit.model.tv needs a value"),
        (["--fit", "{}"], "--fit: name the setting"),
    ],
)
def test_mistakes(args: list[str], words: str) -> None:
    with pytest.raises(InputError) as caught:
        lay_over([], args)
    assert words in str(caught.value)


def test_fit_in_a_file_must_be_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fit: is not a mapping"):
        lay_over([write(tmp_path / "a.yaml", "fit: 3\n")], [])
