"""Relative Gram distance against plain numpy, and the number in the record of measurements."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from nst_lightning.errors import InputError
from nst_lightning.metrics import StyleDistance
from nst_lightning.metrics.style_distance import STYLE_LAYERS, style_distances, style_grams

IMAGES = Path(__file__).resolve().parents[3] / "shared" / "images"


def numpy_distance(features, style_features, layer):
    def gram(f):
        f = f[layer][0].detach().double().numpy()
        return np.einsum("chw,dhw->cd", f, f) / (f.shape[1] * f.shape[2])

    g, s = gram(features), gram(style_features)
    return np.linalg.norm(g - s) ** 2 / np.linalg.norm(s) ** 2


@pytest.mark.parametrize("size", [(91, 35), (40, 56), (200, 210)])
def test_agrees_with_numpy_for_styles_of_any_size(make_picture, encoder, size):
    picture, style = make_picture(40, 56), make_picture(*size, seed=3)
    metric = StyleDistance(encoder)
    value = metric(picture, style)
    expected = {
        layer: numpy_distance(encoder(picture), encoder(style), layer) for layer in STYLE_LAYERS
    }
    found = {layer: distance.item() for layer, distance in metric.by_layer().items()}
    assert found == pytest.approx(expected, rel=1e-4)
    assert value.item() == pytest.approx(np.mean(list(expected.values())), rel=1e-4)


def test_the_style_itself_has_distance_nothing_and_black_has_one(make_picture, encoder):
    style = make_picture()
    assert StyleDistance(encoder)(style, style).item() == 0
    assert StyleDistance(encoder)(torch.zeros_like(style), style).item() == pytest.approx(1)


def test_the_scale_of_the_features_cancels_out(make_picture, encoder):
    picture, style = make_picture(), make_picture(seed=1)
    larger = StyleDistance(lambda x: {k: 40 * v for k, v in encoder(x).items()})
    assert larger(picture, style).item() == pytest.approx(
        StyleDistance(encoder)(picture, style).item(), rel=1e-4
    )


def test_mean_over_batches_and_updates(make_picture, encoder):
    metric = StyleDistance(encoder, ["relu1_1", "relu3_1"])
    batch, single = make_picture(number=2), make_picture(30, 44, seed=8)
    style = make_picture(seed=9)
    metric.update(batch, style)
    metric.update(single, style)
    alone = [
        StyleDistance(encoder, ["relu1_1", "relu3_1"])(p, style).item()
        for p in (batch[:1], batch[1:], single)
    ]
    assert metric.compute().item() == pytest.approx(np.mean(alone), rel=1e-5)
    assert list(metric.by_layer()) == ["relu1_1", "relu3_1"]


def test_has_a_gradient_to_the_picture_but_not_to_the_style(make_picture, encoder):
    picture, style = make_picture().requires_grad_(), make_picture(seed=1).requires_grad_()
    StyleDistance(encoder)(picture, style).backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum() > 0
    assert style.grad is None


def test_flags(encoder):
    assert StyleDistance(encoder).higher_is_better is False
    assert StyleDistance(encoder).is_differentiable is True


def test_a_module_moves_with_the_metric(encoder):
    assert StyleDistance(encoder).to("meta").encoder.kernel0.device.type == "meta"


@pytest.mark.parametrize("which", [0, 1])
def test_nan_is_refused(make_picture, encoder, which):
    images = [make_picture(), make_picture(seed=1)]
    images[which][0, 0, 0, 0] = math.nan
    with pytest.raises(InputError, match=["picture", "style"][which]):
        StyleDistance(encoder).update(*images)


def test_a_layer_the_encoder_lacks_is_named(make_picture, encoder):
    with pytest.raises(ValueError, match="relu9_1 is missing"):
        StyleDistance(encoder, ["relu1_1", "relu9_1"]).update(make_picture(), make_picture())


def test_no_layers_are_refused(encoder):
    with pytest.raises(ValueError, match="at least one"):
        StyleDistance(encoder, [])


@pytest.mark.skipif(not IMAGES.is_dir(), reason="the shared pictures are not on this machine")
def test_the_untouched_photograph_has_the_measured_distance():
    """0.573 was measured before this code was written, with VGG-19 at 384 px (tubingen, starry
    night)."""
    from PIL import Image

    from nst_lightning.encoder import VGG19Encoder

    def load(name):
        image = Image.open(IMAGES / name).convert("RGB")
        scale = 384 / max(image.size)
        size = round(image.width * scale), round(image.height * scale)
        pixels = np.asarray(image.resize(size, Image.Resampling.LANCZOS), dtype=np.float32) / 255
        return torch.from_numpy(pixels).permute(2, 0, 1)[None]

    with torch.no_grad():
        encoder = VGG19Encoder(taps=STYLE_LAYERS)
        content, style = (
            style_grams(load(name), encoder) for name in ("tubingen.jpg", "starry_night.jpg")
        )
    distances = [d.item() for d in style_distances(content, style).values()]
    assert np.mean(distances) == pytest.approx(0.573, abs=1e-3)
