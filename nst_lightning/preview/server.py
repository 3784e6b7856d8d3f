"""The server of the preview: a page, a run's state and pictures, and three wishes."""

import atexit
import contextlib
import http.server
import math
import os
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nst_lightning.errors import InputError
from nst_lightning.preview import PreviewAddress
from nst_lightning.preview.feed import LOOKING, Feed, as_json, together
from nst_lightning.preview.guard import (
    LOOPBACK,
    is_own_host,
    is_own_origin,
    is_token,
    is_wildcard,
    new_token,
    own_names,
)
from nst_lightning.preview.page import page
from nst_lightning.say import say

EVERY, RARELY = 1.0, 4.0
"""Seconds between two questions of a page: where five or fewer look, and where very many do."""

_ANSWERS = 25  # a second at most, to all browsers together: the rest wait
_CONNECTIONS = 128  # at a time
_SILENT = 10.0  # seconds that a connection may neither send nor take anything
_FAREWELL = 3.0  # seconds, at most, that the program waits for pages to see the run's end
_LARGEST_BODY = 1024
_UNDER_WAY = 2**16  # bytes that wait for one who does not read, before the thread that sends does
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FOREIGN_HOST = (
    "this server is not called that; open the address that the program printed (for another "
    "machine: --preview.host)"
)
_NO_TOKEN = "open the whole address that the program printed, with the letters after the number"
_WISHES = {"pause": Feed.pause, "resume": Feed.go_on, "finish": Feed.finish}
_KNOWN = ("", "state", *_WISHES)


class PreviewServer:
    """Shows one run after another at one address; its threads end with the program.

    Args:
        at: Where it listens.

    Attributes:
        feed: The run that is shown; None before the first one.

    Raises:
        InputError: If nothing can listen there.
    """

    def __init__(self, at: PreviewAddress = PreviewAddress()) -> None:  # noqa: B008 frozen
        self.host, self.token = at.host, new_token()
        self.names = own_names(at.host)
        self.feed: Feed | None = None
        self.ends = self.is_closed = False
        self._asked: dict[Any, tuple[float, bool]] = {}  # who -> when, and whether the end was told
        self._lock = threading.Lock()
        self._next = -math.inf
        try:
            self._http = _Http(self, at)
        except (OSError, UnicodeError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            port = f" port {at.port}" if at.port else ""
            raise InputError(
                f"preview.host, preview.port: cannot listen at {at.host}{port}: {why}; "
                "choose another, or leave the port out for a free one"
            ) from error
        self.port: int = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, daemon=True, name="preview").start()

    @property
    def address(self) -> str:
        """What is opened in a browser; it holds the token."""
        host = socket.gethostname() if is_wildcard(self.host) else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/{self.token}/"

    def close(self) -> None:
        """Stop listening, and answering where a connection is open."""
        self.is_closed = True
        self._http.shutdown()
        self._http.server_close()

    def state(
        self, who: Any, run: int, since: int, known: Mapping[str, int] | None = None
    ) -> bytes:
        """Return what a page shows, in JSON.

        Args:
            who: Asks: a connection.
            run: See `Feed.state`.
            since: See `Feed.state`.
            known: See `Feed.state`.
        """
        now, feed, ends = time.monotonic(), self.feed, self.ends
        with self._lock:
            self._asked[who] = (now, ends)
            for other in [w for w, (at, _) in self._asked.items() if now - at > LOOKING]:
                del self._asked[other]
            crowd = len(self._asked)
        told = as_json({"phase": "waiting"}) if feed is None else feed.state(run, since, known)
        # The more there are, the less often each is served: what all cost together has a bound.
        again = min(RARELY, EVERY * max(1.0, crowd / 5))
        return together(told, as_json({"ends": ends, "again": again}))

    def take_turn(self) -> None:
        """Wait until it is this thread's turn to answer, if there are very many questions."""
        with self._lock:
            turn = max(time.monotonic(), self._next)
            self._next = turn + 1 / _ANSWERS
        if (wait := turn - time.monotonic()) > 0:
            time.sleep(wait)

    def farewell(self) -> None:
        """Before the program ends, wait a moment until those who look have seen the run's end."""
        self.ends = True
        until = time.monotonic() + _FAREWELL
        with contextlib.suppress(KeyboardInterrupt):
            while time.monotonic() < until:
                now = time.monotonic()
                with self._lock:
                    there = [told for at, told in self._asked.values() if now - at < LOOKING]
                if all(there):
                    # The last answer, with the picture, may be on its way.
                    time.sleep(0.3 if there else 0.0)
                    break
                time.sleep(0.05)


