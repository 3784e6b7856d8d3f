"""The Hub's stylizer with real SavedModels, through tensorflow-hub's own resolver and loader."""

import contextlib
import hashlib
import http.server
import io
import shutil
import socket
import subprocess
import sys
import tarfile
import threading

import numpy as np
import pytest
import torch

from nst_lightning.baselines import TensorFlowHubStylizer
from nst_lightning.baselines import tensorflow_hub as module
from nst_lightning.baselines.tensorflow_hub import MAGENTA, resolve_handle
from nst_lightning.errors import InputError

from .conftest import HAS_TENSORFLOW, match_moments

needs_tensorflow = pytest.mark.skipif(
    not HAS_TENSORFLOW, reason="TensorFlow or tensorflow-hub is not installed (extra tensorflow)"
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty TFHUB_CACHE_DIR, and no network: every request ends at a closed port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(folder))
    return folder


def channels_last(image):
    return image.permute(0, 2, 3, 1).numpy()


def expected(content, style):
    """The tutorial's steps in TensorFlow, the small model's in numpy. The style is 256 x 256."""
    import tensorflow as tf

    smooth = tf.nn.avg_pool(channels_last(style), ksize=[3, 3], strides=[1, 1], padding="SAME")
    return match_moments(channels_last(content), smooth.numpy())


@pytest.fixture
def style_256():
    return torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(2)) ** 2


def test_handles():
    assert resolve_handle(MAGENTA) == "https://tfhub.dev/" + MAGENTA
    for url in ("https://tfhub.dev/a/b/1", "gs://bucket/model", "https://example.com/m.tar.gz"):
        assert resolve_handle(url) == url


@pytest.mark.parametrize("handle", ["/no/such/folder", "./none", "~/surely/not/here"])
def test_a_path_that_is_not_there_is_no_address(handle):
    with pytest.raises(InputError, match="there is no folder"):
        resolve_handle(handle)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(InputError, match=r"saved_model\.pb is missing"):
        resolve_handle(str(tmp_path))
    (tmp_path / "saved_model.pb").touch()
    assert resolve_handle(str(tmp_path)) == str(tmp_path.resolve())
    with pytest.raises(InputError, match="empty"):
        resolve_handle(" ")


@needs_tensorflow
@pytest.mark.parametrize("name", ["magenta", "signature"])
def test_a_local_folder(saved_models, content, style_256, name):
    content = content[..., :44, :68]
    picture = TensorFlowHubStylizer(str(saved_models / name))(content, style_256)
    np.testing.assert_allclose(channels_last(picture), expected(content, style_256), atol=1e-4)
    assert picture.std() > 0.05


@needs_tensorflow
def test_style_is_the_middle_square(saved_models, content, style_256):
    wide = torch.cat([torch.ones(1, 3, 256, 100), style_256, torch.zeros(1, 3, 256, 100)], dim=3)
    stylizer = TensorFlowHubStylizer(str(saved_models / "magenta"))
    torch.testing.assert_close(stylizer(content, wide), stylizer(content, style_256))


@needs_tensorflow
@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 30), (45, 71), (130, 99)])
def test_any_size(saved_models, style, height, width):
    content = torch.rand(1, 3, height, width)
    stylizer = TensorFlowHubStylizer(str(saved_models / "magenta"))
    assert stylizer(content, style).shape == content.shape


@needs_tensorflow
def test_padding_is_cut_off_not_squeezed(saved_models, style):
    """45 x 71 is 48 x 72 inside such a network; every pixel stays where it was all the same."""
    blocks = torch.rand(1, 3, 12, 18, generator=torch.Generator().manual_seed(3))
    content = blocks.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)[..., :45, :71]
    picture = TensorFlowHubStylizer(str(saved_models / "quarter"))(content, style)
    torch.testing.assert_close(picture, content)


@needs_tensorflow
def test_a_smaller_result_is_resized(saved_models, content, style):
    picture = TensorFlowHubStylizer(str(saved_models / "half"))(content, style)
    assert picture.shape == content.shape
    assert (picture - content).abs().mean() < 0.02


@needs_tensorflow
def test_the_default_handle_comes_from_the_cache(saved_models, cache, content, style_256):
    url = "https://tfhub.dev/google/magenta/arbitrary-image-stylization-v1-256/2"
    shutil.copytree(saved_models / "magenta", cache / hashlib.sha1(url.encode()).hexdigest())
    content = content[..., :44, :68]
    picture = TensorFlowHubStylizer()(content, style_256)
    np.testing.assert_allclose(channels_last(picture), expected(content, style_256), atol=1e-4)


