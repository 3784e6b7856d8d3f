"""The run's settings into a picture file and out again. No dates: equal runs, equal files."""

import json
import os
from collections.abc import Mapping
from typing import Any

from nst_lightning.errors import InputError

SOFTWARE = "nst_lightning"
PNG_KEYWORD = "nst_lightning"
"""Keyword of the PNG text chunk; the other formats keep the same text as the image description."""

_DESCRIPTION, _SOFTWARE = 270, 305  # tag numbers, the same in EXIF and TIFF


def settings_text(settings: Mapping[str, Any] | None) -> str | None:
    """Return settings as one line of ASCII JSON, which every format can hold."""
    return None if settings is None else json.dumps(settings, default=str)


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read back the settings that `save_image` put into a PNG, JPEG, WebP or TIFF file.

    Args:
        path: A local path, or a URL of any fsspec file system.

    Raises:
        InputError: If the file cannot be read or holds no settings.
    """
    from nst_lightning.data.decoding import open_header
    from nst_lightning.data.sources import open_source

    found, name = open_source(path)
    missing = InputError(f"{name} holds no settings of nst_lightning")
    with open_header(found, name) as image:
        if image.format == "PNG":
            text = image.info.get(PNG_KEYWORD)
        else:
            tags = image.getexif()
            own = str(tags.get(_SOFTWARE, "")).startswith(SOFTWARE)
            text = tags.get(_DESCRIPTION) if own else None
    try:
        settings = json.loads(str(text))
    except ValueError:
        raise missing from None
    if not isinstance(settings, dict):
        raise missing
    return settings
