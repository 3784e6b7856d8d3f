from fractions import Fraction

import numpy as np
import pytest
import torch
from helpers.pictures import encoded, write
from PIL import Image

from nst_lightning.data.images import load_image
from nst_lightning.data.resizing import resize_to, resize_with_alpha
from nst_lightning.data.sides import MAXIMUM_SIDE, MINIMUM_SIDE, fit_long_side
from nst_lightning.errors import InputError


def pillow_bicubic(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    picture = Image.fromarray(plane.astype(np.float32))
    return np.clip(np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC)), 0, 1)


def test_long_side_is_exact_and_the_other_rounded():
    random = np.random.default_rng(0)
    for width, height, size in random.integers(1, 3000, (2000, 3)).tolist():
        new_height, new_width = fit_long_side(width, height, size)
        assert max(new_height, new_width) == size
        exact = Fraction(min(width, height) * size, max(width, height))
        short = min(new_height, new_width)
        assert short == 1 or abs(short - exact) <= Fraction(1, 2)
        assert short >= 1
        assert (new_width >= new_height) == (width >= height) or new_width == new_height


@pytest.mark.parametrize("size", [(12, 20), (17, 9), (24, 40), (48, 80), (61, 33)])
def test_resize_agrees_with_pillow(size):
    pixels = torch.rand(1, 3, 24, 40, generator=torch.Generator().manual_seed(0))
    resized = resize_to(pixels, size)
    assert resized.shape == (1, 3, *size)
    for plane, source in zip(resized[0].numpy(), pixels[0].numpy(), strict=True):
        np.testing.assert_allclose(plane, pillow_bicubic(source, *size), atol=2e-5)


def test_resize_keeps_type_and_the_tensor_itself_where_it_can():
    pixels = torch.rand(2, 4, 24, 40, dtype=torch.float64)
    assert resize_to(pixels, (24, 40)) is pixels
    assert resize_to(pixels, (12, 20)).dtype == torch.float64


def test_shrinking_is_antialiased():
    stripes = torch.arange(256).remainder(2).float().expand(1, 3, 64, 256)
    assert (resize_to(stripes, (16, 64)) - 0.5).abs().max() < 0.1


@pytest.mark.parametrize(("size", "shape"), [(20, (12, 20)), (80, (48, 80)), (None, (24, 40))])
def test_load_image_sizes(tmp_path, gradient, size, shape):
    if size == 20:
        gradient = np.repeat(gradient, 2, 0)[:32]
        shape = (16, 20)
    image = load_image(write(tmp_path / "a.png", encoded(Image.fromarray(gradient), "PNG")), size)
    assert tuple(image.pixels.shape[-2:]) == shape
    for plane, source in zip(image.pixels[0].numpy(), gradient.transpose(2, 0, 1), strict=True):
        np.testing.assert_allclose(plane, pillow_bicubic(source / 255, *shape), atol=2e-5)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_shrinking_a_lot_in_two_steps_loses_nothing(tmp_path, mode):
    y, x = np.mgrid[0:601, 0:997] / 30
    planes = [np.sin(x + y), np.cos(2 * x - y), np.sin(0.3 * x * y)]
    levels = ((np.stack(planes, -1) + 1) * 127).astype(np.uint8)
    picture = Image.fromarray(levels).convert(mode)
    image = load_image(write(tmp_path / "a.tif", encoded(picture, "TIFF")), 48)
    once = np.asarray(picture.convert("RGB")).transpose(2, 0, 1) / 255
    for plane, source in zip(image.pixels[0].numpy(), once, strict=True):
        expected = pillow_bicubic(source, 29, 48)
        assert np.sqrt(np.mean((plane - expected) ** 2)) < 0.4 / 255
        np.testing.assert_allclose(plane, expected, atol=2 / 255)


# --- sizes that are refused ---


@pytest.mark.parametrize(
    "size", [0, -1, MINIMUM_SIDE - 1, MAXIMUM_SIDE + 1, 10**9, 64.0, "64", True]
)
def test_sizes_that_are_no_sizes(size):
    with pytest.raises(InputError, match="size") as caught:
        load_image("sample:cat", size)
    assert str(size) in str(caught.value)


