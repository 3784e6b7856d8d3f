"""Sizes, starting pictures, shares, and a loader that goes on in the middle of an epoch."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nst_lightning.data.image_pair import ImagePair
from nst_lightning.data.steps import StepLoader
from nst_lightning.errors import InputError


def ready(pictures: tuple[Path, Path], stage: str = "fit", **options: Any) -> ImagePair:
    pair = ImagePair(*(str(p) for p in pictures), **options)
    pair.setup(stage)
    return pair


def size(picture: torch.Tensor) -> tuple[int, int]:
    return picture.shape[-1], picture.shape[-2]


# The content is 64 x 48, the style 56 x 60.
@pytest.mark.parametrize(
    ("rule", "content", "style"),
    [
        ("long", (48, 36), (45, 48)),
        ("short", (64, 48), (48, 51)),
        ("height", (64, 48), (45, 48)),
        ("area", (55, 42), (46, 50)),
    ],
)
def test_size_rules(
    pictures: tuple[Path, Path], rule: Any, content: tuple[int, int], style: tuple[int, int]
) -> None:
    pair = ready(pictures, size=48, size_rule=rule)
    for found, expected in ((size(pair.content), content), (size(pair.styles[0]), style)):
        assert found[0] == pytest.approx(expected[0], abs=1)
        assert found[1] == pytest.approx(expected[1], abs=1)
    if rule == "area":
        assert math.prod(size(pair.content)) == pytest.approx(48**2, rel=0.03)
    exact = {"long": max, "short": min, "height": lambda wh: wh[1]}.get(rule)
    if exact is not None:
        assert exact(size(pair.content)) == 48
        assert exact(size(pair.styles[0])) == 48


def test_height_of_an_upright_picture(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "upright.png"
    Image.new("RGB", (40, 80)).save(path)
    pair = ready((path, pictures[1]), size=60, size_rule="height")
    assert size(pair.content) == (30, 60)
    pair = ready((path, pictures[1]), size=30, size_rule="short")
    assert size(pair.content) == (30, 60)


def test_style_scale(pictures: tuple[Path, Path]) -> None:
    pair = ready(pictures, size=40, style_scale=1.5)
    assert size(pair.content) == (40, 30)
    assert size(pair.styles[0]) == (56, 60)


def test_style_squeezed_to_the_content(pictures: tuple[Path, Path]) -> None:
    pair = ready(pictures, size=40, style_resize="content", style_scale=3.0)
    assert size(pair.content) == size(pair.styles[0]) == (40, 30)
    # The picture is whole, not cut: its left column is the style's left column.
    with Image.open(pictures[1]) as style:
        expected = np.asarray(style.resize((40, 30), Image.Resampling.BICUBIC), dtype=float) / 255
    found = pair.styles[0][0].permute(1, 2, 0).numpy()
    assert np.abs(found - expected).mean() < 0.01


def test_init_content(pictures: tuple[Path, Path]) -> None:
    pair = ready(pictures, size=40, init="content")
    assert torch.equal(pair.initial(), pair.content)


def test_init_style(pictures: tuple[Path, Path]) -> None:
    pair = ready(pictures, size=40, init="style")
    assert size(pair.initial()) == (40, 30)
    levels = Image.fromarray(
        np.uint8(np.round(255 * pair.styles[0][0].permute(1, 2, 0).numpy()))
    ).resize((40, 30), Image.Resampling.BICUBIC)
    expected = np.asarray(levels, dtype=float) / 255
    assert np.abs(pair.initial()[0].permute(1, 2, 0).numpy() - expected).mean() < 0.01


def test_init_grey(pictures: tuple[Path, Path]) -> None:
    initial = ready(pictures, size=40, init="grey").initial()
    assert torch.equal(initial, torch.full((1, 3, 30, 40), 0.5))


def test_init_noise(pictures: tuple[Path, Path]) -> None:
    pair = ready(pictures, size=160, init="noise", init_noise=0.1)
    torch.manual_seed(5)
    first, second = pair.initial(), pair.initial()
    assert not torch.equal(first, second)
    torch.manual_seed(5)
    assert torch.equal(pair.initial(), first)
    assert float(first.mean()) == pytest.approx(0.5, abs=0.003)
    assert float(first.std()) == pytest.approx(0.1, rel=0.03)
    strong = ready(pictures, size=40, init="noise", init_noise=5.0).initial()
    assert (float(strong.min()), float(strong.max())) == (0, 1)


def test_init_from_a_file(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "start.png"
    Image.new("RGB", (20, 90), (255, 128, 0)).save(path)
    initial = ready(pictures, size=40, init=str(path)).initial()
    assert size(initial) == (40, 30)
    expected = torch.tensor([1.0, 128 / 255, 0.0]).view(1, 3, 1, 1).expand(1, 3, 30, 40)
    assert torch.allclose(initial, expected, atol=1e-5)


def test_a_missing_start_is_refused_for_a_fit_only(pictures: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"^init picture: no such file: nowhere\.png"):
        ready(pictures, init="nowhere.png")
    ready(pictures, "test", init="nowhere.png")


def test_transparency(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "half.png"
    levels = np.full((48, 64, 4), 200, np.uint8)
    levels[:, :32, 3] = 0
    Image.fromarray(levels).save(path)
    pair = ready((path, pictures[1]), size=64)
    assert pair.alpha is not None
    assert pair.alpha.shape == (1, 1, 48, 64)
    assert float(pair.alpha[..., :30].max()) == 0
    assert ready(pictures).alpha is None
    said = "half.png is transparent in places; they count as its mean colour"
    assert not any(said in note for note in pair.notes)  # the result is transparent there
    for others in (ready((pictures[0], path)), ready(pictures, init=str(path))):
        assert any(said in note for note in others.notes)


def test_pictures_are_read_once(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "content.png"
    path.write_bytes(pictures[0].read_bytes())
    pair = ready((path, pictures[1]), size=40)
    before = pair.content
    path.unlink()
    pair.setup("fit")
    assert pair.content is before


def test_before_setup(pictures: tuple[Path, Path]) -> None:
    pair = ImagePair(*(str(p) for p in pictures))
    for name in ("content", "alpha", "styles", "regions", "notes"):
        with pytest.raises(RuntimeError, match="setup has not been called"):
            getattr(pair, name)


def test_several_styles(pictures: tuple[Path, Path]) -> None:
    pair = ImagePair(str(pictures[0]), [str(p) for p in pictures], size=40)
    pair.setup("fit")
    assert [size(style) for style in pair.styles] == [(40, 30), (37, 40)]
    assert pair.blend == [0.5, 0.5]


def test_pillow_pictures_as_styles(pictures: tuple[Path, Path]) -> None:
    pair = ImagePair(str(pictures[0]), size=40, style_weights=[1])
    with Image.open(pictures[1]) as style:
        pair.set_styles([style.copy()])
    pair.setup("fit")
    assert size(pair.styles[0]) == (37, 40)


@pytest.mark.parametrize(
    ("weights", "blend"),
    [(None, [1 / 3] * 3), ([2, 1, 1], [0.5, 0.25, 0.25]), ([0, 0, 5.0], [0, 0, 1])],
)
def test_shares(weights: Any, blend: list[float]) -> None:
    found = ImagePair(style=["a", "b", "c"], style_weights=weights).blend
    assert found == pytest.approx(blend)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 0}, "data.size must be .* at least 1, not 0"),
        ({"size": -3}, "data.size must be .* at least 1, not -3"),
        ({"steps_per_epoch": 0}, "data.steps_per_epoch must be .* at least 1, not 0"),
        ({"style_scale": 0.0}, "data.style_scale must be .* above 0, not 0.0"),
        ({"style_scale": math.nan}, "data.style_scale must be .* above 0, not nan"),
        ({"style_scale": math.inf}, "data.style_scale must be .* above 0, not inf"),
        ({"init_noise": -0.1}, "data.init_noise must be .* at least 0, not -0.1"),
        ({"style": []}, "data.style: the list is empty"),
        ({"style": ["a", "b"], "style_weights": [1]}, "data.style_weights: 1 weights for 2 styles"),
        ({"style_weights": [-1.0]}, "data.style_weights must be .* at least 0, not -1.0"),
        ({"style_weights": [0.0]}, "data.style_weights: all are zero"),
        (
            {"style_weights": [math.nan]},
            "data.style_weights must be .* at least 0, not nan",
        ),
    ],
)
def test_values_out_of_range(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ImagePair(**options)


@pytest.mark.parametrize("key", ["content", "style"])
def test_a_missing_file_names_its_role(pictures: tuple[Path, Path], key: str) -> None:
    options = {"content": str(pictures[0]), "style": str(pictures[1])} | {key: "nowhere.png"}
    with pytest.raises(InputError, match=rf"^{key} picture: no such file: nowhere\.png"):
        ImagePair(**options).setup("fit")  # type: ignore[arg-type]


# -- the loader --


def taken_from(loader: StepLoader, count: int) -> list[int]:
    """Take as Lightning does: as many steps as the length says, and never the end."""
    steps = iter(loader)
    return [next(steps) for _ in range(count)]


def test_loader_counts_an_epoch_again_and_again() -> None:
    loader = StepLoader(3)
    assert len(loader) == 3
    assert [list(loader), list(loader)] == [[0, 1, 2], [0, 1, 2]]


def test_an_epoch_that_was_not_asked_for_its_end_does_not_shorten_the_next() -> None:
    loader = StepLoader(3)
    assert [taken_from(loader, 3) for _ in range(3)] == [[0, 1, 2]] * 3


@pytest.mark.parametrize(("taken", "rest"), [(0, [0, 1, 2]), (1, [1, 2]), (2, [2]), (3, [0, 1, 2])])
def test_loader_goes_on_in_the_middle(taken: int, rest: list[int]) -> None:
    first, second = StepLoader(3), StepLoader(3)
    taken_from(first, taken)
    second.load_state_dict(first.state_dict())
    assert second.state_dict() == {"position": taken % 3}
    assert taken_from(second, len(rest)) == rest
    assert taken_from(second, 3) == [0, 1, 2]


def test_loader_of_a_shorter_epoch() -> None:
    loader = StepLoader(3)
    loader.load_state_dict({"position": 7})
    assert list(loader) == [0, 1, 2]


def test_loaders_of_the_pair() -> None:
    pair = ImagePair(steps_per_epoch=7)
    assert len(pair.train_dataloader()) == 7
    assert list(pair.test_dataloader()) == [0]
