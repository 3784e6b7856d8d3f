"""What every loss term is: a weight, the layers it looks at, targets that it keeps."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nst_lightning.checks import names, number
from nst_lightning.errors import InputError
from nst_lightning.losses.kept import KeepsTargets, Representation
from nst_lightning.losses.products import at_least_single, at_size_of, weighted_sum
from nst_lightning.losses.reference import Reference
from nst_lightning.losses.sees_tiles import SeesTiles

STD5 = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""The style layers of Gatys, Ecker & Bethge (2016), and of most systems after them."""


class LossTerm(KeepsTargets, SeesTiles):
    """One term of the objective.

    A subclass says in `represent` what it sees in the features of a layer, and in `distance` how
    far two of these are apart. All else is done here: targets are made of the styles (or of the
    content) and kept in buffers that no checkpoint holds, several styles are blended, layers and
    regions are weighed. The objective reads ``layers``, calls ``set_targets`` once before the first
    step (again if the references change), then ``forward`` at each evaluation, and multiplies the
    result by ``weight``.

    A term on the picture itself has no layers and defines ``forward`` instead (and ``set_targets``
    with `set_target`, if there is something to remember).

    ``nst_lightning.testing.check_term`` checks what every term promises.

    Example:
        A term that compares the mean of each channel, in a file of your own::

            >>> import torch
            >>> from nst_lightning.losses import LossTerm, Reference
            >>> class ChannelMeanLoss(LossTerm):
            ...     def __init__(self, weight: float = 1.0, layers: tuple[str, ...] = ("relu3_1",)):
            ...         super().__init__(weight, layers)
            ...
            ...     def represent(self, layer, features):
            ...         return features.mean((2, 3))
            ...
            ...     def distance(self, layer, representation, target):
            ...         return (representation - target).square().mean()
            >>> term = ChannelMeanLoss(weight=100.0)
            >>> image = torch.zeros(1, 3, 8, 8)
            >>> style = Reference(image, {"relu3_1": torch.full((1, 4, 2, 2), 3.0)})
            >>> term.set_targets(content=style, styles=[style])
            >>> term(image, {"relu3_1": torch.ones(1, 4, 5, 6)})
            tensor(4.)

    Attributes:
        regions: Regions of the masks that the targets were set with; 0 without masks.

    Args:
        weight: Finite and not negative. 0 keeps the term in the report but out of the objective.
        layers: Names of encoder layers, at least one; None for a term on the picture alone.
        layer_weights: One for each layer, or a single number for all; 1 each by default.

    Raises:
        InputError: If a weight is negative, infinite or no number, if there are not as many layer
            weights as layers, if there is no layer, or if one is named twice.
    """

    takes_half: bool = False
    """Whether `represent` is exact enough with features in half precision, which an encoder may
    compute for speed. Where it is false the features are made float32 first."""

    guided: bool = False
    """Whether the term wants the regions' masks; it then defines `represent_region`."""

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[str] | None = None,
        layer_weights: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.weight = number(self.named("weight"), weight, least=0)
        self.layers = names(self.named("layers"), layers or ())
        if layers is not None and not self.layers:
            raise self.error("layers is empty; name at least one layer, for instance relu1_1")
        twice = sorted({name for name in self.layers if self.layers.count(name) > 1})
        if twice:
            raise self.error(f"layers names {', '.join(twice)} more than once; name each once")
        layer_weights = 1.0 if layer_weights is None else layer_weights
        if isinstance(layer_weights, (int, float)):
            layer_weights = [layer_weights] * len(self.layers)
        if isinstance(layer_weights, str) or len(layer_weights) != len(self.layers):
            wanted = f"one weight for each of the {len(self.layers)} layers {self.layers}"
            raise self.error(f"layer_weights {layer_weights!r} must hold {wanted}")
        self.layer_weights = [
            number(self.named(f"layer_weights[{i}]"), w, least=0)
            for i, w in enumerate(layer_weights)
        ]
        self.regions = 0

    rotations: bool = False
    """Whether the styles are wanted turned by 90, 180 and 270 degrees too, as further styles."""

    def _names(self, layer: str) -> list[str]:
        """Return the names under which `set_targets` keeps a layer: of each region, if any."""
        return [_target_name(layer, region) for region in range(self.regions) or [None]]

    def represent(self, layer: str, features: Tensor) -> Representation:
        """Return what is compared of a layer; the features themselves if a term does not say.

        The features are ``(N, C, h, w)``, of the picture or of a reference, in any memory layout.
        """
        return features

    def represent_region(self, layer: str, features: Tensor, guidance: Tensor) -> Representation:
        """Return what is compared of one region in a layer, if the term is ``guided``.

        The guidance is ``(1, 1, h, w)`` in [0, 1], the region's mask at the layer's size; where it
        is 1 everywhere, this is `represent`.
        """
        raise NotImplementedError

    def blend(
        self, layer: str, representations: Sequence[Representation], weights: Sequence[float]
    ) -> Representation:
        """Return the target of one layer, of a single picture too; the weighted mean by default.

        What `represent` gave comes one a picture, with weights above 0 that sum to 1.
        """
        if isinstance(representations[0], Tensor):
            return weighted_sum(weights, representations)
        return tuple(weighted_sum(weights, parts) for parts in zip(*representations, strict=True))

    def distance(
        self, layer: str, representation: Representation, target: Representation
    ) -> Tensor:
        """Return how far what `represent` gave is from what `blend` gave in a layer: a scalar."""
        raise NotImplementedError

    def take(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what the term wants of an encoder's features, in the precision that it wants."""
        wanted = {layer: features[layer] for layer in self.layers}
        if self.takes_half or not all(isinstance(value, Tensor) for value in wanted.values()):
            return wanted
        return {layer: at_least_single(value) for layer, value in wanted.items()}

    @torch.no_grad()
    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        """Remember what the picture is compared with.

        Called again, the new targets replace the old. References may have any size, unless a term
        compares place by place.

        Args:
            content: The content picture. For a guided term its mask has one channel a region, and
                its features, or a picture of its size, give the layers' sizes.
            styles: The style pictures. Under a masked content their masks have one channel a region
                too, all zero in a region that the style has no part in.

        Raises:
            InputError: If there is no style, a weight is negative or not finite, all of them are 0,
                or a region has no style.
            ValueError: If a picture has a mask and the term is not guided.
        """
        for name in [*self._kept]:
            self.forget(name)
        self.regions = 0
        if not self._compares:
            return
        of = [content] if self.target_from == "content" else styles
        pictures = [replace(p, features=self.take(p.features)) for p in of]
        if not pictures:
            raise InputError("at least one style picture is needed")
        weights = [number("a style's blend weight", p.weight, least=0) for p in pictures]
        if not sum(weights):
            reason = f"the styles' blend weights {weights} are all 0"
            raise InputError(f"{reason}; give one of them more")
        if self.guided and content.mask is not None:
            self._set_regions(content.mask, content.features, pictures)
        elif any(picture.mask is not None for picture in pictures):
            # To ignore it without a word would give the wrong picture.
            raise ValueError(self.named("it looks at whole pictures; a mask needs another term"))
        for region in range(self.regions) or [None]:
            shown = [p for p in pictures if p.weight > 0 and _has_part(p, region)]
            if region is not None and not shown:
                raise self.error(f"region {region + 1} has no style")
            total = sum(picture.weight for picture in shown)
            weights = [picture.weight / total for picture in shown]
            for layer in self.layers:
                seen = [self._see(layer, picture, region) for picture in shown]
                self.set_target(_target_name(layer, region), self.blend(layer, seen, weights))

    def at_strength(self, strength: float) -> None:
        """Shift the term between the photograph and the painting, before anything else is done.

        At 0.5 it stays as it is. A content term weighs 16 times as much at 0 and a sixteenth at 1;
        of another's weight there is a hundredth left at 0.

        Args:
            strength: From 0 to 1.
        """
        if self._compares and self.target_from == "content":
            self.weight *= 16 ** (1 - 2 * strength)
        elif strength < 0.5:
            self.weight *= max(0.1, 2 * strength) ** 2

    def redraw(self, step: int, features: Callable[[], Mapping[str, Tensor]]) -> bool:
        """Renew what is held between steps, as matches; return whether that changes the loss.

        Called before each step with its number in the run and a function that encodes the picture.
        """
        return False

    def held(self) -> Tensor | None:
        """Return what `redraw` made, for a checkpoint; None if there is nothing."""
        return None

    def hold(self, held: Tensor) -> None:
        """Go on with what `held` returned, after targets were set."""

    @property
    def has_formula(self) -> bool:
        """Whether the class defines `distance` or `forward`, without which it scores nothing."""
        return self._compares or type(self).forward is not LossTerm.forward

    @property
    def _compares(self) -> bool:
        return type(self).distance is not LossTerm.distance

    def _set_regions(
        self, mask: Tensor, features: Mapping[str, Tensor], pictures: Sequence[Reference]
    ) -> None:
        self.regions = mask.shape[1]
        if any(p.mask is None or p.mask.shape[1] != self.regions for p in pictures):
            raise ValueError(f"every style needs a mask with {self.regions} regions")
        areas = mask.mean((0, 2, 3))  # (R,)
        self.set_target("areas", areas / areas.sum())
        for layer in self.layers:
            self.set_target(f"{layer} guidance", at_size_of(mask, features[layer]))

    def _see(self, layer: str, picture: Reference, region: int | None) -> Representation:
        features = picture.features[layer]
        if not isinstance(features, Tensor):
            features = features.whole()
            features = features if self.takes_half else at_least_single(features)
        if region is None or picture.mask is None:
            return self.represent(layer, features)
        guidance = at_size_of(picture.mask[:, region : region + 1], features)
        return self.represent_region(layer, features, guidance)

    def forward(self, image: Tensor, features: dict[str, Tensor]) -> Tensor:
        """Score the picture: a scalar, with the layer weights but without ``weight``.

        It is the sum over the layers, and in each over the regions by their share of the picture;
        in the picture's precision, but float32 at least.

        Args:
            image: ``(N, 3, H, W)``, values in [0, 1].
            features: Layer name → features of ``image`` as `take` gives them.
        """
        if not self._compares:
            raise NotImplementedError(f"{type(self).__name__} defines no distance() or forward()")
        return self.add_up(image, features)

    def add_up(self, image: Tensor, seen: Mapping[str, Tensor | tuple[Tensor, ...]]) -> Tensor:
        """Score like `forward`, where some layers are given by the sums of their tiles' `sums`."""
        kind = torch.promote_types(image.dtype, torch.float32)
        return self.sum_layers(
            (self.score_sums(k, v) if isinstance(v, tuple) else self._score(k, v)).to(kind)
            for k, v in ((layer, seen[layer]) for layer in self.layers)
        )

    def _score(self, layer: str, features: Tensor) -> Tensor:
        if not self.regions:
            return self.distance(layer, self.represent(layer, features), self.target(layer))
        guidance = self.target(f"{layer} guidance")  # (1, R, h, w)
        losses = []
        for region in range(self.regions):
            seen = self.represent_region(layer, features, guidance[:, region : region + 1])
            losses.append(self.distance(layer, seen, self.target(_target_name(layer, region))))
        return self._over_regions(losses)

    def _over_regions(self, losses: Sequence[Tensor]) -> Tensor:
        areas: Tensor = self.target("areas").to(losses[0])
        return (torch.stack([*losses]) * areas).sum()

    def sum_layers(self, losses: Iterable[Tensor]) -> Tensor:
        """Sum one scalar a layer, in the order of ``layers``, each times its layer weight."""
        weighted = [
            loss if weight == 1 else weight * loss
            for weight, loss in zip(self.layer_weights, losses, strict=True)
        ]
        if not weighted:
            raise RuntimeError(f"{type(self).__name__} has no layers to sum over")
        return sum(weighted[1:], weighted[0])

    def named(self, argument: str) -> str:
        """Return an argument's name as messages give it: ``GramLoss: divisor``."""
        return f"{type(self).__name__}: {argument}"

    def error(self, message: str) -> InputError:
        """Return an ``InputError`` that begins with the name of the term."""
        return InputError(self.named(message))

    def extra_repr(self) -> str:
        """Show weight and layers where the module is printed."""
        parts = [f"weight={self.weight:g}"]
        if self.layers:
            parts.append(f"layers={self.layers}")
        if any(w != 1 for w in self.layer_weights):
            parts.append(f"layer_weights={self.layer_weights}")
        return ", ".join(parts)


def _has_part(picture: Reference, region: int | None) -> bool:
    return region is None or picture.mask is None or bool(picture.mask[:, region].amax() > 0)


def _target_name(layer: str, region: int | None) -> str:
    return layer if region is None else f"{layer} region {region}"
