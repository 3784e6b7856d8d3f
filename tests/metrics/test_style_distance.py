"""Relative Gram distance against plain numpy, and the number in the record of measurements."""

import numpy as np
import pytest
import torch
from helpers.real_pictures import SHARED, only_with_shared

from nst_lightning.losses.term import STD5
from nst_lightning.metrics.evaluate import PictureMetrics
from nst_lightning.metrics.style_distance import StyleDistance, style_distances, style_grams


def numpy_distance(features, style_features, layer):
    def gram(f):
        f = f[layer][0].detach().double().numpy()
        return np.einsum("chw,dhw->cd", f, f) / (f.shape[1] * f.shape[2])

    g, s = gram(features), gram(style_features)
    return np.linalg.norm(g - s) ** 2 / np.linalg.norm(s) ** 2


def distances(picture, style, encoder, layers=STD5):
    grams, targets = (style_grams(image, encoder, layers) for image in (picture, style))
    return {layer: value.item() for layer, value in style_distances(grams, targets).items()}


@pytest.mark.parametrize("size", [(91, 35), (40, 56), (200, 210)])
def test_agrees_with_numpy_for_styles_of_any_size(make_picture, encoder, size):
    picture, style = make_picture(40, 56), make_picture(*size, seed=3)
    expected = {layer: numpy_distance(encoder(picture), encoder(style), layer) for layer in STD5}
    assert distances(picture, style, encoder) == pytest.approx(expected, rel=1e-4)


def test_the_style_itself_has_distance_nothing_and_black_has_one(make_picture, encoder):
    style = make_picture()
    assert set(distances(style, style, encoder).values()) == {0}
    black = distances(torch.zeros_like(style), style, encoder)
    assert list(black.values()) == pytest.approx([1] * 5)


def test_the_scale_of_the_features_cancels_out(make_picture, encoder):
    picture, style = make_picture(), make_picture(seed=1)
    larger = distances(picture, style, lambda x: {k: 40 * v for k, v in encoder(x).items()})
    assert larger == pytest.approx(distances(picture, style, encoder), rel=1e-4)


def test_a_batch_gives_what_its_pictures_give(make_picture, encoder):
    batch, style = make_picture(number=2), make_picture(seed=9)
    target = style_grams(style, encoder)
    together = style_distances(style_grams(batch, encoder), target)
    for number in range(2):
        alone = distances(batch[number : number + 1], style, encoder)
        found = {layer: values[number].item() for layer, values in together.items()}
        assert found == pytest.approx(alone, rel=1e-5)


def test_has_a_gradient_to_the_picture(make_picture, encoder):
    picture = make_picture().requires_grad_()
    grams, targets = (style_grams(x, encoder) for x in (picture, make_picture(seed=1)))
    torch.stack(list(style_distances(grams, targets).values())).sum().backward()
    assert picture.grad.abs().sum() > 0


def test_only_the_layers_asked_for_are_given_and_one_that_lacks_is_named(make_picture, encoder):
    assert list(style_grams(make_picture(), encoder, ["relu3_1"])) == ["relu3_1"]
    with pytest.raises(ValueError, match="relu9_1 is missing"):
        style_grams(make_picture(), encoder, ["relu1_1", "relu9_1"])


@pytest.mark.parametrize("weights", [[1.0], [1.0, 3.0]])
def test_alone_it_is_what_all_measures_together_say(make_picture, weights):
    """One measure, one meaning: a film's is a run's."""
    picture = make_picture(64, 80)
    styles = [make_picture(72, 48, seed=n + 1) for n in range(len(weights))]
    together = PictureMetrics(picture, styles, style_weights=weights, learned=False)
    alone = StyleDistance(styles, weights, together.encoder)
    assert alone(picture) == pytest.approx(together(picture)["style_distance"], rel=1e-5)
    assert alone(styles[0]) < alone(picture)


@only_with_shared
def test_the_untouched_photograph_has_the_measured_distance():
    """0.573 was measured before this code was written, with VGG-19 at 384 px (tubingen, starry
    night)."""
    from PIL import Image

    from nst_lightning.encoder import VGG19Encoder

    def load(path):
        image = Image.open(path).convert("RGB")
        scale = 384 / max(image.size)
        size = round(image.width * scale), round(image.height * scale)
        pixels = np.asarray(image.resize(size, Image.Resampling.LANCZOS), dtype=np.float32) / 255
        return torch.from_numpy(pixels).permute(2, 0, 1)[None]

    with torch.no_grad():
        encoder = VGG19Encoder(taps=STD5)
        content, style = (style_grams(load(path), encoder) for path in SHARED)
    found = [d.item() for d in style_distances(content, style).values()]
    assert np.mean(found) == pytest.approx(0.573, abs=1e-3)
