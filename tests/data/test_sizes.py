"""Sizes of pictures for a size that was asked for."""

import pytest

from nst_lightning.data.sizes import long_side, of_style


@pytest.mark.parametrize(
    ("rule", "side"), [("long", 400), ("short", 800), ("height", 800), ("area", 566)]
)
def test_long_side(rule, side):
    assert long_side(400, rule)(2000, 1000) == side


@pytest.mark.parametrize(
    ("size", "own", "large", "fine"),
    [
        (512, 300, 768, 768),  # a small painting is enlarged for a small picture
        (1000, 5000, 1500, 1500),
        (4096, 1024, 1500, 1500),  # not beyond what it had at 1,000 px
        (4096, 5000, 5000, 1500),  # nor beyond its own pixels
        (4096, 9000, 6144, 1500),
    ],
)
def test_a_styles_side(size, own, large, fine):
    assert of_style(size, 1.5, "long", "own")(own, own // 2) == large
    assert of_style(size, 1.5, "long", "any")(own, own // 2) == round(1.5 * size)
    assert of_style(size, 1.5, "long", "small")(own, own // 2) == fine
