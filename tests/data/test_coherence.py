"""An enlarged painting in strokes: smoothed along them, sharpened across, nothing else changed."""

import numpy as np
import pytest
import torch
from skimage.feature import structure_tensor
from torch import Tensor

from nst_lightning.data import coherence
from nst_lightning.data.coherence import coherent, shocked, smooth_along, structure
from nst_lightning.data.image_pair import ImagePair


def stripes(angle: float, size: int = 96, width: float = 6.0) -> Tensor:
    """Return soft stripes (1, 3, size, size) whose lightness changes along ``angle``."""
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    across = x * np.cos(angle) + y * np.sin(angle)
    return (0.5 + 0.3 * torch.sin(across * 2 * np.pi / (2 * width))).expand(1, 3, -1, -1).float()


def random(*size: int) -> Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))


def inner(picture: Tensor, border: int = 16) -> Tensor:
    return picture[..., border:-border, border:-border]


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 4, 1.3, 2.2, 3.0])
def test_the_direction_is_the_one_the_picture_changes_in(angle: float) -> None:
    x, y = inner(structure(stripes(angle), 2.0))[0].flatten(1).mean(1)
    found = 0.5 * torch.atan2(y, x).item()
    assert abs(np.sin(found - angle)) < 0.01


def test_the_structure_tensor_is_that_of_skimage() -> None:
    picture = stripes(0.7) + 0.1 * random(96, 96)
    ours = inner(structure(picture, 2.0))[0]
    parts = [structure_tensor(c.numpy(), 2.0, mode="nearest", order="xy") for c in picture[0]]
    xx, xy, yy = (sum(torch.from_numpy(part[k]) for part in parts) for k in range(3))
    theirs = inner(torch.stack([xx - yy, 2 * xy]))
    # skimage differentiates by Sobel's filter, ours is Scharr's: nearly the same, up to a factor.
    cosine = torch.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0)
    assert cosine > 0.995


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 4, np.pi / 2, 2.2])
def test_strokes_stay_and_the_grain_on_them_goes(angle: float) -> None:
    clean = stripes(angle)
    noisy = clean + 0.1 * (random(96, 96) - 0.5)
    smooth = smooth_along(noisy, 2.0, 4.0)
    before, after = (inner(p - clean).square().mean().sqrt() for p in (noisy, smooth))
    assert after < 0.5 * before
    strength = inner(smooth).std() / inner(clean).std()
    assert 0.9 < strength < 1.05


def test_stairs_become_a_line() -> None:
    x = torch.arange(48)
    edge = ((x[None] + 0.4 * x[:, None]) > 34).float().expand(1, 3, -1, -1)
    stairs = edge.repeat_interleave(4, -1).repeat_interleave(4, -2)
    y, x = torch.meshgrid(*[(torch.arange(192) + 0.5) / 4 - 0.5] * 2, indexing="ij")
    line = ((x + 0.4 * y) > 34.2).float().expand(1, 3, -1, -1)
    picture = coherent(torch.nn.functional.avg_pool2d(stairs, 5, 1, 2))
    assert inner(picture - line).abs().mean() < 0.7 * inner(stairs - line).abs().mean()


def test_shocked_edges_are_steeper_and_stay_where_they_are() -> None:
    x = torch.arange(64) + 0.5
    soft = torch.sigmoid((x - 32) / 2.5).expand(1, 3, 64, -1)
    sharp = shocked(soft, 2.0, 2)
    slope = (sharp[..., 1:] - sharp[..., :-1]).amax()
    assert slope > 2 * (soft[..., 1:] - soft[..., :-1]).amax()
    row = sharp[0, 0, 32]
    assert (row[:32] < 0.5).all()
    assert (row[32:] > 0.5).all()


def test_no_colour_appears_that_was_not_there() -> None:
    picture = 0.2 + 0.5 * random(64, 80)
    for result in (shocked(picture, 2.0, 2), coherent(picture)):
        assert result.amin() >= picture.amin() - 1e-5
        assert result.amax() <= picture.amax() + 1e-5


@pytest.mark.parametrize("size", [(16, 16), (17, 300), (64, 96)])
def test_a_plain_picture_is_left_alone(size: tuple[int, int]) -> None:
    plain = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1).expand(1, 3, *size)
    assert torch.allclose(coherent(plain), plain, atol=1e-6)


def test_it_turns_with_the_picture() -> None:
    picture = stripes(0.4) + 0.1 * random(96, 96)
    turned = coherent(torch.rot90(picture, 1, (2, 3)))
    apart = inner(turned - torch.rot90(coherent(picture), 1, (2, 3))).abs()
    # Where a direction is undecided, rounding decides.
    assert apart.median() < 1e-4
    assert (apart > 0.01).float().mean() < 0.01


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = stripes(0.4, 200) + 0.1 * random(200, 200)
    whole = coherent(picture)
    monkeypatch.setattr(coherence, "_BAND", 200 * 30)
    apart = (coherent(picture) - whole).abs()
    assert apart.median() < 1e-5
    assert (apart > 0.01).float().mean() < 0.001


def test_a_larger_scale_starts_from_strokes_unless_the_photograph_comes_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nst_lightning.data.image_pair.SMALL", 100)
    pair = ImagePair("sample:cat", "sample:klimt", size=128, scales="octaves", detail="painting")
    pair.setup("fit")
    pair.use_scale(0)
    small = pair.content
    pair.use_scale(1)
    strokes, photograph = pair.enlarged(small, 0.0), pair.enlarged(small, 1.0)
    content = pair.content
    assert (strokes - content).abs().mean() > 3 * (photograph - content).abs().mean()
