"""What every loss term is: a weight, the layers it looks at, targets that it keeps."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Real

import torch
from torch import Tensor, nn

from nst_lightning.errors import InputError, did_you_mean

STD5 = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""The style layers of Gatys, Ecker & Bethge (2016), and of most systems after them."""


@dataclass(frozen=True)
class Reference:
    """A picture that targets are taken from, and what the encoder sees in it.

    Attributes:
        image: ``(1, 3, H, W)``, values in [0, 1].
        features: Layer name → features ``(1, C, h, w)``, at least the layers that the term asks
            for.
        weight: Share in a blend of several styles.
        mask: ``(1, R, H, W)`` in [0, 1], one channel a region, for a term that is ``guided``. The
            others look at whole pictures and refuse one.
    """

    image: Tensor
    features: dict[str, Tensor] = field(default_factory=dict)
    weight: float = 1.0
    mask: Tensor | None = None


class LossTerm(nn.Module):
    """One term of the objective.

    A subclass says in ``__init__`` which layers it wants, in ``set_targets`` what it remembers of
    the references, and in ``forward`` how far the picture is from that. The module that optimises
    the picture reads ``layers``, calls ``set_targets`` once before the first step (again if the
    references change), then ``forward`` at each evaluation, and multiplies the result by
    ``weight``.

    Example:
        A term that compares the mean of each channel, in a file of your own::

            >>> import torch
            >>> from nst_lightning.losses import LossTerm, Reference
            >>> class ChannelMeanLoss(LossTerm):
            ...     def __init__(self, weight: float = 1.0, layers: tuple[str, ...] = ("relu3_1",)):
            ...         super().__init__(weight, layers)
            ...
            ...     def set_targets(self, content, styles):
            ...         for layer in self.layers:
            ...             means = [s.weight * s.features[layer].mean((2, 3)) for s in styles]
            ...             self.set_target(layer, sum(means))
            ...
            ...     def forward(self, image, features):
            ...         return self.sum_layers(
            ...             (features[layer].mean((2, 3)) - self.target(layer)).square().mean()
            ...             for layer in self.layers
            ...         )
            >>> term = ChannelMeanLoss(weight=100.0)
            >>> image = torch.zeros(1, 3, 8, 8)
            >>> style = Reference(image, {"relu3_1": torch.full((1, 4, 2, 2), 3.0)})
            >>> term.set_targets(content=style, styles=[style])
            >>> term(image, {"relu3_1": torch.ones(1, 4, 5, 6)})
            tensor(4.)

    Attributes:
        weight: Factor that the caller puts before the term. A plain float; a schedule may change it
            during a run.
        layers: Names of the layers whose features ``forward`` needs; empty if it needs the picture
            only.
        layer_weights: One factor a layer, in the order of ``layers``.
        takes_half: Whether ``forward`` is exact enough with features in half precision, which an
            encoder may compute for speed. Where it is false, as in a term that does not say, the
            features are made float32 first.

    Args:
        weight: Finite and not negative. 0 keeps the term in the report but out of the objective.
        layers: Names of encoder layers.
        layer_weights: One for each layer, or a single number for all of them; 1 each by default.

    Raises:
        InputError: If a weight is negative, infinite or no number, if there are not as many layer
            weights as layers, or if a layer is named twice.
    """

    takes_half: bool = False
    guided: bool = False
    """Whether the term wants the regions' masks; see ``GuidedGramLoss``."""

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[str] = (),
        layer_weights: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.weight = self._checked("weight", weight)
        if isinstance(layers, str):
            raise self.error(f"layers must be a list of names, got {layers!r}; write [{layers}]")
        self.layers: list[str] = list(layers)
        twice = sorted({name for name in self.layers if self.layers.count(name) > 1})
        if twice:
            raise self.error(
                f"layers names {', '.join(twice)} more than once; name each layer once"
            )
        if layer_weights is None:
            layer_weights = 1.0
        if isinstance(layer_weights, (int, float)):
            layer_weights = [layer_weights] * len(self.layers)
        if isinstance(layer_weights, str) or len(layer_weights) != len(self.layers):
            raise self.error(
                f"layer_weights {layer_weights!r} must hold one weight for each of the "
                f"{len(self.layers)} layers {self.layers}"
            )
        self.layer_weights: list[float] = [
            self._checked(f"layer_weights[{i}]", w) for i, w in enumerate(layer_weights)
        ]

    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        """Remember what the picture is compared with; the base class remembers nothing.

        Called again, the new targets replace the old. References may have any size.

        Args:
            content: The content picture.
            styles: The style pictures; their weights sum to 1.
        """

    def forward(self, image: Tensor, features: dict[str, Tensor]) -> Tensor:
        """Score the picture: a scalar, with the layer weights but without ``weight``.

        Args:
            image: ``(N, 3, H, W)``, values in [0, 1].
            features: Layer name → features of ``image``, at least those named in ``layers``.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def set_target(self, name: str, value: Tensor) -> None:
        """Keep a copy of ``value`` that moves with the module but is in no ``state_dict``.

        Without a graph, and usable in a backward pass even if it was made in inference mode.
        """
        with torch.inference_mode(False), torch.no_grad():
            self.register_buffer(self._buffer_name(name), value.clone(), persistent=False)

    def target(self, name: str) -> Tensor:
        """Return what ``set_target`` kept under ``name``."""
        value = self._buffers.get(self._buffer_name(name))
        if value is None:
            raise RuntimeError(
                f"{type(self).__name__} has no target {name!r}; call set_targets() first"
            )
        return value

    def sum_layers(self, losses: Iterable[Tensor]) -> Tensor:
        """Sum one scalar a layer, in the order of ``layers``, each times its layer weight."""
        total: Tensor | None = None
        for weight, loss in zip(self.layer_weights, losses, strict=True):
            loss = loss if weight == 1 else weight * loss
            total = loss if total is None else total + loss
        if total is None:
            raise RuntimeError(f"{type(self).__name__} has no layers to sum over")
        return total

    def error(self, message: str) -> InputError:
        """Make an ``InputError`` that begins with the name of the term."""
        return InputError(f"{type(self).__name__}: {message}")

    def check_choice(self, key: str, value: str, known: Sequence[str]) -> str:
        """Return ``value`` if it is one of ``known``.

        Raises:
            InputError: If it is not.
        """
        if value not in known:
            raise self.error(
                f"unknown {key} {value!r}{did_you_mean(value, known)} (one of {', '.join(known)})"
            )
        return value

    def extra_repr(self) -> str:
        """Show weight and layers where the module is printed."""
        parts = [f"weight={self.weight:g}"]
        if self.layers:
            parts.append(f"layers={self.layers}")
        if any(w != 1 for w in self.layer_weights):
            parts.append(f"layer_weights={self.layer_weights}")
        return ", ".join(parts)

    def _checked(self, key: str, value: object) -> float:
        if not isinstance(value, Real) or not math.isfinite(value) or value < 0:
            raise self.error(f"{key} must be a finite number >= 0, got {value!r}")
        return float(value)

    @staticmethod
    def _buffer_name(name: str) -> str:
        # nn.Module takes a dot for a path into submodules.
        return "target_" + name.replace(".", "_")


def blend_weights(styles: Sequence[Reference]) -> list[float]:
    """Return the styles' weights, scaled to sum to 1.

    Raises:
        InputError: If there is no style, a weight is negative or not finite, or all of them are 0.
        ValueError: If a style has a mask.
    """
    if not styles:
        raise InputError("at least one style picture is needed")
    weights = [float(style.weight) for style in styles]
    for weight in weights:
        if not math.isfinite(weight) or weight < 0:
            raise InputError(f"a style's blend weight must be a finite number >= 0, got {weight!r}")
    total = sum(weights)
    if total == 0:
        raise InputError(f"the styles' blend weights {weights} are all 0; give one of them more")
    for style in styles:
        require_whole(style)
    return [weight / total for weight in weights]


def blend(weights: Sequence[float], values: Sequence[Tensor]) -> Tensor:
    """Return the weighted sum of ``values``, tensors of one shape."""
    return torch.stack([w * v for w, v in zip(weights, values, strict=True)]).sum(0)


def require_whole(reference: Reference) -> Reference:
    """Return ``reference`` if it has no mask.

    Raises:
        ValueError: If it has one: to ignore it in silence would give the wrong picture.
    """
    if reference.mask is not None:
        raise ValueError("this term looks at whole pictures; a Reference with a mask needs another")
    return reference
