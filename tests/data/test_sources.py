import http.server
import os
import socket
import sys
import threading
import time

import numpy as np
import pytest
from helpers.pictures import encoded, write
from PIL import Image

from nst_lightning.data import sources
from nst_lightning.data.images import load_image
from nst_lightning.data.samples import SAMPLES, sample_bytes
from nst_lightning.data.sources import open_source, public_name, source_digest
from nst_lightning.data.which_pictures import find_sources
from nst_lightning.errors import InputError
from nst_lightning.files import local_path

PICTURE = Image.fromarray(np.full((20, 30, 3), (200, 100, 50), np.uint8))


@pytest.fixture
def server():
    """Serve /ok.png on the loopback; /NUMBER answers with that status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/").split("?")[0]
            if name.isdigit():
                return self.send_error(int(name))
            data = encoded(PICTURE, "PNG") if name == "ok.png" else b"<!DOCTYPE html><p>Hello"
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_HEAD(self):
            self.send_error(405)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def message(source, **options) -> str:
    with pytest.raises(InputError) as caught:
        load_image(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_local_paths(tmp_path, monkeypatch):
    path = write(tmp_path / "ünïcode name.png", encoded(PICTURE, "PNG"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for source in (str(path), path, "~/ünïcode name.png", "ünïcode name.png", f"file://{path}"):
        assert load_image(source).original_size == (30, 20), source


def test_memory_file_system():
    import fsspec

    with fsspec.open("memory://folder/a.png", "wb") as handle:
        handle.write(encoded(PICTURE, "PNG"))
    image = load_image("memory://folder/a.png")
    assert image.original_size == (30, 20)
    assert image.name == "memory://folder/a.png"
    assert message("memory://folder/b.png").endswith("no such file: memory://folder/b.png")


def test_http(server):
    image = load_image(f"{server}/ok.png?signature=SECRET")
    assert image.original_size == (30, 20)
    assert image.name == f"{server}/ok.png"
    assert "web page" in message(f"{server}/page.png")


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "no such file"), (403, "permission denied"), (500, "error 500")],
)
def test_http_errors(server, status, words):
    said = message(f"{server}/{status}?signature=SECRET")
    assert words in said
    assert f"{server}/{status}" in said
    assert "SECRET" not in said


def test_host_that_does_not_answer():
    said = message("https://user:SECRET@127.0.0.1:9/a.png?signature=SECRET")
    assert "https://127.0.0.1:9/a.png" in said
    assert "network" in said
    assert "SECRET" not in said


def test_backend_that_fails_in_its_own_way(monkeypatch):
    import fsspec

    class OddError(Exception):
        pass

    def fail(*_, **__):
        # Not the address as given, as libraries normalise it.
        address = "s3://k:SECRET@bucket//a.png?X-Amz-Signature=SECRET"
        raise OddError(f"cannot read {address}\nsecond line")

    monkeypatch.setattr(fsspec, "open", fail)
    said = message("s3://k:SECRET@bucket/a.png?X-Amz-Signature=SECRET")
    assert "s3://bucket/a.png" in said
    assert "OddError" in said
    assert "SECRET" not in said


def test_missing_backend_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert "pip install 'nst-lightning[sagemaker]'" in message("s3://bucket/a.png")


def test_unknown_protocol():
    said = message("htps://host/a.png")
    assert "unknown protocol htps://" in said
    assert "did you mean http" in said


def test_remote_file_that_does_not_end(monkeypatch):
    import fsspec

    monkeypatch.setattr(sources, "MAXIMUM_BYTES", 2**20)
    with fsspec.open("memory://large.png", "wb") as handle:
        handle.write(bytes(2**20 + 1))
    assert "larger than 1 MiB" in message("memory://large.png")


@pytest.mark.parametrize(
    ("source", "public"),
    [
        ("https://u:p@host/a.png?x=1#y", "https://host/a.png"),
        ("s3://bucket/a@b.png", "s3://bucket/a@b.png"),
        ("folder/who?.png", "folder/who?.png"),
        ("C://pictures/a.png", "C://pictures/a.png"),
        ("sample:cat", "sample:cat"),
    ],
)
def test_public_name(source, public):
    assert public_name(source) == public


def test_sample_cat_is_chelsea_without_any_network(monkeypatch):
    import socket

    from skimage.data import chelsea

    def refuse(*_):
        raise AssertionError("no network is needed for a sample")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    image = load_image("sample:cat")
    expected = chelsea().transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(image.pixels[0], expected)
    assert load_image("sample:cat", 64).pixels.shape == (1, 3, 43, 64)


def test_samples_open():
    for name in SAMPLES:
        image = load_image(f"sample:{name}", 48)
        assert max(image.pixels.shape) == 48
        assert image.pixels.std() > 0.02


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        (None, (300, 451)),
        (64, (43, 64)),
        (700, (466, 700)),
        (lambda width, height: 300 * width // height, (300, 451)),
    ],
)
def test_a_sample_is_a_file_like_any_other(tmp_path, size, sides):
    path = write(tmp_path / "cat.png", sample_bytes("cat"))
    of_sample, of_file = load_image("sample:cat", size), load_image(path, size)
    assert of_sample.pixels.shape[-2:] == sides
    assert of_sample.original_size == (451, 300)
    np.testing.assert_array_equal(of_sample.pixels, of_file.pixels)


def test_unknown_sample():
    said = message("sample:klmit")
    assert "unknown sample sample:klmit; did you mean sample:klimt?" in said
    assert "sample:cat" in said


def test_missing_file_suggests_a_neighbour(tmp_path):
    path = write(tmp_path / "Holiday.JPG", encoded(PICTURE, "JPEG"))
    assert f"did you mean {path}?" in message(tmp_path / "holiday.jpg")
    assert f"did you mean {path}?" in message(tmp_path / "Holyday.jpg")
    assert "did you mean" not in message(tmp_path / "zzzz.webp")


def test_missing_folder_and_bare_sample_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"there is no folder {tmp_path / 'none'}" in message(tmp_path / "none" / "a.png")
    assert "did you mean sample:klimt?" in message("klimt")


@pytest.mark.parametrize("source", ["", "  ", "a\0b.png", "x" * 300 + ".png", "~nobody-here/a.png"])
def test_names_that_are_no_names(source):
    assert message(source).startswith("content picture: ")


def test_file_where_a_folder_should_be(tmp_path):
    path = write(tmp_path / "a.png", encoded(PICTURE, "PNG"))
    assert "no such file" in message(path / "b.png")


def test_folder_and_pipe(tmp_path):
    assert f"{tmp_path} is a folder" in message(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    assert "pipe" in message(tmp_path / "pipe.png")
    assert "device" in message("/dev/zero")


def test_permission_denied(tmp_path, request):
    path = write(tmp_path / "a.png", encoded(PICTURE, "PNG"))
    open_source(path)  # imports what it needs while it still may
    path.chmod(0)
    request.getfixturevalue("without_root")
    assert "permission denied" in message(path)


def test_role_begins_the_message(tmp_path):
    assert message(tmp_path / "a.png", role="style").startswith("style picture: no such file")


def test_a_pillow_picture_is_a_source_and_is_left_alone():
    picture = PICTURE.copy()
    picture.getexif()[274] = 6
    image = load_image(picture, 60)
    assert max(image.pixels.shape) == 60
    assert picture.size == (30, 20)


def test_open_source_returns_what_holds_the_picture(tmp_path):
    path = write(tmp_path / "a.png", encoded(PICTURE, "PNG"))
    assert open_source(str(path)) == (path.read_bytes(), str(path))
    assert open_source("sample:klimt") == (sample_bytes("klimt"), "sample:klimt")
    import fsspec

    with fsspec.open("memory://c.png", "wb") as handle:
        handle.write(b"abc")
    assert open_source("memory://c.png") == (b"abc", "memory://c.png")


def test_a_pictures_digest_is_its_content(tmp_path):
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    first.write_bytes(b"1")
    second.write_bytes(b"1")
    assert source_digest(str(first)) == source_digest(str(second))
    second.write_bytes(b"2")
    assert source_digest(str(first)) != source_digest(str(second))
    first.write_bytes(sample_bytes("klimt"))
    assert source_digest("sample:klimt") == source_digest(str(first))


@pytest.mark.parametrize(
    "spelling",
    ["file:{}", "FILE:{}", "file://{}", "File://localhost{}", "simplecache::FILE://{}"],
)
def test_spellings_of_a_files_address(tmp_path, spelling):
    (tmp_path / "a b.bin").write_bytes(b"x")
    path = str(tmp_path / "a b.bin")
    quoted = path if "::" in spelling else path.replace(" ", "%20")
    assert open_source(spelling.format(quoted))[0] == b"x"


def test_a_file_of_another_machine_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(InputError, match="another machine"):
        open_source(f"file://server{tmp_path}/a")


def test_protocols_are_known_in_capitals():
    import fsspec

    with fsspec.open("memory://capitals", "wb") as handle:
        handle.write(b"x")
    assert open_source("SimpleCache::MEMORY://capitals")[0] == b"x"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nonsense::memory://a", "unknown protocol nonsense://"),
        ("simplecache::HTTP://169.254.169.254/a", "machine's own network"),
        ("s3://user:SECRET@bucket/a", "s3://bucket/a"),
    ],
)
def test_chains_and_secrets(address, words, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InputError) as caught:
        open_source(address)
    assert words in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_only_a_leading_tilde_is_a_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("~/x/a.png", "~b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), "red").save(tmp_path / name)
    assert open_source("./~/x/a.png")[0] == (tmp_path / "~/x/a.png").read_bytes()
    for given in ("./~/x", "./~/x/*.png", ".", "./~b.png"):
        (found,) = find_sources([given], "contents")
        assert open_source(found.source)[0]
    with pytest.raises(InputError, match="no such file"):
        open_source("~/x/a.png")
    assert local_path("./~/x") == tmp_path / "~" / "x"


def test_names_that_are_no_utf8_are_refused_in_a_line_that_can_be_written(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    try:
        Image.new("RGB", (20, 20), "red").save(tmp_path / name)
    except (OSError, UnicodeError):
        pytest.skip("a file system of Unicode names")
    for refused in (lambda: find_sources([str(tmp_path)], "contents"), lambda: local_path(name)):
        with pytest.raises(InputError, match="is no UTF-8") as caught:
            refused()
        str(caught.value).encode()


def test_a_server_of_any_protocol_that_falls_silent(monkeypatch):
    monkeypatch.setattr(sources, "_SILENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        assert "no answer in time" in message(f"ftp://127.0.0.1:{port}/a.png")
        assert time.monotonic() - began < 30
