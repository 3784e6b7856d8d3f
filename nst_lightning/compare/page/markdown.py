"""Markdown that says what a name says, whatever is in it."""

import re


def escape_markdown(text: object) -> str:
    """Return text that Markdown, and the HTML within it, shows as it is.

    Args:
        text: A file's name, a message; on one line afterwards.
    """
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", line)
