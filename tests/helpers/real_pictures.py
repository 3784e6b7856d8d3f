"""Pairs of real pictures: samples, which every clone has, and photographs beside the repository."""

from pathlib import Path

import pytest

SHARED_IMAGES = Path(__file__).parents[3] / "shared" / "images"

SAMPLES = ("sample:cat", "sample:starry")
SHARED = (str(SHARED_IMAGES / "tubingen.jpg"), str(SHARED_IMAGES / "starry_night.jpg"))

only_with_shared = pytest.mark.skipif(
    not all(Path(source).is_file() for source in SHARED),
    reason="the photographs are not in a folder shared/images beside the repository",
)

PAIRS = [
    pytest.param(SAMPLES, id="samples"),
    pytest.param(SHARED, id="shared", marks=only_with_shared),
]
"""Parameters of a test or a fixture: sources of a content and a style."""


def as_files(pair: tuple[str, str], folder: Path) -> tuple[str, str]:
    """Return paths of a pair's pictures; samples are written into the folder, 512 px long."""
    from nst_lightning.data.images import load_image
    from nst_lightning.data.output import save_image

    paths = []
    for source in pair:
        path = folder / f"{source.removeprefix('sample:')}.png"
        if source.startswith("sample:"):
            save_image(load_image(source, 512).pixels, path)
        paths.append(str(path) if source.startswith("sample:") else source)
    return paths[0], paths[1]
