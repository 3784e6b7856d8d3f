"""One comparison for the tests that only look at it: two styles that work, and a broken one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers.comparing import compare, document, write_style


@dataclass
class Made:
    """A comparison that has run."""

    out: Path
    code: int
    err: str
    document: dict[str, Any]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, pictures: tuple[Path, Path]) -> Made:
    """Compare one content with a good style, a broken one and one more good one."""
    import contextlib
    import io

    folder = tmp_path_factory.mktemp("comparison")
    broken = folder / "broken.png"
    broken.write_bytes(pictures[1].read_bytes()[:-40])
    other = write_style(folder / "other.png", seed=3)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = compare(folder / "out", [pictures[0]], [pictures[1], broken, other])
    assert code != 2, said.getvalue()
    return Made(folder / "out", code, said.getvalue(), document(folder / "out"))
