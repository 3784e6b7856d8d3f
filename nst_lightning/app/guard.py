"""Who may ask the app for anything: whoever has opened the address that it printed."""

import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from nst_lightning.errors import too_large
from nst_lightning.preview.guard import LOOPBACK, is_own_host, is_own_origin, is_token

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MAXIMUM_UPLOAD = 2**29
"""Bytes of one request; a larger file is refused before it is kept."""
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
        hosts: Names under which the app may be asked for.
    """

    def __init__(
        self, app: Application, token: str, cookie: str, hosts: Sequence[str] = LOOPBACK
    ) -> None:
        self._app, self._token, self._cookie, self._hosts = app, token, cookie, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the app do so."""
        if scope["type"] != "http":  # starting and ending; Gradio 6 has no web socket
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): v.decode("latin-1") for key, v in scope["headers"]}
        host, address = headers.get("host"), (scope.get("server") or ("",))[0]
        if not is_own_host(host, self._hosts, address):
            await _answer(send, 403, "this is not the app's own address")
        elif not is_own_origin(headers.get("origin"), host):
            await _answer(send, 403, "another page may not ask the app for anything")
        elif scope["path"] in _OPEN or is_token(_cookie(headers, self._cookie), self._token):
            await self._within_limits(scope, headers, receive, send)
        elif is_token(given := _token(scope["query_string"]), self._token):
            cookie = f"{self._cookie}={self._token}; HttpOnly; SameSite=Lax; Path=/"
            await _answer(send, 303, "", {"location": "/", "set-cookie": cookie})
        else:
            # 401 where there is none: Gradio looks for itself that way as it starts.
            words = "open the address that nst app has printed, with its token"
            await _answer(send, 403 if given else 401, words)

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