def test_numpy_size_and_rule_are_sizes():
    assert load_image("sample:cat", np.int64(32)).pixels.shape[-1] == 32
    with pytest.raises(InputError, match="size is 3"):
        load_image("sample:cat", lambda *_: 3)


@pytest.mark.parametrize("size", [None, 64, 512])
@pytest.mark.parametrize("shape", [(1, 1), (1, 100), (15, 400)])
def test_a_picture_of_almost_nothing(tmp_path, shape, size):
    picture = Image.new("RGB", shape, "red")
    path = write(tmp_path / "dot.png", encoded(picture, "PNG"))
    with pytest.raises(InputError, match=rf"{shape[0]} x {shape[1]} pixels; every side") as caught:
        load_image(path, size)
    assert str(path) in str(caught.value)


def test_a_strip(tmp_path):
    path = write(tmp_path / "strip.png", encoded(Image.new("RGB", (20000, 3)), "PNG"))
    with pytest.raises(InputError, match="20000 x 3 pixels"):
        load_image(path, 512)
    path = write(tmp_path / "strip.png", encoded(Image.new("RGB", (640, 20)), "PNG"))
    with pytest.raises(InputError, match=r"becomes 256 x 8 at size 256.*use size 512 or more"):
        load_image(path, 256)
    assert load_image(path, 512).pixels.shape[-2:] == (16, 512)


# --- transparency ---


def half_transparent(rubbish: int) -> np.ndarray:
    levels = np.full((32, 48, 4), rubbish, np.uint8)
    levels[:, :21] = (220, 40, 60, 255)
    levels[:, 21:, 3] = 0
    return levels


@pytest.mark.parametrize("size", [None, 24, 96, 33])
def test_what_lies_under_transparency_does_not_matter(tmp_path, size):
    results = []
    for rubbish in (0, 255, 77):
        data = encoded(Image.fromarray(half_transparent(rubbish)), "PNG")
        results.append(load_image(write(tmp_path / "a.png", data), size))
    colour = torch.tensor([220, 40, 60]).div(255).reshape(1, 3, 1, 1)
    for image in results:
        torch.testing.assert_close(image.pixels, colour.expand_as(image.pixels))
        torch.testing.assert_close(image.alpha, results[0].alpha)
    if size:
        opaque = (half_transparent(0)[..., 3] == 255).astype(np.float32)
        expected = pillow_bicubic(opaque, *results[0].alpha.shape[-2:])
        np.testing.assert_allclose(results[0].alpha[0, 0], expected, atol=2e-5)


def test_resizing_keeps_what_a_viewer_sees():
    """Laid on a background, the resized picture is the resized picture laid on it."""
    y, x = torch.meshgrid(torch.arange(60.0), torch.arange(90.0), indexing="ij")
    alpha = (0.55 + 0.45 * torch.sin(x / 9) * torch.cos(y / 11))[None, None]
    pixels = torch.stack([x / 90, y / 60, (x + y) / 150])[None]
    small, opacity = resize_with_alpha(pixels, alpha, (30, 45))
    for background in (0.0, 1.0, 0.4):
        seen = (pixels * alpha + background * (1 - alpha))[0].numpy()
        then = (small * opacity + background * (1 - opacity))[0].numpy()
        for plane, source in zip(then, seen, strict=True):
            np.testing.assert_allclose(plane, pillow_bicubic(source, 30, 45), atol=0.004)


def test_faint_pixels_stay_calm():
    generator = torch.Generator().manual_seed(0)
    alpha = torch.rand(1, 1, 64, 64, generator=generator).gt(0.97).float() * 0.02
    alpha[..., :8] = 1
    pixels = torch.rand(1, 3, 64, 64, generator=generator) * 0.2 + 0.4
    small, opacity = resize_with_alpha(pixels, alpha, (24, 24))
    assert small.min() > 0.3
    assert small.max() < 0.7
    assert opacity.min() >= 0


def test_wholly_transparent_is_refused(tmp_path):
    picture = Image.new("RGBA", (40, 24), (200, 100, 50, 0))
    path = write(tmp_path / "a.png", encoded(picture, "PNG"))
    with pytest.raises(InputError, match="wholly transparent"):
        load_image(path)
