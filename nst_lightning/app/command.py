"""The command line of ``app``."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from nst_lightning.errors import InputError
from nst_lightning.files import check_folder
from nst_lightning.parser import OneLineParser

DESCRIPTION = (
    "Paint in the browser: drop a photograph and a painting, press Paint, keep the picture. "
    "Nothing leaves this machine."
)


def main(words: Sequence[str]) -> int:
    """Serve the app until Ctrl-C; returns the exit code.

    Raises:
        InputError: If something given is wrong, or Gradio is not installed.
    """
    parser = OneLineParser(prog=f"{Path(sys.argv[0]).name} app", description=DESCRIPTION)
    parser.add_function_arguments(app, as_group=False)
    app(**vars(parser.parse_args(words)))
    return 0


def app(
    out: str = "outputs/app",
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = True,
) -> None:
    """Serve the app.

    Args:
        out: Folder of the pictures; the gallery is what is in it.
        host: Address to listen at; any other than the default lets other machines in.
        port: The first free one from 7860 on if left out.
        browser: Open the page, where this is a terminal of a desktop.
    """
    folder = check_folder(out).absolute()
    if port is not None and not 1 <= port <= 65535:
        raise InputError(f"--port: {port} is not a port; use 1024 to 65535, or leave it out")
    if find_spec("gradio") is None:
        raise InputError(
            "nst app needs Gradio: pip install 'nst-lightning[app]', or uv run --extra app nst app"
        )
    # Here torch, Lightning and Gradio are imported.
    from nst_lightning.app.server import serve

    serve(folder, host, port, browser)
