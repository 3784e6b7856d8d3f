"""Who may ask the app for anything: whoever has opened the address that it printed."""

import contextlib
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nst_lightning.errors import too_large

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MAXIMUM_UPLOAD = 2**29
"""Bytes of one request; a larger file is refused before it is kept."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_FILE_NAME = re.compile(rb'filename="([^"\r\n]{1,200})"')
# The app asks itself, once, and browsers ask for the other without a cookie: neither says anything.
_OPEN = frozenset({"/gradio_api/startup-events", "/manifest.json"})


class Guard:
    """Asks every request for the token; an ASGI application around another.

    The address that is opened first holds it, and a cookie from then on.

    Args:
        app: What is guarded.
        token: The secret.
        cookie: Name of the cookie: of another port's app it is another.
        hosts: Names under which the app may be asked for; any if empty.
    """

    def __init__(
        self, app: Application, token: str, cookie: str, hosts: frozenset[str] = LOOPBACK
    ) -> None:
        self._app, self._token, self._cookie, self._hosts = app, token, cookie, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the app do so."""
        if scope["type"] != "http":  # starting and ending; Gradio 6 has no web socket
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): v.decode("latin-1") for key, v in scope["headers"]}
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._hosts and urlsplit(f"//{host}").hostname not in self._hosts:
            await _answer(send, 403, "this is not the app's own address")
        elif origin is not None and urlsplit(origin).netloc != host:
            await _answer(send, 403, "another page may not ask the app for anything")
        elif scope["path"] in _OPEN or self._knows(_cookie(headers, self._cookie)):
            await self._within_limits(scope, headers, receive, send)
        elif self._knows(given := _token(scope["query_string"])):
            cookie = f"{self._cookie}={self._token}; HttpOnly; SameSite=Lax; Path=/"
            await _answer(send, 303, "", {"location": "/", "set-cookie": cookie})
        else:
            # 401 where there is none: Gradio looks for itself that way as it starts.
            words = "open the address that nst app has printed, with its token"
            await _answer(send, 403 if given else 401, words)

    def _knows(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._token.encode())

    async def _within_limits(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive, send: Send
    ) -> None:
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdecimal():
            await _answer(send, 411, "say how long it is")
        elif int(length) <= MAXIMUM_UPLOAD:
            await self._app(scope, receive, send)
        else:
            # To its end, or the browser shows that the connection broke, and not why.
            message = await receive()
            name = _FILE_NAME.search(message.get("body", b""))
            while message["type"] == "http.request" and message.get("more_body"):
                message = await receive()
            called = name[1].decode(errors="replace") if name else "the file"
            await _answer(send, 413, str(too_large(called, MAXIMUM_UPLOAD)))


def _token(query: bytes) -> str:
    return parse_qs(query.decode("latin-1")).get("token", [""])[0]


def _cookie(headers: Mapping[str, str], name: str) -> str:
    with contextlib.suppress(CookieError):
        found = SimpleCookie(headers.get("cookie", "")).get(name)
        return found.value if found else ""
    return ""


async def _answer(
    send: Send, status: int, line: str, more: Mapping[str, str] | None = None
) -> None:
    body = f"{line}\n".encode()
    headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body))}
    headers |= {"cache-control": "no-store", "referrer-policy": "no-referrer", **(more or {})}
    pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
