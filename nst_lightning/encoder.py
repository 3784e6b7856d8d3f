"""VGG-19 cut at the deepest layer wanted, with the features of named layers as its output."""

import os
from collections.abc import Sequence
from typing import Literal, Protocol, get_args, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nst_lightning.checks import choice, names
from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.processor import has_fast_bfloat16
from nst_lightning.vgg19 import CONVOLUTIONS
from nst_lightning.weights import Convention, load_vgg19

Pooling = Literal["max", "avg", "l2"]
Padding = Literal["zeros", "replicate"]
PaddingLayers = Literal["all", "first"]
Precision = Literal["float32", "bfloat16", "auto"]
Step = tuple[str, str]  # (operation, name): a conv or relu with its layer's name, or a pool

# Every name that can be tapped, in network order: conv{b}_{i} before the ReLU, relu{b}_{i} after.
VGG19_LAYERS: tuple[str, ...] = tuple(
    name for conv in CONVOLUTIONS for name in (conv.name, conv.name.replace("conv", "relu"))
)

# Means are smaller than maxima and 2-norms larger; by how much depends on how alike neighbours are.
# So each of the four poolings has a factor of its own, which keeps the root mean square of the
# block behind it at max pooling's, in the mean over samples (benchmarks/pooling_scales.py).
POOLING_SCALES: dict[str, tuple[float, float, float, float]] = {
    "max": (1.0, 1.0, 1.0, 1.0),
    "avg": (1.264, 1.477, 1.291, 1.857),
    "l2": (0.603, 0.663, 0.619, 0.768),
}


def pool(features: Tensor, pooling: Pooling, block: int) -> Tensor:
    """Halve a feature map (N, C, H, W) by the 2×2 pooling behind a block, 1 to 4, rescaled."""
    if pooling == "max":
        return F.max_pool2d(features, 2)
    pooled = F.avg_pool2d(features, 2) if pooling == "avg" else F.lp_pool2d(features, 2.0, 2)
    return pooled * POOLING_SCALES[pooling][block - 1]


@runtime_checkable
class HasMinimumSize(Protocol):
    """An encoder that needs pictures of at least a certain height and width, in pixels."""

    minimum_size: int


@runtime_checkable
class Stepwise(Protocol):
    """An encoder of 3×3 convolutions and 2×2 poolings that can be run in parts, so in tiles too."""

    steps: list[Step]
    taps: tuple[str, ...]

    def in_half(self, image: Tensor) -> bool:
        """Say whether the features of a picture are bfloat16, here and now."""

    def prepared(self, image: Tensor, half: bool) -> Tensor:
        """Return a picture (N, 3, H, W), RGB in [0,1], as the first of the `steps` takes it."""

    def run(self, x: Tensor, steps: Sequence[Step]) -> tuple[Tensor, dict[str, Tensor]]:
        """Take some steps; return what the last one gives, and the taps on the way."""


@runtime_checkable
class Refinable(Protocol):
    """An encoder that computes coarsely at first, and can go on more exactly, ``refined``."""

    refined: bool

    def refine(self) -> bool:
        """Go on more exactly from here on; return whether that changes anything."""