class _Http(http.server.ThreadingHTTPServer):
    """Listens; a thread a connection, and so many connections at a time."""

    # Elsewhere it lets two programs listen at one port.
    allow_reuse_address = os.name == "posix"
    request_queue_size = 64

    def __init__(self, preview: "PreviewServer", at: PreviewAddress) -> None:
        self.preview = preview
        self._room = threading.Semaphore(_CONNECTIONS)
        found = socket.getaddrinfo(
            at.host, at.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        found.sort(key=lambda one: one[0] != socket.AF_INET)
        self.address_family = found[0][0]
        super().__init__(found[0][4], _Handler)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        """Bind, and do not ask a name server what the host is called, as HTTPServer does."""
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, if there is room."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer until the connection ends, and make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what is a fault of ours; that somebody went away is none."""
        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        if not isinstance(error, OSError):
            say(f"note: the preview cannot answer: {error!r}", error=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "nst_lightning", ""
    timeout = _SILENT
    disable_nagle_algorithm = True
    server: _Http

    def setup(self) -> None:
        """Keep little for one who does not read."""
        super().setup()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNDER_WAY)

    def do_GET(self) -> None:
        """Answer, whatever the method."""
        if self.server.preview.is_closed:
            self.close_connection = True
            return
        host, refusal = self._checked()
        parts = urlsplit(self.path)
        token, slash, name = parts.path.removeprefix("/").partition("/")
        own = is_token(token, self.server.preview.token)
        if refusal or not own:
            self._say(HTTPStatus.FORBIDDEN, refusal or _NO_TOKEN)
        elif not self._read_body():
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "nothing is to be sent here")
        elif self.command == "POST" and not is_own_origin(self.headers.get("Origin"), host):
            self._say(HTTPStatus.FORBIDDEN, "this page may not ask that")
        elif not slash and self.command == "GET":
            self._send(HTTPStatus.PERMANENT_REDIRECT, b"", "text/plain", Location=f"/{token}/")
        else:
            self._answer(name, {key: words[-1] for key, words in parse_qs(parts.query).items()})

    do_POST = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def _checked(self) -> tuple[str | None, str]:
        """Return the request's host, and why it is refused."""
        hosts = self.headers.get_all("Host") or []
        host = hosts[0] if len(hosts) == 1 else None
        here = str(self.connection.getsockname()[0]).removeprefix("::ffff:")
        own = is_own_host(host, self.server.preview.names, here)
        return host, "" if own else _FOREIGN_HOST

    def _read_body(self) -> bool:
        """Read what a request brings, which is of no use; return whether it is little."""
        length = self.headers.get("Content-Length") or "0"
        little = length.isdecimal() and int(length) <= _LARGEST_BODY
        if not little or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            return False
        self.rfile.read(int(length))
        return True

    def _answer(self, name: str, query: Mapping[str, str]) -> None:
        preview, feed = self.server.preview, self.server.preview.feed
        method = "GET" if self.command == "HEAD" else self.command
        if (method, name) == ("GET", ""):
            text, policy = page()
            self._send(HTTPStatus.OK, text, "text/html", **{"Content-Security-Policy": policy})
        elif (method, name) == ("GET", "state") or (method == "POST" and name in _WISHES):
            if method == "GET":
                preview.take_turn()
            elif feed is not None:
                _WISHES[name](feed)
            run, since = (_number(query.get(key)) for key in ("run", "since"))
            known = {name: _number(query.get(name)) for name in ("photograph", "picture")}
            state = preview.state(self.client_address, run, since, known)
            self._send(HTTPStatus.OK, state, "application/json")
        elif name in _KNOWN:
            allowed = "POST" if name in _WISHES else "GET"
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, f"only {allowed}", Allow=allowed)
        else:
            self._say(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _say(self, status: HTTPStatus, line: str, **headers: str) -> None:
        self._send(status, f"{status.value}: {line}\n".encode(), "text/plain", **headers)

    def _send(self, status: HTTPStatus, body: bytes, kind: str, **headers: str) -> None:
        lines = {
            "Server": self.server_version,
            "Date": self.date_time_string(),
            **_HEADERS,
            **headers,
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
        }
        if self.close_connection:
            lines["Connection"] = "close"
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        start = f"{self.protocol_version} {status.value} {status.phrase}\r\n{head}\r\n".encode()
        # At once: each part costs the run as much as the whole.
        self.wfile.write(start if self.command == "HEAD" else start + body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no request that we know, with as little as all else."""
        self.close_connection = True
        status = HTTPStatus(code)
        self._say(status, message or status.phrase)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the program's output is the run's."""


def _number(text: str | None) -> int:
    """Return a number of a query; -1 where there is none."""
    return int(text) if text and text.isdecimal() and len(text) < 12 else -1


_servers: dict[PreviewAddress, PreviewServer] = {}
_opening = threading.Lock()


def server_at(at: PreviewAddress) -> PreviewServer:
    """Return the program's server at an address; it is opened, and says where it is, once.

    It stays until the program ends: the next run is shown at the same address.

    Raises:
        InputError: If nothing can listen there.
    """
    with _opening:
        if at not in _servers:
            _servers[at] = server = PreviewServer(at)
            atexit.register(server.farewell)
            say(f"preview  {server.address}")
            if is_wildcard(at.host) or at.host not in LOOPBACK:
                say(
                    "note: the preview is not encrypted, and whoever has its address can see the "
                    "picture and end the run"
                )
        return _servers[at]
