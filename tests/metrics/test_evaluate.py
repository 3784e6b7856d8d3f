"""The dictionary that `test` and the comparison print."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from nst_lightning.errors import InputError
from nst_lightning.metrics import (
    MSE,
    MSSSIM,
    PSNR,
    RMSE,
    SSIM,
    ColourDistance,
    HighFrequencyDeltas,
    PictureMetrics,
    StyleDistance,
    TotalVariation,
    evaluate_picture,
)
from nst_lightning.metrics.evaluate import HIGHER_IS_BETTER
from nst_lightning.metrics.style_distance import STYLE_LAYERS

PIXEL = {"mse": MSE, "rmse": RMSE, "psnr": PSNR, "ssim": SSIM, "ms_ssim": MSSSIM}
KEYS = {
    *(f"{name}/{reference}" for name in PIXEL for reference in ("content", "style")),
    "style_distance",
    *(f"style_distance/{layer}" for layer in STYLE_LAYERS),
    "colour_distance/style",
    "total_variation",
    "deltas/horizontal",
    "deltas/vertical",
}


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)


@pytest.fixture
def images(make_picture):
    content, style = make_picture(40, 56, seed=1), make_picture(33, 71, seed=2)
    return 0.7 * content + 0.3 * make_picture(40, 56, seed=3), content, style


def test_keys_and_values_are_those_of_the_classes(images, encoder):
    picture, content, style = images
    found = evaluate_picture(picture, content, style, encoder)
    assert set(found) == KEYS
    assert all(type(value) is float and math.isfinite(value) for value in found.values())
    expected = {}
    for name, kind in PIXEL.items():
        expected[f"{name}/content"] = kind()(picture, content).item()
        expected[f"{name}/style"] = kind()(picture, style).item()
    distance = StyleDistance(encoder)
    expected["style_distance"] = distance(picture, style).item()
    for layer, value in distance.by_layer().items():
        expected[f"style_distance/{layer}"] = value.item()
    expected["colour_distance/style"] = ColourDistance()(picture, style).item()
    expected["total_variation"] = TotalVariation()(picture).item()
    for direction in ("horizontal", "vertical"):
        expected[f"deltas/{direction}"] = HighFrequencyDeltas(direction)(picture).item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_untouched_content_is_the_control(images, encoder):
    _, content, style = images
    control = evaluate_picture(content, content, style, encoder)
    assert control["mse/content"] == control["rmse/content"] == 0
    assert control["psnr/content"] == math.inf
    assert control["ssim/content"] == pytest.approx(1)
    assert control["style_distance"] > 0


def test_several_pictures_with_one_object(images, encoder):
    picture, content, style = images
    measure = PictureMetrics(content, [style], encoder)
    assert measure(picture) == evaluate_picture(picture, content, style, encoder)
    assert measure(content) == evaluate_picture(content, content, style, encoder)
    assert measure(picture) == measure(picture)


def test_several_styles(images, encoder, make_picture):
    picture, content, first = images
    second = make_picture(50, 50, seed=7)
    both = evaluate_picture(picture, content, [first, second], encoder, style_weights=[1, 3])
    one, two = (evaluate_picture(picture, content, s, encoder) for s in (first, second))
    assert set(both) >= KEYS
    for name in [f"{n}/style" for n in PIXEL] + ["colour_distance/style"]:
        assert both[f"{name}_1"] == pytest.approx(one[name])
        assert both[f"{name}_2"] == pytest.approx(two[name])
        assert both[name] == pytest.approx(0.25 * one[name] + 0.75 * two[name])
    assert both["style_distance/style_1"] == pytest.approx(one["style_distance"])
    assert both["style_distance/style_2"] == pytest.approx(two["style_distance"])
    assert both["ssim/content"] == one["ssim/content"]


def test_style_distance_of_a_blend_is_to_the_mean_gram(images, encoder, make_picture):
    picture, content, first = images
    second = make_picture(50, 50, seed=7)

    def gram(image, layer):
        f = encoder(image)[layer][0].double().flatten(1).numpy()
        return f @ f.T / f.shape[1]

    expected = []
    for layer in STYLE_LAYERS:
        target = 0.25 * gram(first, layer) + 0.75 * gram(second, layer)
        expected.append(np.sum((gram(picture, layer) - target) ** 2) / np.sum(target**2))
    both = evaluate_picture(picture, content, [first, second], encoder, style_weights=[1, 3])
    assert both["style_distance"] == pytest.approx(np.mean(expected), rel=1e-4)


def test_a_style_of_weight_nothing_does_not_count(images, encoder):
    picture, content, style = images
    # The picture as a style has an infinite PSNR to itself.
    both = evaluate_picture(picture, content, [style, picture], encoder, style_weights=[1, 0])
    assert both["psnr/style"] == evaluate_picture(picture, content, style, encoder)["psnr/style"]
    assert both["psnr/style_2"] == math.inf


def test_absent_weights_are_reported_not_raised(images, encoder):
    measure = PictureMetrics(images[1], images[2], encoder)
    assert set(measure.unavailable) == {"lpips", "dists"}
    assert "LPIPS needs" in measure.unavailable["lpips"]
    assert PictureMetrics(*images[1:], encoder, learned=False).unavailable == {}


def test_lpips_is_measured_where_its_weights_are(images, encoder, tmp_path, make_picture):
    from .test_perceptual import write_random_weights

    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    write_random_weights(folder / "alexnet-owt-7be5be79.pth", "alexnet")
    picture, content, style = images
    measure = PictureMetrics(content, style, encoder)
    found = measure(picture)
    assert set(found) == KEYS | {"lpips/content", "lpips/style"}
    assert 0 < found["lpips/content"] < found["lpips/style"]
    assert set(measure.unavailable) == {"dists"}


def test_every_key_says_whether_more_is_better(images, encoder):
    found = evaluate_picture(*images, encoder)
    assert {key.split("/")[0] for key in found} <= set(HIGHER_IS_BETTER)
    for name, kind in PIXEL.items():
        assert HIGHER_IS_BETTER[name] is kind.higher_is_better


def test_another_size_than_the_contents_is_refused(images, encoder):
    picture, content, style = images
    with pytest.raises(InputError, match="55x40 and the content 56x40"):
        evaluate_picture(picture[..., :-1], content, style, encoder)


@pytest.mark.parametrize(("which", "name"), [(0, "picture"), (1, "content"), (2, "style")])
def test_nan_is_refused_by_name(images, encoder, which, name):
    images = [image.clone() for image in images]
    images[which][0, 0, 5, 5] = math.nan
    with pytest.raises(InputError, match=f"{name} holds NaN"):
        evaluate_picture(*images, encoder)


def test_which_style_is_bad_is_said(images, encoder):
    picture, content, style = images
    with pytest.raises(InputError, match="style 2 holds NaN"):
        evaluate_picture(picture, content, [style, style * math.nan], encoder)


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0]])
def test_weights_that_do_not_fit_are_refused(images, encoder, weights):
    picture, content, style = images
    with pytest.raises(ValueError, match="2 styles"):
        evaluate_picture(picture, content, [style, style], encoder, style_weights=weights)


def test_no_style_and_batches_are_refused(images, encoder):
    picture, content, style = images
    with pytest.raises(ValueError, match="at least one style"):
        evaluate_picture(picture, content, [], encoder)
    with pytest.raises(ValueError, match="one image"):
        evaluate_picture(picture.repeat(2, 1, 1, 1), content, style, encoder)


def test_a_picture_with_a_graph_is_measured_without(images, encoder):
    picture, content, style = images
    graphs = []

    def watched(image):
        graphs.append(torch.is_grad_enabled())
        return encoder(image)

    found = evaluate_picture(picture.requires_grad_(), content.requires_grad_(), style, watched)
    assert set(found) == KEYS
    # Style, then picture: a graph of VGG-19's would hold gigabytes.
    assert graphs == [False, False]


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys; import nst_lightning.metrics as m;"
        "assert not {'torchmetrics', 'torchvision', 'skimage', 'torch'} & set(sys.modules);"
        "assert 'SSIM' in dir(m); m.error_improvement(1, 1); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    import nst_lightning.metrics

    with pytest.raises(AttributeError, match="FID"):
        _ = nst_lightning.metrics.FID
    assert all(hasattr(nst_lightning.metrics, name) for name in nst_lightning.metrics.__all__)
