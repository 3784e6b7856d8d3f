"""Arrays and tensors are the pictures that their numbers say, or are refused by name."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nst_lightning.data.images import load_image
from nst_lightning.errors import InputError


@pytest.fixture
def levels() -> np.ndarray:
    """Return RGBA noise, 24 x 20, partly transparent."""
    return np.random.default_rng(5).integers(0, 256, (20, 24, 4), np.uint8)


def planes(levels: np.ndarray) -> np.ndarray:
    """Return (1, C, H, W) in [0, 1], by NumPy alone."""
    samples = levels[..., None] if levels.ndim == 2 else levels
    return np.moveaxis(samples, -1, 0)[None].astype(np.float32) / 255


@pytest.mark.parametrize("channels", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "float64", "float16"])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_numbers_are_what_their_type_says(
    levels: np.ndarray, channels: str, kind: str, as_tensor: bool
) -> None:
    count = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}[channels]
    given: Any = levels[..., :count]
    expected = planes(given)
    if kind == "uint16":
        given = given.astype(np.uint16) * 257
    elif kind != "uint8":
        given = (given / 255).astype(kind)
    if as_tensor:
        given = torch.from_numpy(np.ascontiguousarray(np.moveaxis(given, -1, 0)))
    loaded = load_image(given)
    colours = expected[:, : 1 if count < 3 else 3]
    tolerance = 1e-3 if kind == "float16" else 1e-6
    seen = np.ones((20, 24), bool)
    if count in (2, 4):
        assert loaded.alpha is not None
        assert np.allclose(loaded.alpha.numpy(), expected[:, -1:], atol=tolerance)
        seen = expected[0, -1] > 0  # wholly transparent places have the mean colour
    else:
        assert loaded.alpha is None
    difference = np.abs(loaded.pixels.numpy() - np.broadcast_to(colours, (1, 3, 20, 24)))
    assert difference[..., seen].max() <= tolerance
    assert (loaded.original_size, loaded.notes) == ((24, 20), [])


def test_shapes_that_mean_the_same(levels: np.ndarray) -> None:
    grey = levels[..., 0]
    expected = load_image(Image.fromarray(grey)).pixels
    tensor = torch.from_numpy(grey.copy())
    for given in (grey, grey[..., None], tensor, tensor[None], tensor[None, None]):
        assert torch.equal(load_image(given).pixels, expected)
    mirrored = load_image(levels[:, ::-1, :3]).pixels
    assert torch.equal(mirrored.flip(-1), load_image(levels[..., :3].copy()).pixels)


def test_a_tensor_may_belong_to_a_graph(levels: np.ndarray) -> None:
    given = torch.rand(3, 20, 24, requires_grad=True)
    assert torch.equal(load_image(given).pixels[0], given.detach())
    half = given.detach().to(torch.bfloat16)
    assert torch.equal(load_image(half).pixels[0], half.float())


def test_an_opaque_alpha_is_no_transparency(levels: np.ndarray) -> None:
    levels[..., 3] = 255
    assert load_image(levels / 255).alpha is None
    assert load_image(levels).alpha is None


def test_floats_are_resized_as_files_are(levels: np.ndarray) -> None:
    by_file = load_image(Image.fromarray(levels[..., :3]), 37)
    by_float = load_image(levels[..., :3] / 255, 37)
    assert torch.allclose(by_float.pixels, by_file.pixels, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (np.zeros((3, 20, 24)), r"array given has the shape \(3, 20, 24\); transpose\(1, 2, 0\)"),
        (torch.zeros(20, 24, 3), r"tensor given has the shape \(20, 24, 3\); permute\(2, 0, 1\)"),
        (np.zeros((2, 20, 24, 3)), r"array given has the shape \(2, 20, 24, 3\); give \(H, W, C\)"),
        (torch.zeros(2, 3, 20, 24), r"tensor given has the shape \(2, 3, 20, 24\); give \(C, H, W"),
        (np.zeros((20, 24, 5)), r"\(20, 24, 5\)"),
        (np.zeros(480), r"\(480,\)"),
        (np.zeros((0, 24, 3)), "there is nothing in it"),
        (np.full((20, 24, 3), 200.0), "values from 200 to 200, .*divide it by 255"),
        (np.full((20, 24), -0.5), "values from -0.5 to -0.5, .*clip it"),
        (torch.full((3, 20, 24), torch.nan), "not finite"),
        (np.full((20, 24), np.inf, np.float16), "not finite"),
        (np.zeros((20, 24), np.int64), "is of int64; give uint8"),
        (np.zeros((20, 24), bool), "is of bool"),
        (np.zeros((20, 24), complex), "is of complex128"),
        (np.zeros((4, 4, 3), np.uint8), "under 16|at least 16|16 pixels"),
        (np.zeros((20, 24, 4)), "wholly transparent"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(given: Any, why: str) -> None:
    with pytest.raises(InputError, match=why) as refused:
        load_image(given, role="style")
    assert str(refused.value).startswith("style picture: the ")


def test_roundings_are_no_other_range() -> None:
    given = np.full((20, 24, 3), 1.00005, np.float32)
    assert float(load_image(given).pixels.max()) == 1.0
