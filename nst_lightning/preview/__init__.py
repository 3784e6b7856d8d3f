"""The picture in a browser while it is painted."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch import Callback


@dataclass(frozen=True)
class PreviewAddress:
    """Where the preview is shown.

    Args:
        host: The name or number that it listens at: this machine alone, by default. 0.0.0.0 is
            every network that the machine is in.
        port: Of that host; 0 for a free one.
    """

    host: str = "127.0.0.1"
    port: int = 0


def previews(given: bool | PreviewAddress) -> "list[Callback]":
    """Return the callbacks that the setting ``preview`` asks for."""
    if not given:
        return []
    from nst_lightning.preview.callback import LivePreview

    return [LivePreview(PreviewAddress() if given is True else given)]


def with_address(given: Sequence[Any]) -> list[Any]:
    """Take ``--preview true`` out of words, or layers of settings, that say where it is shown.

    To jsonargparse the word would be another value for the whole, and the host before it forgotten.
    """
    if not all(isinstance(word, str) for word in given):
        return [_one_layer(layer) for layer in given]
    if not any(word.startswith("--preview.") for word in given):
        return list(given)
    kept: list[str] = []
    for word, following in itertools.pairwise([*given, "--"]):
        if word == "--preview=true" or (word == "--preview" and following.startswith("--")):
            continue
        if kept[-1:] == ["--preview"] and word == "true":
            kept.pop()
            continue
        kept.append(word)
    return kept


def _one_layer(layer: Mapping[str, Any]) -> Mapping[str, Any]:
    if layer.get("preview") is not True or not any(key.startswith("preview.") for key in layer):
        return layer
    return {key: value for key, value in layer.items() if key != "preview"}
