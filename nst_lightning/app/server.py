"""Gradio's server, on this machine alone: no telemetry, no sharing, nothing from the network."""

import functools
import os
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from nst_lightning.app.guard import Guard
from nst_lightning.errors import InputError
from nst_lightning.preview.guard import is_wildcard, new_token, own_names
from nst_lightning.say import is_terminal, say

if TYPE_CHECKING:
    from nst_lightning.app.gallery import Gallery
    from nst_lightning.app.jobs import Job, Jobs

_OFFLINE = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
_FIRST_PORT, _PORTS = 7860, 100


def serve(folder: Path, host: str, port: int | None, browser: bool) -> None:
    """Serve the app until Ctrl-C or SIGTERM; a picture in hand is then kept as it is.

    Args:
        folder: Of the gallery.
        host: Address to listen at.
        port: None for the first free one.
        browser: Open the page, if this is a desktop.

    Raises:
        InputError: If the address is not to be had.
    """
    say("starting the app")  # its libraries take seconds
    place = _free(host, port)
    token = new_token()
    with tempfile.TemporaryDirectory(prefix="nst-app-") as uploads:
        _set_environment(uploads)
        # Only now: Gradio reads the environment as it is imported.
        import gradio
        from starlette.middleware import Middleware

        from nst_lightning.app.gallery import Gallery
        from nst_lightning.app.jobs import Jobs
        from nst_lightning.app.page import SCRIPT, STYLE, build, theme

        gallery = Gallery(folder)
        jobs = Jobs(functools.partial(_paint, gallery))
        gradio.set_static_paths([folder])  # served as they are, not copied for every page
        hosts = own_names(host)
        guard = Middleware(Guard, token=token, cookie=f"nst_app_{place}", hosts=hosts)
        page = build(jobs, gallery)
        ended = threading.Event()
        try:
            page.launch(
                server_name=host,
                server_port=place,
                share=False,
                inline=False,
                quiet=True,
                prevent_thread_lock=True,
                show_error=False,
                footer_links=[],
                run_history=False,
                enable_monitoring=False,
                ssr_mode=False,
                mcp_server=False,
                pwa=False,
                num_workers=0,
                root_path="",
                allowed_paths=[str(folder)],
                app_kwargs={"middleware": [guard], "docs_url": None, "openapi_url": None},
                theme=theme(),
                css=STYLE,
                js=SCRIPT,
            )
            address = f"http://{_in_address(host)}:{place}/?token={token}"
            say(f"the app is at  {address}")
            say(f"its pictures   {folder}")
            say("Ctrl-C ends it")
            if browser and _is_desktop():
                webbrowser.open(address)
            signal.signal(signal.SIGTERM, lambda *_: ended.set())
            ended.wait()
        except KeyboardInterrupt:
            pass
        finally:
            if jobs.state.busy:
                say("finishing the step in hand; the picture is kept")
            jobs.close()
            page.close(verbose=False)


def _paint(gallery: "Gallery", job: "Job", jobs: "Jobs") -> Path:
    # Lightning takes seconds to be imported, in which the page is there already.
    from nst_lightning.app.painting import paint

    return paint(gallery, job, jobs)


def _set_environment(uploads: str) -> None:
    os.environ |= {**_OFFLINE, "GRADIO_TEMP_DIR": uploads}
    # It asks itself, by HTTP, whether it is there: never through a proxy.
    for name in ("NO_PROXY", "no_proxy"):
        given = os.environ.get(name)
        os.environ[name] = ",".join([*([given] if given else []), "127.0.0.1", "localhost", "::1"])


def _free(host: str, port: int | None) -> int:
    """Return a port that is free, the one asked for or the first one."""
    ports = range(_FIRST_PORT, _FIRST_PORT + _PORTS) if port is None else [port]
    error: OSError | None = None
    for candidate in ports:
        try:
            family = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0][0]
            with socket.socket(family, socket.SOCK_STREAM) as found:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                found.bind((host, candidate))
            return candidate
        except OSError as refused:
            error = refused
            if isinstance(refused, socket.gaierror):
                break
    which = f"--host {host}" if port is None else f"--host {host} --port {port}"
    raise InputError(f"{which}: cannot listen there ({error and error.strerror}); choose another")


def _in_address(host: str) -> str:
    host = socket.gethostname() if is_wildcard(host) else host
    return f"[{host}]" if ":" in host else host


def _is_desktop() -> bool:
    """Return whether a browser has a screen to open on."""
    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return screen and is_terminal(sys.stdout)
