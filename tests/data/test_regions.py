"""Masks: read, paired by colour or by file, and refused in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from nst_lightning import ImagePair
from nst_lightning.data.regions import blur, palette
from nst_lightning.errors import InputError

RED, BLUE, GREEN = (220, 30, 30), (20, 40, 210), (30, 200, 40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, size in (("content", (80, 60)), ("one", (50, 50)), ("two", (60, 40))):
        noise = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    return tmp_path


def halves(path: Path, size: tuple[int, int], left, right, mode: str = "RGB") -> str:
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    image.save(path)
    return str(path)


def pair(folder: Path, styles=("one", "two"), **masks) -> ImagePair:
    made = ImagePair(
        str(folder / "content.png"), [str(folder / f"{s}.png") for s in styles], size=40, **masks
    )
    made.setup("fit")
    return made


def test_black_and_white_for_two_styles(folder: Path) -> None:
    mask = halves(folder / "m.png", (80, 60), 0, 255, "L")
    regions = pair(folder, content_mask=mask).regions
    assert regions is not None
    assert regions.content.shape == (1, 2, 30, 40)
    assert regions.content[0, 0, :, :18].min() > 0.99
    assert regions.content[0, 1, :, :18].max() < 0.01
    torch.testing.assert_close(regions.content.sum(1), torch.ones(1, 30, 40))
    for index, style in enumerate(regions.styles):
        assert style[:, index].min() == 1
        assert style[:, 1 - index].max() == 0


def test_a_soft_edge_stays_soft(folder: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 80).astype(np.uint8), (60, 1))
    Image.fromarray(ramp).save(folder / "m.png")
    masks = pair(folder, content_mask=str(folder / "m.png")).regions.content
    assert masks[0, 1, 15, 20] == pytest.approx(0.5, abs=0.03)
    assert (masks[0, 1, 15].diff() > 0).all()


def test_colours_from_dark_to_bright(folder: Path) -> None:
    mask = halves(folder / "m.png", (80, 60), RED, BLUE)  # blue is the darker one by a little
    made = pair(folder, content_mask=mask)
    assert made.regions.content[0, 0, 15, 30] == 1
    assert [n for n in made.notes if "region" in n] == [
        "region #1428d2: style 1",
        "region #dc1e1e: style 2",
    ]


def test_regions_paired_by_colour(folder: Path) -> None:
    content = halves(folder / "c.png", (80, 60), RED, BLUE)
    style = halves(folder / "s.png", (100, 100), BLUE, RED)
    regions = pair(folder, ("one",), content_mask=content, style_mask=style).regions
    # Blue is the first region: right in the content, left in the style.
    assert regions.content[0, 0, :, 25:].min() == 1
    assert regions.styles[0][0, 0, :, :18].min() > 0.99
    assert regions.styles[0][0, 0, :, 22:].max() < 0.01


def test_smoothed_edges_and_jpeg_make_no_new_regions(folder: Path) -> None:
    image = Image.open(halves(folder / "m.png", (160, 120), RED, BLUE))
    image.filter(ImageFilter.GaussianBlur(1)).save(folder / "m.jpg", quality=60)
    assert pair(folder, content_mask=str(folder / "m.jpg")).regions.content.shape[1] == 2


def test_regions_by_file(folder: Path) -> None:
    left = halves(folder / "l.png", (80, 60), 255, 0, "L")
    right = halves(folder / "r.png", (80, 60), 0, 255, "L")
    regions = pair(folder, content_mask=[left, right]).regions
    assert regions.content[0, 0, :, :18].min() > 0.99
    part = halves(folder / "p.png", (50, 50), 255, 0, "L")
    regions = pair(folder, ("one",), content_mask=[left, right], style_mask=[part, None]).regions
    assert regions.styles[0][0, 0, :, 25:].max() < 0.01
    assert regions.styles[0][0, 1].min() == 1


def test_feather(folder: Path) -> None:
    mask = halves(folder / "m.png", (80, 60), 0, 255, "L")
    masks = pair(folder, content_mask=mask, mask_feather=0.1).regions.content
    assert 0.05 < float(masks[0, 1, 15, 16]) < 0.45
    torch.testing.assert_close(masks.sum(1), torch.ones(1, 30, 40))


def test_blur_is_scipys() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    mask = np.random.default_rng(0).random((20, 24))
    expected = ndimage.gaussian_filter(mask, 2.0, mode="nearest", truncate=3.0)
    got = blur(torch.from_numpy(mask)[None, None], 2.0)[0, 0]
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_three_colours() -> None:
    pixels = torch.zeros(1, 3, 10, 10)
    pixels[:, 0, :3], pixels[:, 1, 3:6], pixels[:, 2, 6:] = 1, 0.9, 0.8
    expected = torch.tensor([[0, 0, 0.8], [1, 0, 0], [0, 0.9, 0]])
    torch.testing.assert_close(palette(pixels, "x"), expected)


def test_one_colour_is_no_map() -> None:
    with pytest.raises(InputError, match="one colour only"):
        palette(torch.full((1, 3, 10, 10), 0.4), "x")


WRONG = {
    "another shape": (
        {"content_mask": ("m", (60, 60), 0, 255)},
        "m.png is 60x60 but its picture is 80x60",
    ),
    "one grey": ({"content_mask": ("m", (80, 60), 9, 9)}, "m.png has no white part"),
    "no white": (
        {"content_mask": [("l", (80, 60), 0, 0), ("r", (80, 60), 0, 255)]},
        "l.png has no white part",
    ),
    "one region for two styles": (
        {"content_mask": [("l", (80, 60), 0, 255)]},
        "1 regions for 2 styles",
    ),
    "three regions": ({"content_mask": [("l", (80, 60), 0, 255)] * 3}, "3 regions for 2 styles"),
    "style masks without content masks": (
        {"style_mask": ("s", (50, 50), 0, 255)},
        "give a data.content_mask",
    ),
    "too few style masks": (
        {
            "content_mask": [("l", (80, 60), 0, 255), ("r", (80, 60), 255, 0)],
            "style_mask": [("s", (50, 50), 0, 255)],
        },
        "1 masks for 2 regions",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_mask_that_does_not_fit(folder: Path, what: str) -> None:
    def made(spec):
        if isinstance(spec, list):
            return [made(one) for one in spec]
        name, size, left, right = spec
        return halves(folder / f"{name}.png", size, left, right, "L")

    given, words = WRONG[what]
    with pytest.raises(InputError) as caught:
        pair(folder, **{key: made(spec) for key, spec in given.items()})
    assert words in str(caught.value)


def test_a_region_missing_from_the_styles_map(folder: Path) -> None:
    content = halves(folder / "c.png", (80, 60), RED, BLUE)
    style = halves(folder / "s.png", (50, 50), RED, RED)
    with pytest.raises(InputError, match="no style has a region #1428d2"):
        pair(folder, ("one",), content_mask=content, style_mask=style)


def test_more_regions_than_styles(folder: Path) -> None:
    content = halves(folder / "c.png", (80, 60), RED, BLUE)
    with pytest.raises(InputError, match=r"2 regions .* for 1 styles"):
        pair(folder, ("one",), content_mask=content)


def test_the_order_of_a_maps_colours_is_that_of_their_brightness() -> None:
    # Red, green and blue have one sum, so it must be something else; the areas say the opposite.
    pixels = torch.zeros(1, 3, 60, 60)
    pixels[:, 1, :30] = 1
    pixels[:, 0, 30:50] = 1
    pixels[:, 2, 50:] = 1
    assert palette(pixels, "map").round().tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert torch.equal(palette(pixels.flip(2), "map"), palette(pixels, "map"))


NOISE = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)
SOFT = np.tile(np.clip(np.linspace(-60, 320, 80), 0, 255), (60, 1)).astype(np.uint8)


@pytest.mark.parametrize("by_file", [False, True])
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("alpha", ["half", "soft"])
@pytest.mark.parametrize("colours", ["photograph", "black and white", "black", "grey", "white"])
def test_a_mask_in_the_transparency(
    folder: Path, colours: str, alpha: str, suffix: str, by_file: bool
) -> None:
    flat = {"black": 0, "grey": 128, "white": 255}.get(colours)
    grey = np.repeat(NOISE[..., :1], 3, -1)
    seen = NOISE if colours == "photograph" else grey if flat is None else np.full_like(NOISE, flat)
    mask = SOFT if alpha == "soft" else np.where(SOFT > 127, 255, 0).astype(np.uint8)
    path = str(folder / f"m.{suffix}")
    Image.fromarray(np.dstack([seen, mask])).save(path)
    made = pair(
        folder, ("one",) if by_file else ("one", "two"), content_mask=[path] if by_file else path
    )
    truth = mask.reshape(30, 2, 40, 2).mean((1, 3)) / 255
    assert np.abs(made.regions.content[0, -1].numpy() - truth).mean() < 0.01
    assert any("transparency is taken for the mask" in note for note in made.notes)


def test_flat_colours_on_a_transparent_ground_are_the_mask(folder: Path) -> None:
    image = Image.open(halves(folder / "m.png", (80, 60), RED, BLUE)).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 80, 20))
    image.save(folder / "m.png")
    made = pair(folder, ("one", "two", "one"), content_mask=str(folder / "m.png"))
    assert made.regions.content.shape[1] == 3
    assert any("transparent counts as black" in note for note in made.notes)


def test_remarks_of_a_masks_file_are_said(folder: Path) -> None:
    half = np.where(np.arange(80) > 39, 40000, 0).astype(np.uint16)
    Image.fromarray(np.tile(half // 2 + 12800, (60, 1))).save(folder / "m.png")
    made = pair(folder, content_mask=str(folder / "m.png"))
    assert [n for n in made.notes if "fewer bits" in n]
