"""Small pictures, and recipes built from their YAML without running them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.real_pictures import PAIRS, as_files
from PIL import Image

from nst_lightning.session import Session, open_words

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "configs" / "recipes"
NAMES = sorted(path.stem for path in RECIPES.glob("*.yaml"))


@pytest.fixture(scope="session")
def small_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files of two photographs of different shapes."""
    from skimage.data import chelsea, coffee

    folder = tmp_path_factory.mktemp("pictures")
    content, style = folder / "content.png", folder / "style.png"
    Image.fromarray(chelsea()).resize((72, 54)).save(content)
    Image.fromarray(coffee()).resize((64, 60)).save(style)
    return str(content), str(style)


@pytest.fixture(scope="session", params=PAIRS)
def real_pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str]:
    """Files of a photograph and a painting: samples, and the shared ones where they are."""
    return as_files(request.param, tmp_path_factory.mktemp("real"))


Build = Callable[..., Session]


@pytest.fixture(scope="session")
def build() -> Build:
    """Make model and pictures of a recipe from its YAML; further options go on top."""

    def built(name: str, *options: str) -> Session:
        return open_words(["--config", str(RECIPES / f"{name}.yaml"), *options])

    return built


ONE_SCALE = {
    "crowsonkb": ["--data.scales=null"],
    "nnst": ["--data.scales=null"],
    "strotss": ["--data.scales=null", "--trainer.callbacks=null"],
}
"""What makes a short run at one small size of a recipe with scales."""
