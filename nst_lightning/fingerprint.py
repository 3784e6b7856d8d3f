"""What decides a loss and a picture, so that one can ask: is this still the same?"""

import contextlib
import hashlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nst_lightning.data.image_pair import ImagePair
from nst_lightning.data.sources import source_digest
from nst_lightning.data.starts import STARTS
from nst_lightning.files import expanded
from nst_lightning.objective import Objective
from nst_lightning.options import digest, flatten
from nst_lightning.processor import has_fast_bfloat16

Fingerprint = dict[str, Any]
"""Name of what decides -> a plain value, or the digest of a picture or of weights."""

_OF_A_RUN = ("training", "regions", "refined")
"""Public attributes of terms and encoders that a run sets, not a setting."""
_LIBRARIES = ("nst_lightning", "torch", "torchvision", "lightning", "builtins", "abc", "typing")
_SOURCES = ("data.content", "data.style", "data.init", "data.content_mask", "data.style_mask")
NOT_DECISIVE = ("content", "style", "artworks")
"""Settings of ``data`` that are a pair's own, or say where pictures are."""
DECISIVE_OF_TRAINER = ("max_epochs", "max_steps", "precision", "callbacks")
_PLAIN = str | int | float | bool | None


def of_objective(objective: Objective, pair: ImagePair, precision: str) -> Fingerprint:
    """Return what decides the loss of a picture; take it before the first step.

    It is made of the objects, so that it holds without settings too: terms, weights, layers,
    schedules, encoder and its weights, and the pixels of every picture and mask.

    Args:
        objective: With the weights that it was built with.
        pair: Set up.
        precision: The trainer's.
    """
    things = {**objective.terms, "encoder": objective.encoder}
    things |= {f"schedule of {name}": rule for name, rule in objective.schedules.items()}
    found = {"precision": precision, **_pictures(pair)}
    for name, thing in things.items():
        found |= {f"{name}.{key}": value for key, value in _stated(thing).items()}
    found["encoder.values"] = _digest(*objective.encoder.parameters(), *objective.encoder.buffers())
    if "auto" in found.values():
        found["fast bfloat16"] = has_fast_bfloat16()
    return found


def differences(now: Fingerprint, then: Fingerprint | None) -> str:
    """Return a few names of what is another now; empty where all is the same, or nothing was."""
    missing, then = object(), now if then is None else then
    names = dict.fromkeys([*then, *now])
    others = [name for name in names if now.get(name, missing) != then.get(name, missing)]
    return ", ".join(others[:3] + ["..."] * bool(others[3:]))