class VGG19Encoder(nn.Module):
    """The features of a frozen VGG-19 (Simonyan & Zisserman, arXiv:1409.1556) at named layers.

    The weights are non-persistent buffers, so `parameters()` and `state_dict()` are empty and the
    only gradient that flows is the picture's. They are loaded by the constructor, and only as
    many convolutions as the deepest tap needs.

    Args:
        taps: Names out of `VGG19_LAYERS`: ``conv3_1`` is before the ReLU, ``relu3_1`` after.
        weights: ``bundled`` (no download), ``imagenet`` (torchvision's), or a file's path; see
            `nst_lightning.weights.load_vgg19`. All have torchvision's activation scale.
        pooling: ``max`` as trained; ``avg`` and ``l2`` are smoother, and rescaled
            (`POOLING_SCALES`) so that weights of losses keep their meaning: over five photographs
            and paintings at 256 to 512 px the root mean square of every ReLU was on average within
            12 % of max pooling's, and within 5 % up to relu4_4. In a single picture it was 0.7 to
            1.3 times max pooling's for ``avg``, 0.8 to 1.2 for ``l2``.
        padding: ``replicate`` repeats the border pixels instead of framing the picture in zeros,
            which features see as a dark edge.
        padding_layers: Whether ``replicate`` holds for ``all`` convolutions or only the ``first``,
            as in crowsonkb/style-transfer-pytorch.
        convention: How the network in a weight *file* expects its input; ignored otherwise.
        channels_last: Compute with the channels of a place side by side in memory, which changes
            no value beyond rounding. On a CPU that makes an evaluation 1.3 times faster
            (``docs/optimiser.md``) and is what null chooses there; elsewhere null leaves the layout
            as it comes.
        precision: Of the convolutions while a gradient is asked for; whatever needs none, such as
            targets and measures, is computed as the picture is (float32). ``bfloat16`` takes half
            the time on a processor that multiplies it, at a cost in the final loss of a few parts
            in a thousand (``docs/optimiser.md``); ``auto`` chooses it on a CPU that does
            (`has_fast_bfloat16`), else float32.

    Attributes:
        taps: The tapped layers in network order, each once.
        minimum_size: The smallest height and width accepted, in pixels.
        steps: What is done to a picture, one after another, up to the deepest tap.

    Raises:
        InputError: If a name is unknown or the weights cannot be loaded.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        taps: Sequence[str],
        weights: str = "bundled",
        pooling: Pooling = "max",
        padding: Padding = "zeros",
        padding_layers: PaddingLayers = "all",
        convention: Convention = "imagenet",
        channels_last: bool | None = None,
        precision: Precision = "float32",
    ) -> None:
        super().__init__()
        choice("pooling", pooling, get_args(Pooling))
        choice("padding", padding, get_args(Padding))
        choice("padding_layers", padding_layers, get_args(PaddingLayers))
        choice("precision", precision, get_args(Precision))
        self.taps = _in_network_order(taps)
        self.weights = os.fspath(weights)
        self.pooling, self.padding, self.padding_layers = pooling, padding, padding_layers
        self.channels_last, self.precision = channels_last, precision
        self.refined = False
        """Whether `refine` was called: from then on all is float32, whatever ``precision`` says."""
        self._fast_half = has_fast_bfloat16()
        # Copies of weight and bias in bfloat16, made at the first evaluation.
        self._halved: dict[str, tuple[Tensor, Tensor]] = {}
        self.minimum_size = 1
        self.steps: list[Step] = []
        if self.taps:
            self.steps = _steps(self.taps[-1])
            self.minimum_size = 2 ** sum(operation == "pool" for operation, _ in self.steps)
            self._load(weights, convention)

    def _load(self, weights: str, convention: Convention) -> None:
        depth = sum(operation == "conv" for operation, _ in self.steps)
        loaded = load_vgg19(weights, convention, depth)
        for name, (weight, bias) in loaded.convolutions.items():
            if self.channels_last is not False:
                # Else they would be laid out anew at every evaluation.
                weight = weight.contiguous(memory_format=torch.channels_last)
            self.register_buffer(f"{name}_weight", weight, persistent=False)
            self.register_buffer(f"{name}_bias", bias, persistent=False)
        for name in ("mean", "std"):
            values = torch.tensor(getattr(loaded, name)).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return the tapped features of a picture (N, 3, H, W), RGB in [0,1].

        Returns:
            Tap name to features (N, C, H / 2^b, W / 2^b), in network order; in bfloat16 if
            ``precision`` says so and a gradient is asked for.

        Raises:
            InputError: If the picture is smaller than `minimum_size`.
            ValueError: If ``image`` is not of shape (N, 3, H, W).
        """
        if image.ndim != 4 or image.shape[1] != 3:
            raise ValueError(f"expected pictures of shape (N, 3, H, W), got {tuple(image.shape)}")
        if not self.taps:
            return {}
        height, width = image.shape[-2:]
        if min(height, width) < self.minimum_size:
            raise InputError(
                f"a picture of {width}x{height} pixels is too small for layer {self.taps[-1]}, "
                f"which needs {self.minimum_size}x{self.minimum_size}; use a larger picture or "
                "shallower layers"
            )
        _, features = self.run(self.prepared(image, self.in_half(image)), self.steps)
        return features

    def prepared(self, image: Tensor, half: bool) -> Tensor:
        """Return a picture (N, 3, H, W), RGB in [0,1], as the first of the `steps` takes it."""
        x = (image - self.mean) / self.std
        on_cpu = x.device.type == "cpu"
        if on_cpu if self.channels_last is None else self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        return x.bfloat16() if half else x

    def run(self, x: Tensor, steps: Sequence[Step]) -> tuple[Tensor, dict[str, Tensor]]:
        """Take some of the `steps`, one after another.

        Returns:
            What the last one gives, and the features of the taps on the way.
        """
        features: dict[str, Tensor] = {}
        for operation, name in steps:
            if operation == "conv":
                x = self._convolve(x, name)
            elif operation == "relu":
                # In place it takes less time and memory, but would overwrite a tapped convolution.
                x = F.relu(x, inplace=name.replace("relu", "conv") not in self.taps)
            else:
                x = pool(x, self.pooling, int(name.removeprefix("pool")))
            if name in self.taps:
                features[name] = x
        return x, features

    def refine(self) -> bool:
        """Go on in float32, as for an optimiser that bfloat16's noise keeps from descending.

        Whether that changes anything is returned: False the second time, and with ``float32``.
        """
        changes = not self.refined and self.precision != "float32"
        self.refined = True
        return changes

    def in_half(self, image: Tensor) -> bool:
        """Say whether the features of a picture are bfloat16, here and now."""
        if self.refined or not (torch.is_grad_enabled() and image.requires_grad):
            return False
        if self.precision == "auto":
            return self._fast_half and image.device.type == "cpu"
        return self.precision == "bfloat16"

    def _convolve(self, x: Tensor, name: str) -> Tensor:
        weight, bias = getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")
        if x.dtype == torch.bfloat16 and weight.dtype != torch.bfloat16:
            if name not in self._halved or self._halved[name][0].device != weight.device:
                self._halved[name] = weight.bfloat16(), bias.bfloat16()
            weight, bias = self._halved[name]
        if self.padding == "replicate" and (self.padding_layers == "all" or name == "conv1_1"):
            return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, bias)
        return F.conv2d(x, weight, bias, padding=1)

    def extra_repr(self) -> str:
        """Describe the encoder in one line."""
        return (
            f"taps={list(self.taps)}, weights={self.weights!r}, pooling={self.pooling!r}, "
            f"padding={self.padding!r}, padding_layers={self.padding_layers!r}, "
            f"precision={self.precision!r}"
        )


def _in_network_order(taps: Sequence[str]) -> tuple[str, ...]:
    for tap in names("layers", taps):
        if tap not in VGG19_LAYERS:
            raise InputError(
                f"unknown layer {str(tap)!r}: VGG-19 has conv1_1, relu1_1, conv1_2, ... relu5_4"
                + did_you_mean(str(tap), VGG19_LAYERS)
            )
    return tuple(name for name in VGG19_LAYERS if name in taps)


def _steps(deepest: str) -> list[Step]:
    steps: list[Step] = []
    for name in VGG19_LAYERS[: VGG19_LAYERS.index(deepest) + 1]:
        kind, number = name[:4], name[4:]
        if kind == "conv" and number != "1_1" and number.endswith("_1"):
            steps.append(("pool", f"pool{int(number[0]) - 1}"))
        steps.append((kind, name))
    return steps
