"""The run's settings into a picture file and out again. No dates: equal runs, equal files."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from PIL import ExifTags

from nst_lightning import __version__
from nst_lightning.checks import typed
from nst_lightning.data.decoding import PNG_KEYWORD, open_header
from nst_lightning.data.sources import open_source, public_name
from nst_lightning.errors import InputError

SOFTWARE = "nst_lightning"

_FILES = ("content", "style", "init")
# Where somebody keeps a data set or a mask is nobody's business.
_PRIVATE = ("artworks", "content_mask", "style_mask")


def public_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a picture keeps of the whole, nested configuration of its run.

    Files are named without their folders, and addresses without what signs them: where somebody
    keeps pictures is nobody's business, and the same run on another machine should give the same
    bytes.
    """
    data = {
        key: _base_name(value) if key in _FILES else value
        for key, value in config["data"].items()
        if key not in _PRIVATE
    }
    model, trainer = config["model"], config["trainer"]
    encoder = dict(model["encoder"] or {})
    if "weights" in encoder.get("init_args", {}):
        weights = _base_name(encoder["init_args"]["weights"])
        encoder["init_args"] = encoder["init_args"] | {"weights": weights}
    return {
        "nst_lightning": __version__,
        "seed_everything": config["seed_everything"],
        "max_epochs": trainer["max_epochs"],
        "max_steps": trainer["max_steps"],
        "model": {**model, "encoder": encoder},
        "data": data,
    }


def _base_name(value: Any) -> Any:
    if isinstance(value, list):
        return [_base_name(item) for item in value]
    return PurePath(public_name(value)).name if isinstance(value, str) else value


def as_text(settings: Mapping[str, Any]) -> str:
    """Return what a file or a Pillow picture keeps of settings: ASCII, which every format holds."""
    return json.dumps(settings, default=str)


@typed()
def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read back what `save_image` put into a PNG, JPEG, WebP or TIFF file, local or at a URL.

    Raises:
        InputError: If the file cannot be read or holds no settings.
    """
    found, name = open_source(path)
    with open_header(found, name) as image:
        if image.format == "PNG":
            text = image.info.get(PNG_KEYWORD)
        else:
            tags = image.getexif()
            own = str(tags.get(ExifTags.Base.Software, "")).startswith(SOFTWARE)
            text = tags.get(ExifTags.Base.ImageDescription) if own else None
    with contextlib.suppress(ValueError):
        settings = json.loads(str(text))
        if isinstance(settings, dict):
            return settings
    raise InputError(f"{name} holds no settings of nst_lightning")