def decisive(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide what picture comes out, without those of the pair.

    Args:
        settings: The whole configuration of a run, as nested mappings.
    """
    data = {key: value for key, value in settings["data"].items() if key not in NOT_DECISIVE}
    trainer = {key: settings["trainer"].get(key) for key in DECISIVE_OF_TRAINER}
    kept = {key: settings.get(key) for key in ("seed_everything", "model", "explosion")}
    return {**kept, "data": data, "trainer": trainer}


def file_digests(
    settings: Mapping[str, Any], digest: Callable[[str], str] = source_digest
) -> dict[str, str]:
    """Return the digest of every file that settings of a run name, by the setting and the file.

    Beside pictures and masks these are weights, whatever else a term, an encoder or a callback is
    given by its path, and the code of the user's classes.

    Args:
        settings: Nested, of ``data``, ``model`` and what else decides.
        digest: Of one source.

    Raises:
        InputError: If a picture or a mask cannot be read.
    """
    found = {}
    for name, value in flatten(settings).items():
        for text in _texts(value):
            source = name in _SOURCES and not (name == "data.init" and text in STARTS)
            file = text if source or _is_file(text) else _code_of(text)
            if file:
                found[f"{name} {text}"] = digest(file)
    return found


def _code_of(class_path: str) -> str:
    """Return the file that a class of the user's is in; empty where this is none."""
    module = class_path.rpartition(".")[0]
    words = re.fullmatch(r"([A-Za-z_]\w*\.)+[A-Za-z_]\w*", class_path)
    if not words or module.split(".")[0] in _LIBRARIES:
        return ""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # no module, but a word with a dot
        return ""
    return spec.origin if spec and spec.origin and _is_file(spec.origin) else ""


def _is_file(text: str) -> bool:
    try:
        return ("/" in text or "." in text) and expanded(text).is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, a ~user that does not exist
        return False


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _stated(thing: object) -> dict[str, Any]:
    """Return a thing's class and what decides of its attributes, files digested.

    Of this package's classes these are the public ones of plain values, for what else they have is
    made of these. Of a user's class it is everything, and its source, but for what a run sets.
    """
    kind = type(thing)
    found: dict[str, Any] = {"class": f"{kind.__module__}.{kind.__qualname__}"}
    theirs = [base for base in kind.__mro__ if base.__module__.split(".")[0] not in _LIBRARIES]
    of_a_run = {*_OF_A_RUN, *_private_of(kind.__mro__)}
    kept = {k: v for k, v in getattr(thing, "_buffers", {}).items() if not k.startswith("target_")}
    for name, value in {**vars(thing), "buffers": kept}.items():
        if name not in of_a_run and _is_plain(value) and (theirs or not name.startswith("_")):
            found[name] = list(value) if isinstance(value, tuple) else value
            for text in _texts(value):
                if _is_file(text):
                    found[f"{name} {text}"] = source_digest(text)
        elif theirs and name not in of_a_run:
            found[name] = digest(_state(value))
    for base in theirs:
        with contextlib.suppress(OSError, TypeError):  # typed in, not in a file
            found["source"] = digest([found.get("source"), inspect.getsource(base)])
    return found


def _private_of(bases: Sequence[type]) -> set[str]:
    """Return the private attributes that constructors of torch and of this package set."""
    ours = [base for base in bases if base.__module__.split(".")[0] in _LIBRARIES]
    codes = [getattr(vars(base).get("__init__"), "__code__", None) for base in ours]
    names = {*vars(nn.Module()), *(n for code in codes if code for n in code.co_names)}
    # What a user's class registers there is not the constructor's.
    return {n for n in names if n.startswith("_")} - {
        "_parameters",
        "_modules",
    }


def _state(value: Any, within: tuple[int, ...] = ()) -> Any:
    """Return what JSON can hold of any value: of an object its class and attributes."""
    if isinstance(value, _PLAIN):
        return value
    if id(value) in within:
        return "itself"
    within = (*within, id(value))
    if isinstance(value, Tensor):
        return _digest(value)
    if isinstance(value, Mapping):
        return [[str(key), _state(item, within)] for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [_state(item, within) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    kind = f"{type(value).__module__}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    if hasattr(value, "tobytes"):  # of NumPy or Pillow
        return [kind, str(getattr(value, "shape", "")), value.tobytes().hex()]
    if code := getattr(value, "__code__", None):
        inside = [cell.cell_contents for cell in value.__closure__ or ()]
        return [
            kind,
            code.co_code.hex(),
            repr(code.co_names),
            _state([*code.co_consts, *inside], within),
        ]
    return [kind, _state(getattr(value, "__dict__", {}), within)]


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    return isinstance(value, _PLAIN)


def _pictures(pair: ImagePair) -> Fingerprint:
    """Return what decides of the pictures, and their digests as the run sees them at full size."""
    scale = pair.scale
    pair.use_scale(len(pair.scales))
    found: Fingerprint = {"style shares": repr(pair.blend), "colour": pair.colour}
    if pair.scales:
        found |= {"strokes": pair.strokes, "detail": pair.detail}
    found["content"] = _digest(pair.content, *([] if pair.alpha is None else [pair.alpha]))
    found |= {f"style {i}": _digest(style) for i, style in enumerate(pair.styles, start=1)}
    if pair.regions is not None:
        found["masks"] = _digest(pair.regions.content, *pair.regions.styles)
    pair.use_scale(scale)
    return found


def _digest(*tensors: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(repr(tuple(tensor.shape)).encode())
        digest.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
