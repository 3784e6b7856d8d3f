"""Small pictures, and recipes built from their YAML without running them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from nst_lightning.cli import StyleCLI
from nst_lightning.quiet import quiet_lightning

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "configs" / "recipes"
NAMES = tuple(sorted(path.stem for path in RECIPES.glob("*.yaml")))


@pytest.fixture(scope="session")
def small_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files of two photographs of different shapes."""
    from skimage.data import chelsea, coffee

    folder = tmp_path_factory.mktemp("pictures")
    content, style = folder / "content.png", folder / "style.png"
    Image.fromarray(chelsea()).resize((72, 54)).save(content)
    Image.fromarray(coffee()).resize((64, 60)).save(style)
    return str(content), str(style)


@pytest.fixture(scope="session")
def real_pair() -> tuple[str, str]:
    """A photograph and a painting."""
    folder = ROOT.parent / "shared" / "images"
    pair = folder / "tubingen.jpg", folder / "starry_night.jpg"
    if not all(path.is_file() for path in pair):
        pytest.skip(f"the pictures {pair[0].name} and {pair[1].name} are not beside the repository")
    return str(pair[0]), str(pair[1])


Build = Callable[..., StyleCLI]


@pytest.fixture(scope="session")
def build() -> Build:
    """Make model and pictures of a recipe from its YAML; further arguments go on top."""

    def built(name: str, *args: str) -> StyleCLI:
        with quiet_lightning():
            return StyleCLI(["--config", str(RECIPES / f"{name}.yaml"), *args], run=False)

    return built
