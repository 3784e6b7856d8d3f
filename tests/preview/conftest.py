"""A server with a run that nobody paints."""

import base64
import http.client
import io
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nst_lightning.preview.feed import Feed
from nst_lightning.preview.server import PreviewServer


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    server: PreviewServer, path: str, method: str = "GET", body: bytes = b"", **headers: str
) -> Answer:
    """Ask with the token in front of the path, as the page does."""
    return ask_raw(server, f"/{server.token}/{path}", method, body, **headers)


def picture(server: PreviewServer, name: str = "picture") -> np.ndarray:
    """Return a picture as a page that knows none is sent it."""
    address = ask(server, "state").json["pictures"][name]
    kind, data = address.split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
        return np.asarray(shown.convert("RGB"), dtype=float)


def ask_raw(
    server: PreviewServer, path: str, method: str = "GET", body: bytes = b"", **headers: str
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body or None, given)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def send(server: PreviewServer, *lines: str) -> bytes:
    """Send a request as it stands; return all that is answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1"))
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def levels(seed: int = 0, height: int = 48, width: int = 64) -> np.ndarray:
    """Return a picture, uint8 of ``(h, w, 3)``: a smooth one that differs by its seed."""
    y, x = np.mgrid[:height, :width]
    planes = [4 * x + 40 * seed, 5 * y, 2 * (x + y) + 90 * seed]
    return np.stack(planes, axis=-1).astype(np.uint8)


@pytest.fixture
def feed() -> Feed:
    feed = Feed("cat x klimt", lambda: 1.5e9)
    feed.show("photograph", levels(5))
    feed.show("picture", levels(1))
    feed.tell(
        "painting",
        step=2,
        steps=60,
        largest=(64, 48),
        size=(32, 24),
        scale=1,
        scales=2,
        edges=[24],
        pace=0.5,
        left=29.0,
        elapsed=1.0,
    )
    for step, loss in ((1, 2000.0), (2, 900.0)):
        feed.add_losses(step, {"loss": loss, "content": loss / 4, "style": loss * 3 / 4})
    return feed


@pytest.fixture
def server(feed: Feed) -> Iterator[PreviewServer]:
    server = PreviewServer()
    server.feed = feed
    yield server
    server.close()
