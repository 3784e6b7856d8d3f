"""The page: one file, its style and its script in it, nothing from elsewhere."""

import base64
import functools
import hashlib
from pathlib import Path

from nst_lightning.pages import DIVIDER, colours_css

_TEMPLATES = Path(__file__).with_name("templates")


@functools.cache
def page() -> tuple[bytes, str]:
    """Return the page, and the policy that lets a browser run nothing but what is in it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    def own(kind: str) -> str:
        return (_TEMPLATES / f"page.{kind}").read_text(encoding="utf-8")

    style = f"\n{colours_css()}\n{DIVIDER.style}{own('css')}"
    script = f"\n{DIVIDER.script}{own('js')}"
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    text = environment.get_template("page.html.jinja").render(style=style, script=script)
    allowed = {
        "default-src": "'none'",
        "style-src": _hash(style),
        "script-src": _hash(script),
        "img-src": "data:",  # what the server's answers hold; the empty icon
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return text.encode(), "; ".join(f"{name} {value}" for name, value in allowed.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
