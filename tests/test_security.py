"""Each line of SECURITY.md's promises."""

import gc
import http.server
import io
import pickle
import re
import socket
import threading
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import nst_lightning
from nst_lightning.checkpoint_io import checkpoint_settings
from nst_lightning.data import decoding, sources
from nst_lightning.data.images import load_image
from nst_lightning.data.metadata import read_settings
from nst_lightning.data.sources import open_source
from nst_lightning.errors import InputError
from nst_lightning.files import local_path
from nst_lightning.weights import load_vgg19


class Evil:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["checkpoint", "weights", "a plain pickle"])
def test_files_are_read_as_data(tmp_path: Path, kind: str) -> None:
    path, mark = tmp_path / "evil.pth", tmp_path / "ran"
    if kind == "a plain pickle":
        path.write_bytes(pickle.dumps(Evil(mark)))
    else:
        torch.save({"nst_lightning": {"settings": Evil(mark)}, "0.weight": Evil(mark)}, path)
    read: Any = checkpoint_settings if kind == "checkpoint" else load_vgg19
    with pytest.raises(InputError):
        read(path)
    assert not mark.exists()


def test_nothing_is_unpickled_in_the_source() -> None:
    root = Path(nst_lightning.__file__).parent
    words = r"pickle\.loads?\(|allow_pickle=True|yaml\.(unsafe_)?load\(|(?<![.\w])(eval|exec)\("
    loads = re.compile(words)
    torch_loads = re.compile(r"torch\.load\((?:[^()]|\([^()]*\))*\)")
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not loads.search(text), path
        assert all("weights_only=True" in call for call in torch_loads.findall(text)), path


@pytest.fixture(autouse=True)
def _this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test reach what it shows to be refused, should it not be."""
    connect = socket.create_connection

    def guarded(place: Any, *args: Any, **kwargs: Any) -> Any:
        assert place[0] == "127.0.0.1", place
        return connect(place, *args, **kwargs)

    monkeypatch.setattr(socket, "create_connection", guarded)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, _, rest = self.path.lstrip("/").partition("/")
            if kind == "to":
                self.send_response(302)
                self.send_header("Location", rest)
                self.end_headers()
            elif kind == "circle":
                self.send_response(302)
                self.send_header("Location", "/circle")
                self.end_headers()
            elif kind == "answers":
                self.send_response(int(rest))
                self.end_headers()
            elif kind == "asked":
                self.send_response(200)
                self.end_headers()
                self.wfile.write(str(self.headers.get("Authorization")).encode())
            else:  # a drop at a time, for ever
                self.send_response(200)
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(b"x" * int(kind))
                        time.sleep(0.05)
                except OSError:
                    pass

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def refused(address: str) -> str:
    with pytest.raises(InputError) as caught:
        load_image(address)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "gopher://x/"])
def test_a_server_cannot_send_us_to_a_file(server: str, target: str) -> None:
    assert "http" in refused(f"{server}/to/{target}")


INNER = (
    "http://169.254.169.254/latest/meta-data/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/latest/",
    "http://100.100.100.200/latest/",
    "http://[::ffff:169.254.169.254]/",
    "http://2852039166/latest/",
    "HTTP://user:word@169.254.1.1/a.png",
)


@pytest.mark.parametrize("address", INNER)
@pytest.mark.parametrize("redirected", [False, True])
def test_inner_addresses_are_refused(server: str, address: str, redirected: bool) -> None:
    said = refused(f"{server}/to/{address}" if redirected else address)
    assert "own network" in said
    assert "word" not in said


@pytest.mark.parametrize("first", ["simplecache", "filecache", "zip://*.png"])
def test_a_chain_is_looked_through(first: str) -> None:
    assert "own network" in refused(f"{first}::http://169.254.169.254/a.zip")


def test_inner_addresses_may_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sources.ALLOW_INNER, "1")
    sources._refuse_inner("http://169.254.169.254/")
    monkeypatch.setenv(sources.ALLOW_INNER, "0")
    with pytest.raises(InputError):
        sources._refuse_inner("http://169.254.169.254/")


def test_a_name_that_leads_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, 1, 6, "", ("169.254.169.254", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert "own network" in refused("https://harmless.example/a.png")


def test_limits_of_time_and_size(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAXIMUM_SECONDS", 0.3)
    assert "cannot be reached" in refused(f"{server}/1")
    monkeypatch.setattr(sources, "MAXIMUM_SECONDS", 300)
    monkeypatch.setattr(sources, "MAXIMUM_BYTES", 2**20)
    assert "larger than 1 MiB" in refused(f"{server}/400000")


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_SILENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = refused(f"http://127.0.0.1:{silent.getsockname()[1]}/a.png")
    assert "no answer in time" in said


@pytest.mark.parametrize("way", ["answers/404", "answers/500", "to/file:///x", "circle"])
@pytest.mark.filterwarnings("always::ResourceWarning")
def test_a_refusal_leaves_no_connection_open(server: str, way: str) -> None:
    gc.collect()
    with warnings.catch_warnings(record=True) as seen:
        refused(f"{server}/{way}")
        gc.collect()
    assert not [str(warning.message) for warning in seen]


def test_a_circle_of_redirects(server: str) -> None:
    assert "in a circle" in refused(f"{server}/circle")


def test_a_password_goes_to_its_server_alone(server: str) -> None:
    host = server.removeprefix("http://")
    data, name = open_source(f"http://me:word@{host}/asked")
    assert data == b"Basic bWU6d29yZA=="
    assert "word" not in name
    assert open_source(f"http://me:word@{host}/to/{server}/asked")[0] == b"None"


def test_no_format_that_runs_a_program() -> None:
    assert not {"EPS", "WMF", "PDF", "MPEG"} & set(decoding.FORMATS)
    eps = io.BytesIO()
    Image.new("RGB", (32, 32)).save(eps, "EPS")
    with pytest.raises(InputError):
        decoding.open_header(eps.getvalue(), "a.eps")


def test_bombs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(decoding, "MAXIMUM_PIXELS", 1000)
    for kind in ("PNG", "TIFF", "GIF", "WEBP", "BMP"):
        data = io.BytesIO()
        Image.new("RGB", (40, 40)).save(data, kind)
        (tmp_path / "bomb").write_bytes(data.getvalue())
        assert "too large" in refused(str(tmp_path / "bomb"))
    inflated = zlib.compress(bytes(decoding.MAXIMUM_PROFILE * 2), 9)
    assert len(inflated) < 2**20


def test_settings_in_a_picture_import_nothing(tmp_path: Path) -> None:
    from nst_lightning.data.output import save_image

    settings = {"model": {"class_path": "os.system", "init_args": {"command": "true"}}}
    path = save_image(Image.new("RGB", (16, 16)), tmp_path / "a.png", settings=settings)
    assert read_settings(path) == settings


def test_outputs_are_local() -> None:
    for address in ("s3://b/k", "http://host/x", "file:///tmp/x"):
        with pytest.raises(InputError, match="is an address"):
            local_path(address)
