"""The dictionary that `test` and the comparison print."""

import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from nst_lightning.errors import InputError
from nst_lightning.losses.term import STD5
from nst_lightning.metrics import PictureMetrics, functional
from nst_lightning.metrics.patches import sliced_wasserstein
from nst_lightning.metrics.views import MEASURED_LAYERS

from .test_colour import numpy_histogram, numpy_lab
from .test_patches import numpy_patch_distance
from .test_self_similarity import numpy_cfsd, numpy_self_similarity

PIXEL = ("mse", "rmse", "psnr", "ssim", "ms_ssim")
OWN = {
    "colour_histogram/style",
    "contrast/style",
    "colourfulness/style",
    "patch_distance/style",
    "sliced_wasserstein/style",
    "sliced_wasserstein/relu3_2",
    "sliced_wasserstein/relu4_2",
    "self_similarity/content",
    "cfsd/content",
}
KEYS = {
    *(f"{name}/{reference}" for name in PIXEL for reference in ("content", "style")),
    "style_distance",
    *(f"style_distance/{layer}" for layer in STD5),
    "colour_distance/style",
    *OWN,
    "total_variation",
    "deltas/horizontal",
    "deltas/vertical",
}


def evaluate_picture(picture, *args, **kwargs):
    return PictureMetrics(*args, **kwargs)(picture)


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)


@pytest.fixture
def images(make_picture):
    content, style = make_picture(40, 56, seed=1), make_picture(33, 71, seed=2)
    return 0.7 * content + 0.3 * make_picture(40, 56, seed=3), content, style


def as_numpy(picture):
    return picture[0].double().numpy().transpose(1, 2, 0)


def against(picture, reference):
    """The measures of two pictures of one size, by scikit-image; MS-SSIM has none there."""
    from skimage import metrics

    x, y = as_numpy(picture), as_numpy(reference)
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    mse = metrics.mean_squared_error(x, y)
    return {
        "mse": mse,
        "rmse": mse**0.5,
        "psnr": metrics.peak_signal_noise_ratio(y, x, data_range=1),
        "ssim": metrics.structural_similarity(x, y, channel_axis=2, data_range=1, **window),
        "ms_ssim": functional.multiscale_structural_similarity(
            picture.double(), reference.double()
        ).item(),
    }


def by_other_means(picture, content, style, encoder):
    """Our own measures, by NumPy; of pictures that are not reduced for them."""
    ours, photograph, painting = (encoder(image) for image in (picture, content, style))

    def both(layer, other):
        return ours[layer], other[layer]

    roots = [np.sqrt(numpy_histogram(image)) for image in (picture, style)]
    expected = {
        "self_similarity/content": numpy_self_similarity(*both("relu4_1", photograph)),
        "cfsd/content": numpy_cfsd(*both("relu3_1", photograph)),
        "patch_distance/style": numpy_patch_distance(*both("relu4_3", painting)),
        "colour_histogram/style": np.linalg.norm(roots[0] - roots[1]) / np.sqrt(2),
    }
    # Against SciPy in test_patches.py.
    for layer in ("relu3_2", "relu4_2"):
        distance = sliced_wasserstein(*both(layer, painting)).item()
        expected[f"sliced_wasserstein/{layer}"] = distance
    expected["sliced_wasserstein/style"] = np.mean(list(expected.values())[-2:])
    (light, a, b), (other_light, other_a, other_b) = map(numpy_lab, (picture, style))
    expected["contrast/style"] = light.std() / other_light.std()
    expected["colourfulness/style"] = np.hypot(a, b).mean() / np.hypot(other_a, other_b).mean()
    return expected


def gram(image, layer, encoder):
    f = encoder(image)[layer][0].double().flatten(1).numpy()
    return f @ f.T / f.shape[1]


@pytest.mark.parametrize("size", [(40, 56), (64, 11), (97, 180)])
def test_keys_and_values_by_other_means(encoder, make_picture, size):
    content, style = make_picture(*size, seed=1), make_picture(33, 71, seed=2)
    picture = 0.7 * content + 0.3 * make_picture(*size, seed=3)
    found = evaluate_picture(picture, content, style, encoder)
    assert set(found) == KEYS
    assert all(type(value) is float and math.isfinite(value) for value in found.values())

    stretched = torch.nn.functional.interpolate(
        style.double(), size, mode="bilinear", antialias=True
    ).clamp(0, 1)
    expected = {f"{name}/content": value for name, value in against(picture, content).items()}
    expected |= {f"{name}/style": value for name, value in against(picture, stretched).items()}
    for layer in STD5:
        target = gram(style, layer, encoder)
        error = np.sum((gram(picture, layer, encoder) - target) ** 2)
        expected[f"style_distance/{layer}"] = error / np.sum(target**2)
    expected["style_distance"] = np.mean([expected[f"style_distance/{layer}"] for layer in STD5])
    axes = [np.array(a) - 1 for a in np.ndindex(3, 3, 3)]
    a, b = (image[0].reshape(3, -1).double().numpy() for image in (picture, style))
    expected["colour_distance/style"] = np.mean(
        [
            wasserstein_distance(d @ a, d @ b) / np.linalg.norm(d)
            for d in axes
            if tuple(d) > (0, 0, 0)
        ]
    )
    x = picture.double().numpy()
    horizontal, vertical = (np.abs(np.diff(x, axis=axis)) for axis in (3, 2))
    expected["total_variation"] = (horizontal.sum() + vertical.sum()) / x.size
    expected["deltas/horizontal"] = horizontal.mean()
    expected["deltas/vertical"] = vertical.mean()
    rough = {key for key in KEYS if key.startswith("style_distance")}
    expected |= by_other_means(picture, content, style, encoder)
    assert set(expected) == KEYS
    for key, value in expected.items():
        # Features are float32; a ratio of strengths has a hundredth added.
        rel = 1e-3 if key in OWN else 1e-4 if key in rough else 1e-6
        assert found[key] == pytest.approx(value, rel=rel, abs=1e-7 if key in OWN else 1e-9), key


