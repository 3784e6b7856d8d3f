"""LPIPS and DISTS: never a download, a reason where weights are absent, real code where they
are."""

import socket

import pytest
import torch

from nst_lightning.errors import InputError
from nst_lightning.metrics.perceptual import learned_measures, load_measure, why_unavailable

NAMES = ("lpips", "dists")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty torchvision cache, and a network that fails the test if it is tried."""

    def no_network(*args, **kwargs):
        pytest.fail("the network was tried")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    monkeypatch.setattr(socket, "create_connection", no_network)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_absent_weights_are_named_without_trying_the_network(cache, name):
    reason = why_unavailable(name)
    assert reason is not None
    assert learned_measures(torch.device("cpu"))[1][name] == reason
    assert str(cache) in reason
    assert "\n" not in reason
    with pytest.raises(InputError) as error:
        load_measure(name)
    assert str(error.value) == reason


def test_an_unknown_measure_is_refused():
    with pytest.raises(ValueError, match="fid"):
        why_unavailable("fid")


@pytest.mark.parametrize(
    ("name", "file"), [("lpips", "alexnet-owt-7be5be79.pth"), ("dists", "vgg16-397923af.pth")]
)
def test_broken_weights_are_named(cache, name, file):
    (cache / file).write_bytes(b"not weights")
    with pytest.raises(InputError, match=file):
        load_measure(name)


def write_random_weights(path, network):
    """A file with the network's own keys and shapes. The classifier, never used, takes no room."""
    from torchvision import models

    with torch.device("meta"):
        shapes = getattr(models, network)(weights=None).state_dict()
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for key, tensor in shapes.items():
        if key.startswith("features"):
            weights[key] = torch.randn(tensor.shape, generator=generator) / tensor[0].numel() ** 0.5
        else:
            weights[key] = torch.zeros(()).expand(tensor.shape)
    torch.save(weights, path)


def check(measure, make_picture):
    x, y = make_picture(64, 80, seed=1), make_picture(64, 80, seed=2)
    # float64, as pictures are when they are measured.
    near, far = measure((0.9 * x + 0.1 * y).double(), x.double()), measure(y, x)
    assert 0 < near < far
    assert measure(x, x).item() == pytest.approx(0, abs=1e-4)
    assert measure(y, x).item() == far.item()
    with pytest.raises(InputError, match="32 pixels"):
        measure(x[..., :20], x[..., :20])


def test_lpips_with_weights_present(cache, make_picture):
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity as lpips

    write_random_weights(cache / "alexnet-owt-7be5be79.pth", "alexnet")
    assert why_unavailable("lpips") is None
    metric = load_measure("lpips")
    check(metric, make_picture)
    x, y = make_picture(64, 80, seed=1), make_picture(64, 80, seed=2)
    assert metric(x, y).item() == pytest.approx(lpips(x, y, "alex", normalize=True).item())


@pytest.mark.slow
def test_dists_with_weights_present(cache, make_picture):
    from torchmetrics.functional.image.dists import deep_image_structure_and_texture_similarity

    write_random_weights(cache / "vgg16-397923af.pth", "vgg16")
    assert why_unavailable("dists") is None
    metric = load_measure("dists")
    check(metric, make_picture)
    x, y = make_picture(64, 80, seed=1), make_picture(64, 80, seed=2)
    theirs = deep_image_structure_and_texture_similarity(x, y)
    assert metric(x, y).item() == pytest.approx(theirs.item(), rel=1e-5)
