"""For mkdocs: a link that leaves docs/ becomes the file's path, since the site has no such page."""

import re
from typing import Any

OUTSIDE = re.compile(r"\[[^\]]*\]\(\.\./([^)]+)\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each link that leaves docs/ with the path in the repository."""
    return OUTSIDE.sub(r"`\1`", markdown)
