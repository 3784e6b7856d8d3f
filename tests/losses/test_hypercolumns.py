"""Places of layers on one grid, against torch's own interpolation."""

import pytest
import torch
import torch.nn.functional as F

from nst_lightning.encoder import VGG19Encoder
from nst_lightning.losses.hypercolumns import Hypercolumns, Places, rows_at
from nst_lightning.losses.places import Tile, averages, bands
from nst_lightning.stages import Tiles
from nst_lightning.tiles import LayersInTiles


@pytest.mark.parametrize("size", [(9, 7), (18, 15), (31, 64)])
def test_rows_between_places_are_bilinear(size: tuple[int, int]) -> None:
    layer = torch.randn(1, 5, 9, 7, dtype=torch.float64)
    whole = F.interpolate(layer, size, mode="bilinear")[0].flatten(1).mT
    index = torch.randperm(len(whole))[:40]
    torch.testing.assert_close(rows_at(layer, size, index), whole[index])


@pytest.mark.parametrize("layer", ["relu1_1", "relu2_1", "relu3_1", "relu4_1"])
@pytest.mark.parametrize("part", [False, True])
def test_places_of_a_layer_in_tiles_are_those_of_the_whole(layer: str, part: bool) -> None:
    encoder = VGG19Encoder(["relu1_1", "relu2_1", "relu3_1", "relu4_1"], padding="replicate")
    picture, size = torch.rand(1, 3, 97, 141), (24, 35)  # the grid of relu3_1
    inside = torch.rand(24 * 35) > 0.5 if part else None
    whole = Places(encoder(picture)[layer], size, inside)
    tiled = Places(LayersInTiles(encoder, picture, Tiles(48, 2))[layer], size, inside)
    assert len(whole) == len(tiled)
    index = torch.randperm(len(whole))[:100]
    torch.testing.assert_close(tiled[index], whole[index], rtol=1e-4, atol=1e-4)


def test_hypercolumns_are_the_layers_one_after_another() -> None:
    fine, coarse = torch.randn(1, 3, 8, 6), torch.randn(1, 5, 4, 3)
    found = Hypercolumns([fine, coarse], (8, 6))
    assert len(found) == 48
    whole = torch.cat([fine, F.interpolate(coarse, (8, 6), mode="bilinear")], 1)
    torch.testing.assert_close(found[torch.arange(48)], whole[0].flatten(1).mT)


@pytest.mark.parametrize("rows", [1, 5, 64])
@pytest.mark.parametrize("grid", [(12, 17), (24, 35), (7, 9)])
def test_bands_of_averages_are_the_whole_ones(rows: int, grid: tuple[int, int]) -> None:
    layer = torch.randn(1, 3, 24, 35, dtype=torch.float64)
    parts = [
        averages(layer[..., some, :], tile, grid)[0] for some, tile in bands((24, 35), grid, rows)
    ]
    torch.testing.assert_close(torch.cat(parts, 2), F.adaptive_avg_pool2d(layer, grid))
    assert all(isinstance(tile, Tile) for _, tile in bands((24, 35), grid, rows))