@needs_tensorflow
def test_without_network_and_cache_one_line_says_how_to_get_it(cache, content, style):
    before = socket.getdefaulttimeout()
    with pytest.raises(InputError) as error:
        TensorFlowHubStylizer()(content, style)
    message = str(error.value)
    assert "\n" not in message
    assert MAGENTA in message
    assert "arbitrary-image-stylization-v1-256/2?tf-hub-format=compressed" in message
    assert "TFHUB_CACHE_DIR" in message
    assert socket.getdefaulttimeout() == before
    # A later attempt is not told that the model is there.
    assert not [path for path in cache.iterdir() if path.is_dir()]


@contextlib.contextmanager
def server(answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/publisher/model/1"
        running.shutdown()


@needs_tensorflow
def test_a_model_is_fetched_once_and_kept(saved_models, cache, content, style):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(saved_models / "magenta", arcname=".")
    requests = []

    def answer(handler):
        requests.append(handler.path)
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(archive.getvalue())

    with server(answer) as url:
        first = TensorFlowHubStylizer(url)(content, style)
        second = TensorFlowHubStylizer(url)(content, style)
    assert requests == ["/publisher/model/1?tf-hub-format=compressed"]
    assert torch.equal(first, second)
    direct = TensorFlowHubStylizer(str(saved_models / "magenta"))(content, style)
    torch.testing.assert_close(first, direct)


@needs_tensorflow
def test_a_silent_network_is_given_up(cache, monkeypatch, content, style):
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.3)
    done = threading.Event()
    with server(lambda handler: done.wait(60)) as url:
        with pytest.raises(InputError, match="cannot get the TensorFlow Hub model"):
            TensorFlowHubStylizer(url)(content, style)
        done.set()


@needs_tensorflow
def test_a_login_page_in_place_of_a_model(cache, content, style):
    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"<html>please sign in</html>")

    with server(answer) as url, pytest.raises(InputError, match="not appear to be a valid module"):
        TensorFlowHubStylizer(url)(content, style)


@needs_tensorflow
def test_a_broken_model_is_named(tmp_path, content, style):
    (tmp_path / "saved_model.pb").write_bytes(b"\xff not a model")
    with pytest.raises(InputError, match="cannot read the TensorFlow model"):
        TensorFlowHubStylizer(str(tmp_path))(content, style)


@needs_tensorflow
@pytest.mark.parametrize(
    ("name", "message"),
    [("one", "does not take a content and a style"), ("numbers", "not a picture")],
)
def test_models_of_another_kind_are_refused(saved_models, content, style, name, message):
    with pytest.raises(InputError, match=message):
        TensorFlowHubStylizer(str(saved_models / name))(content, style)


@pytest.mark.slow
@needs_tensorflow
@pytest.mark.parametrize(
    "imports",
    [
        # TensorFlow first, then all that imports triton; and the other way round.
        "paint(); import torchvision, lightning.pytorch; encode()",
        "import torchvision, lightning.pytorch; encode(); paint()",
    ],
)
def test_torch_and_tensorflow_in_one_process_in_any_order(saved_models, imports):
    code = f"""
import nst_lightning
from nst_lightning.baselines import TensorFlowHubStylizer
import torch

def paint():
    picture = TensorFlowHubStylizer({str(saved_models / "magenta")!r})(
        torch.rand(1, 3, 32, 32), torch.rand(1, 3, 40, 40)
    )
    assert picture.shape == (1, 3, 32, 32)

def encode():
    nst_lightning.VGG19Encoder(["relu1_1"])(torch.rand(1, 3, 32, 32))

{imports}
import sys
assert "tensorflow" in sys.modules
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]


def test_without_tensorflow_one_line_says_how_to_get_it(monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda m, *a: None if m == "tensorflow_hub" else real(m, *a)
    )
    with pytest.raises(InputError, match=r"tensorflow_hub.*--extra tensorflow"):
        TensorFlowHubStylizer()


def test_setuptools_82_is_explained(monkeypatch):
    """tensorflow-hub imports pkg_resources, which setuptools 82 no longer has."""
    import builtins

    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] in ("tensorflow", "tensorflow_hub"):
            raise ModuleNotFoundError("No module named 'pkg_resources'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match="setuptools<82"):
        module.import_tensorflow_hub()
