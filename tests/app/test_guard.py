"""Who is let in, and who is not."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from nst_lightning.app import guard
from nst_lightning.app.guard import Guard

COOKIE = {"cookie": "other=1; nst_app_7860=secret"}


async def inner(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what was sent."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in:" + body})


def ask(
    headers: Mapping[str, str], path: str = "/", query: str = "", pieces: tuple[bytes, ...] = (b"",)
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an answer."""
    sent: list[Any] = []
    waiting = list(pieces)

    async def receive() -> Any:
        piece = waiting.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        sent.append(message)

    given = {"host": "127.0.0.1:7860", **headers}
    scope = {
        **{"type": "http", "path": path, "query_string": query.encode()},
        "headers": [(key.encode(), value.encode()) for key, value in given.items()],
    }
    asyncio.run(Guard(inner, "secret", "nst_app_7860")(scope, receive, send))
    start, body = sent
    return start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, body["body"]


def test_the_address_that_was_printed_gives_a_cookie_and_leaves_no_token_in_sight() -> None:
    status, headers, _ = ask({}, query="token=secret")
    assert (status, headers["location"]) == (303, "/")
    assert headers["set-cookie"] == "nst_app_7860=secret; HttpOnly; SameSite=Lax; Path=/"
    assert headers["referrer-policy"] == "no-referrer"
    assert ask(COOKIE)[0] == 200


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({}, "", 401),
        ({}, "token=", 401),
        ({}, "token=wrong", 403),
        ({}, "token=s%C3%A9cret", 403),
        ({"cookie": "nst_app_7860=wrong"}, "", 401),
        ({"cookie": "nst_app_7861=secret"}, "", 401),
        ({"cookie": "nst_app_7860"}, "", 401),
        ({**COOKIE, "host": "evil.example"}, "", 403),
        ({**COOKIE, "host": "evil.example:7860"}, "token=secret", 403),
        ({**COOKIE, "host": ""}, "", 403),
        ({**COOKIE, "origin": "http://evil.example"}, "", 403),
        ({**COOKIE, "origin": "http://127.0.0.1:8888"}, "", 403),
        ({**COOKIE, "origin": "null"}, "", 403),
        ({**COOKIE, "origin": "http://127.0.0.1:7860"}, "", 200),
        ({**COOKIE, "host": "localhost:7860"}, "", 200),
        ({**COOKIE, "host": "localhost:9999"}, "", 200),  # the near end of an ssh tunnel
        ({**COOKIE, "host": "[::1]:7860"}, "", 200),
    ],
)
def test_who_is_let_in(headers: dict[str, str], query: str, status: int) -> None:
    found, _, body = ask(headers, query=query)
    assert found == status
    assert body.startswith(b"in:") == (status == 200)


@pytest.mark.parametrize("path", ["/gradio_api/startup-events", "/manifest.json"])
def test_what_says_nothing_is_open_under_its_own_name(path: str) -> None:
    assert ask({}, path)[0] == 200
    assert ask({"host": "evil.example"}, path)[0] == 403


def test_a_file_that_is_too_large_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAXIMUM_UPLOAD", 2**20)
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="big.tif"\r\n\r\n'
    pieces = (head, bytes(2**19), bytes(2**19))
    length = str(sum(map(len, pieces)))
    status, _, body = ask({**COOKIE, "content-length": length}, pieces=pieces)
    assert (status, body) == (413, b"big.tif is larger than 1 MiB; use a smaller file\n")
    assert ask({**COOKIE, "content-length": str(2**20)}, pieces=(bytes(2**20),))[0] == 200


@pytest.mark.parametrize("headers", [{"transfer-encoding": "chunked"}, {"content-length": "-1"}])
def test_what_does_not_say_how_long_it_is(headers: dict[str, str]) -> None:
    assert ask(COOKIE | headers)[0] == 411


def test_a_web_socket_is_not_answered() -> None:
    async def never(*_: Any) -> None:
        raise AssertionError

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    asyncio.run(Guard(never, "secret", "c")(scope, never, never))
