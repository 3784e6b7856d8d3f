"""Each recipe's losses and gradient in tiles against those of the whole picture."""

import pytest
import torch

from nst_lightning.session import Session, open_run
from nst_lightning.stages import Tiles

from .conftest import NAMES, ONE_SCALE, Build

SIZES = [(131, Tiles(48, 2)), (320, Tiles(96)), (320, Tiles(200, 3))]


def check(session: Session, tiles: Tiles) -> None:
    pair, objective = session.pair, session.model.objective
    pair.setup("fit")
    noise = torch.randn(pair.content.shape, generator=torch.Generator().manual_seed(1))
    picture = (pair.content + 0.05 * noise).clamp(0, 1)
    objective.set_targets(pair.content, pair.styles, pair.blend)
    found = []
    for cut in (None, tiles):
        x = picture.clone().requires_grad_()
        objective.tiles = cut
        losses = objective.losses(x)
        losses["loss"].backward()
        found.append(({name: float(loss.detach()) for name, loss in losses.items()}, x.grad))
    (expected, gradient), (losses, in_tiles) = found
    assert losses == pytest.approx(expected, rel=1e-5)
    assert float((in_tiles - gradient).norm() / gradient.norm()) < 1e-5


@pytest.mark.parametrize(("size", "tiles"), SIZES[:1], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_recipe(name: str, size: int, tiles: Tiles, build: Build) -> None:
    options = [f"--data.size={size}", "--data.content=sample:cat", *ONE_SCALE.get(name, [])]
    check(build(name, *options), tiles)


@pytest.mark.parametrize(("size", "tiles"), SIZES, ids=str)
def test_the_default_look(size: int, tiles: Tiles) -> None:
    settings = {"data.size": size, "data.scales": None, "model.encoder.precision": "float32"}
    check(open_run(settings, summary=False, pictures=False, checkpoints=False), tiles)
