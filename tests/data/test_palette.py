"""Colours moved to a painting's palette, against SciPy and NumPy."""

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from nst_lightning.data.palette import (
    PaletteChange,
    guided_lines,
    random_axes,
    sliced_transport,
    to_palette,
)
from nst_lightning.data.resizing import resize_to


def clouds() -> tuple[torch.Tensor, torch.Tensor]:
    """A round cloud of colours, and one of two hues: no linear map takes one to the other."""
    random = torch.Generator().manual_seed(3)
    here = 0.4 + 0.1 * torch.randn(3, 4000, generator=random)
    there = torch.tensor([[0.8, 0.2], [0.3, 0.3], [0.1, 0.7]]).repeat_interleave(1500, 1)
    return here, there + 0.03 * torch.randn(3, 3000, generator=random)


def test_the_distribution_is_the_wanted_one():
    here, there = clouds()
    moved = sliced_transport(here, there)
    random = np.random.default_rng(0)
    for _ in range(8):  # along directions that it did not use
        direction = random.normal(size=3)
        direction /= np.linalg.norm(direction)
        before, after = (
            wasserstein_distance(direction @ cloud.numpy(), direction @ there.numpy())
            for cloud in (here, moved)
        )
        assert after < 0.02 or after < 0.1 * before


def test_a_linear_map_would_not_do():
    here, there = clouds()
    moved = sliced_transport(here, there)
    # Between the hues there is nothing in the style: almost no colour may lie there.
    middle = (moved[0] > 0.4) & (moved[0] < 0.6)
    assert float(middle.float().mean()) < 0.03


def test_colours_already_there_stay():
    _, there = clouds()
    assert float((sliced_transport(there, there) - there).abs().max()) < 0.01


def test_random_axes_are_orthogonal():
    axes = random_axes(5, torch.zeros((), dtype=torch.float64))
    assert torch.allclose(axes @ axes.mT, torch.eye(3, dtype=torch.float64))
    assert torch.equal(axes, random_axes(5, torch.zeros((), dtype=torch.float64)))


def filtered(values: np.ndarray, guide: np.ndarray, radius: int, edge: float) -> np.ndarray:
    """He, Sun & Tang's equations 5, 6 and 8, window by window."""
    height, width = guide.shape

    def window(y: int, x: int) -> tuple[slice, slice]:
        return (
            slice(max(0, y - radius), y + radius + 1),
            slice(max(0, x - radius), x + radius + 1),
        )

    slope, offset = np.zeros_like(guide), np.zeros_like(guide)
    for y in range(height):
        for x in range(width):
            i, p = guide[window(y, x)], values[window(y, x)]
            slope[y, x] = ((i * p).mean() - i.mean() * p.mean()) / (i.var() + edge)
            offset[y, x] = p.mean() - slope[y, x] * i.mean()
    out = np.zeros_like(guide)
    for y in range(height):
        for x in range(width):
            out[y, x] = slope[window(y, x)].mean() * guide[y, x] + offset[window(y, x)].mean()
    return out


def test_the_guided_lines_against_its_equations():
    random = torch.Generator().manual_seed(0)
    values = torch.rand(1, 2, 9, 12, generator=random, dtype=torch.float64)
    guide = torch.rand(1, 1, 9, 12, generator=random, dtype=torch.float64)
    slope, offset = guided_lines(values, guide, 2, 0.01)
    found = slope * guide + offset
    for channel in range(2):
        expected = filtered(values[0, channel].numpy(), guide[0, 0].numpy(), 2, 0.01)
        assert found[0, channel].numpy() == pytest.approx(expected, abs=1e-12)


def smooth(seed: int, size: tuple[int, int] = (60, 80)) -> torch.Tensor:
    return resize_to(torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed)), size)


def test_a_picture_takes_the_colours_of_the_styles_by_their_shares():
    picture = smooth(1)
    red, blue = (torch.tensor(c).view(1, 3, 1, 1) for c in ([0.9, 0.1, 0.1], [0.1, 0.1, 0.9]))
    styles = [red.expand(1, 3, 30, 30), blue.expand(1, 3, 50, 20), smooth(2)]
    moved = to_palette(picture, styles, [0.75, 0.25, 0.0])
    assert 0 <= float(moved.min()) <= float(moved.max()) <= 1
    assert float((moved[0, 0] > 0.5).float().mean()) == pytest.approx(0.75, abs=0.06)
    assert torch.equal(moved, to_palette(picture, styles, [0.75, 0.25, 0.0]))


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (17, 200)])
def test_any_size(size):
    moved = to_palette(smooth(1, size), [smooth(2, (2, 3))], [1.0])
    assert moved.shape == (1, 3, *size)
    assert bool(moved.isfinite().all())


def test_even_areas_stay_even():
    """One level of noise on a flat area is not blown up to the style's whole range."""
    random = torch.Generator().manual_seed(0)
    picture = 0.5 + (torch.rand(1, 3, 64, 64, generator=random) - 0.5) / 255
    picture[..., 32:] += 0.3
    style = smooth(4)
    blown_up = sliced_transport(picture[0].flatten(1), style[0].flatten(1)).view_as(picture)
    before, after = (
        p[..., 4:28, 4:28].std() for p in (blown_up, to_palette(picture, [style], [1.0]))
    )
    assert float(after) < float(before) / 3


def test_the_change_of_a_picture_does_for_one_much_like_it():
    random = torch.Generator().manual_seed(5)
    style = (
        torch.rand(1, 3, 60, 60, generator=random) * torch.tensor([1.0, 0.4, 0.1])[:, None, None]
    )
    small = resize_to(torch.rand(1, 3, 6, 8, generator=random), (48, 64))
    like = (resize_to(small, (96, 128)) + 0.01).clamp(0, 1)
    change = PaletteChange.of(small, [style], [1.0])
    assert torch.equal(change(small), to_palette(small, [style], [1.0]))
    own = to_palette(like, [style], [1.0])
    assert float((change(like) - own).abs().mean()) < 0.02 < float((like - own).abs().mean()) / 3