def test_of_a_pair(images, encoder, make_picture):
    picture, content, first = images
    second = make_picture(50, 50, seed=7)
    pair = SimpleNamespace(content=content, styles=[first, second], blend=[0.25, 0.75])
    measure = PictureMetrics.of(pair, encoder, learned=False)
    assert measure.encoder is encoder
    assert measure.unavailable == {}
    assert measure(picture) == evaluate_picture(picture, content, [first, second], encoder, [1, 3])


def test_without_an_encoder_it_is_vgg19(images):
    from nst_lightning.encoder import VGG19Encoder

    picture, content, style = images
    found = evaluate_picture(picture, content, style)
    vgg19 = VGG19Encoder(MEASURED_LAYERS)
    assert found == evaluate_picture(picture, content, style, vgg19)


def test_the_untouched_content_is_the_control(images, encoder):
    _, content, style = images
    control = evaluate_picture(content, content, style, encoder)
    assert control["mse/content"] == control["rmse/content"] == 0
    assert control["psnr/content"] == math.inf
    assert control["ssim/content"] == pytest.approx(1)
    assert control["self_similarity/content"] == pytest.approx(0, abs=1e-6)
    assert control["cfsd/content"] == pytest.approx(0, abs=1e-6)
    assert control["style_distance"] > 0


def test_the_painting_itself_has_all_of_its_style(images, encoder):
    _, _, style = images
    found = evaluate_picture(style, style, style, encoder)
    for name in ("patch_distance", "sliced_wasserstein", "colour_histogram", "colour_distance"):
        assert found[f"{name}/style"] == pytest.approx(0, abs=1e-6)
    assert found["contrast/style"] == found["colourfulness/style"] == 1


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
    ours = [name for name in KEYS if name.endswith("/style")]
    assert len(ours) == len(PIXEL) + 6
    for name in ours:
        assert both[f"{name}_1"] == pytest.approx(one[name])
        assert both[f"{name}_2"] == pytest.approx(two[name])
        assert both[name] == pytest.approx(0.25 * one[name] + 0.75 * two[name])
    assert both["style_distance/style_1"] == pytest.approx(one["style_distance"])
    assert both["style_distance/style_2"] == pytest.approx(two["style_distance"])
    assert both["ssim/content"] == one["ssim/content"]


def test_style_distance_of_a_blend_is_to_the_mean_gram(images, encoder, make_picture):
    picture, content, first = images
    second = make_picture(50, 50, seed=7)

    expected = []
    for layer in STD5:
        target = 0.25 * gram(first, layer, encoder) + 0.75 * gram(second, layer, encoder)
        expected.append(np.sum((gram(picture, layer, encoder) - target) ** 2) / np.sum(target**2))
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
    # Content, style, then picture: a graph of VGG-19's would hold gigabytes.
    assert graphs == [False, False, False]


def test_how_a_picture_lies_in_memory_changes_nothing(images, encoder):
    picture, content, style = images
    measure = PictureMetrics(content, style, encoder, learned=False)
    turned = picture.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert measure(turned) == measure(picture)


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys; import nst_lightning.metrics as m;"
        "assert not {'torchmetrics', 'torchvision', 'skimage', 'torch'} & set(sys.modules);"
        "assert 'PictureMetrics' in dir(m); m.error_improvement(1, 1);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    import nst_lightning.metrics

    with pytest.raises(AttributeError, match="FID"):
        _ = nst_lightning.metrics.FID
    assert all(hasattr(nst_lightning.metrics, name) for name in nst_lightning.metrics.__all__)


def test_a_large_picture_is_measured_reduced(images, monkeypatch):
    picture, content, style = images
    large = [
        torch.nn.functional.interpolate(p, scale_factor=2, mode="nearest")
        for p in (picture, content)
    ]
    monkeypatch.setattr("nst_lightning.metrics.evaluate.MEASURED_SIDE", 56)
    found = evaluate_picture(large[0], large[1], style[..., :56])
    small = [
        torch.nn.functional.interpolate(
            p.double(), (40, 56), mode="bilinear", align_corners=False, antialias=True
        ).clamp(0, 1)
        for p in large
    ]
    assert found["mse/content"] == pytest.approx(against(*small)["mse"])
    assert found["ssim/content"] == pytest.approx(against(*small)["ssim"])
