"""A comparison whose file names are as bad as they get."""

from pathlib import Path

import pytest
from helpers.comparing import compare, write_style

BAD_CONTENT = '<b>cat & "dog"'
BAD_STYLE = "$x^1$ <img src=x onerror=alert(1)> {{ 7*7 }} |`*"


@pytest.fixture(scope="session")
def bad_names(tmp_path_factory: pytest.TempPathFactory, pictures: tuple[Path, Path]) -> Path:
    """Return the folder of a comparison with a good, an odd and a broken style."""
    folder = tmp_path_factory.mktemp("bad_names")
    content = folder / f"{BAD_CONTENT}.png"
    content.write_bytes(pictures[0].read_bytes())
    style = write_style(folder / f"{BAD_STYLE}.png", seed=1)
    broken = folder / "<script>alert(2)</script>".replace("/", "\N{DIVISION SLASH}")
    broken = broken.with_name(broken.name + ".png")
    broken.write_bytes(b"no picture")
    code = compare(folder / "out", [content], [style, pictures[1], broken])
    assert code == 1
    return folder / "out"
