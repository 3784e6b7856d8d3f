"""What is minimised: terms over the features of an encoder, and the targets they keep."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from nst_lightning.encoder import HasMinimumSize, Refinable, Stepwise, VGG19Encoder
from nst_lightning.errors import InputError
from nst_lightning.losses.reference import Reference
from nst_lightning.losses.term import LossTerm
from nst_lightning.memory import give_back_now
from nst_lightning.stages import Tiles
from nst_lightning.tiles import LayersInTiles, OnTile, features_in_tiles, score

Encoder = Callable[[Tensor], dict[str, Tensor]]
EncoderFactory = Callable[[Sequence[str]], nn.Module]
Losses = Callable[[Tensor], dict[str, Tensor]]


class Objective(nn.Module):
    """The sum of named terms, each multiplied by its weight (Gatys, Ecker & Bethge, CVPR 2016).

    It knows nothing of a trainer: give it targets, then call it with a picture.

    Args:
        terms: Terms by name; at least one.
        encoder: Builds the feature extractor from the layers that the terms ask for.

    Attributes:
        shared: Encodings of other runs; see :class:`SharedTargets`.
        tiles: How pictures are cut, to be computed in less memory; None for whole.
        on_tile: Called after each tile; see `nst_lightning.tiles.features_in_tiles`. No copy has
            it.
        schedules: Name of a weight -> what sets it during a run.

    Raises:
        InputError: If there is no term, or a term asks for a layer that does not exist.
    """

    def __init__(self, terms: Mapping[str, LossTerm], encoder: EncoderFactory) -> None:
        super().__init__()
        if not terms:
            raise InputError(
                "model: no loss term is left; give at least one of content, style, tv, extra (to "
                "load_from_checkpoint too: a checkpoint holds no objects)"
            )
        self._terms = nn.ModuleDict(terms)
        layers = dict.fromkeys(layer for term in terms.values() for layer in term.layers)
        self.encoder = encoder(list(layers))
        self.shared: SharedTargets | None = None
        self.tiles: Tiles | None = None
        self.on_tile: OnTile | None = None
        self.schedules: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out who watches: copies and pickles are computed elsewhere."""
        return self.__dict__ | {"on_tile": None}

    @property
    def terms(self) -> dict[str, LossTerm]:
        """The terms by name."""
        return {name: term for name, term in self._terms.items() if isinstance(term, LossTerm)}

    @property
    def takes_regions(self) -> bool:
        """Whether a term looks at regions."""
        return any(term.guided for term in self.terms.values())

    @property
    def minimum_size(self) -> int:
        """Least height and width of a picture in pixels."""
        return self.encoder.minimum_size if isinstance(self.encoder, HasMinimumSize) else 1

    @property
    def refined(self) -> bool:
        """Whether the encoder was asked for more exact features; see :meth:`refine`."""
        return self.encoder.refined if isinstance(self.encoder, Refinable) else False

    @refined.setter
    def refined(self, value: bool) -> None:
        if isinstance(self.encoder, Refinable):
            self.encoder.refined = value

    def refine(self) -> bool:
        """Have the encoder compute more exactly from here on; return whether losses change."""
        return self.encoder.refine() if isinstance(self.encoder, Refinable) else False

    @torch.no_grad()
    def set_targets(
        self,
        content: Tensor,
        styles: Sequence[Tensor],
        shares: Sequence[float],
        masks: tuple[Tensor, Sequence[Tensor]] | None = None,
    ) -> None:
        """Encode content and styles once and hand them to every term.

        Args:
            content: Shape ``(1, 3, H, W)``, values in [0, 1].
            styles: Each of shape ``(1, 3, h, w)``.
            shares: One for each style; they sum to 1.
            masks: Of the content and of each style, ``(1, R, H, W)`` with one channel a region, for
                the terms that look at regions.
        """
        whole = guided = (
            self.reference(content),
            [self.reference(style, share) for style, share in zip(styles, shares, strict=True)],
        )
        if masks is not None:
            guided = (
                replace(whole[0], mask=masks[0]),
                [replace(style, mask=m) for style, m in zip(whole[1], masks[1], strict=True)],
            )
        for term in self.terms.values():
            of_content, of_styles = guided if term.guided else whole
            if term.rotations:
                of_styles = [turned for style in of_styles for turned in self._turns(style)]
            term.set_targets(of_content, of_styles)
        if self.tiles is not None:
            give_back_now()

    def _turns(self, style: Reference) -> Iterator[Reference]:
        """Give a style as it is and turned by 90, 180 and 270 degrees; they share its share."""
        yield replace(style, weight=style.weight / 4)
        for turns in (1, 2, 3):
            mask = None if style.mask is None else style.mask.rot90(turns, (2, 3))
            turned = style.image.rot90(turns, (2, 3)).contiguous()
            yield replace(self.reference(turned, style.weight / 4), mask=mask)

    def reference(self, picture: Tensor, weight: float = 1.0) -> Reference:
        """Encode one picture, ``(1, 3, H, W)`` in [0, 1], as a target with a share in a blend."""
        if self.shared is None or not self.shared.keep or self.tiles is not None:
            return Reference(image=picture, features=self._encoded(picture), weight=weight)
        return replace(self.shared.reference(self.encoder, picture), weight=weight)

    def _encoded(self, picture: Tensor) -> Mapping[str, Any]:
        if self.tiles is not None:
            return LayersInTiles(self._in_parts(), picture, self.tiles)
        encode: Encoder = self.encoder
        return encode(picture)

    @torch.no_grad()
    def redraw(self, step: int, picture: Tensor) -> bool:
        """Have every term renew what it holds, before a step at ``picture``: `LossTerm.redraw`."""
        features = functools.cache(lambda: self._as_evaluated(picture))
        counting = [term for term in self.terms.values() if term.weight]
        redrawn = sum(term.redraw(step, features) for term in counting) > 0
        if redrawn and self.tiles is not None:
            give_back_now()
        return redrawn

    def _as_evaluated(self, picture: Tensor) -> Mapping[str, Any]:
        """Encode as `losses` does: an encoder may be coarse, and fast, where a gradient is due."""
        with torch.enable_grad():
            seen = self._encoded(picture.detach().requires_grad_())
        if self.tiles is not None:
            return seen
        return {layer: features.detach() for layer, features in seen.items()}

    def held(self) -> dict[str, Tensor | None]:
        """Return what each term holds between steps, for a checkpoint and `hold`."""
        return {name: term.held() for name, term in self.terms.items()}

    def hold(self, held: Mapping[str, Tensor | None]) -> None:
        """Let the terms go on with what `held` returned, after targets were set."""
        for name, value in held.items():
            if value is not None:
                self.terms[name].hold(value)

    def _in_parts(self) -> Stepwise:
        if isinstance(self.encoder, Stepwise):
            return self.encoder
        raise InputError(
            f"model.encoder: {type(self.encoder).__name__} cannot be computed in tiles; use "
            "VGG19Encoder, a smaller data.size, or model.memory: null"
        )

    def losses(self, picture: Tensor) -> dict[str, Tensor]:
        """Return every term's weighted loss as ``NAME_loss``, and their sum as ``loss``.

        Args:
            picture: Shape ``(1, 3, H, W)``, values in [0, 1].
        """
        if self.tiles is None:
            features = self.encoder(picture)
            scores = {n: term(picture, term.take(features)) for n, term in self.terms.items()}
        else:
            seen = features_in_tiles(
                self._in_parts(), self.terms, picture, self.tiles, self.on_tile
            )
            scores = {n: score(term, picture, seen[n]) for n, term in self.terms.items()}
        losses = {f"{name}_loss": self.terms[name].weight * s for name, s in scores.items()}
        return losses | {"loss": torch.stack(list(losses.values())).sum()}


def named_terms(
    named: Mapping[str, LossTerm | None], extra: Mapping[str, LossTerm]
) -> dict[str, LossTerm]:
    """Return all terms by name, without those that are None.

    Raises:
        InputError: If a further term's name is taken or no plain word, or a term has no formula, as
            where settings have a null, and then keys of what is no longer there.
    """
    for name in extra:
        if name in named or not name.isidentifier():
            raise InputError(
                f"model.extra: {name!r} cannot name a term; use a plain word other than "
                f"{', '.join(named)}"
            )
    terms = {name: term for name, term in {**named, **extra}.items() if term is not None}
    for name, term in terms.items():
        if not term.has_formula:
            raise InputError(
                f"model.{'' if name in named else 'extra.'}{name}: {type(term).__name__} defines "
                "no distance() or forward(); name a class that does, such as GramLoss, or leave "
                "the term out: null, and no key under it"
            )
    return terms


class SharedTargets:
    """Encoders, and what they see of contents and styles, for several runs in one process.

    Args:
        keep: How many encoded pictures are kept; the one that was
            asked for longest ago goes first. 0 shares encoders alone.
    """

    def __init__(self, keep: int = 4) -> None:
        self.keep = keep
        self._encoders: dict[str, nn.Module] = {}
        self._references: dict[Any, Reference] = {}

    def encoder(self, kind: type[nn.Module], *args: Any, **settings: Any) -> nn.Module:
        """Return the one encoder of these arguments; jsonargparse calls it in place of ``kind``."""
        settings.pop("applied_instantiation_links", None)
        key = repr((kind, args, sorted(settings.items())))
        if key not in self._encoders:
            self._encoders[key] = kind(*args, **settings)
        return self._encoders[key]

    def measuring_encoder(self, layers: Sequence[str]) -> nn.Module:
        """Return the one bundled VGG-19 with these layers, for measures."""
        return self.encoder(VGG19Encoder, tuple(layers))

    def reference(self, encoder: nn.Module, picture: Tensor) -> Reference:
        """Return a picture, ``(1, 3, H, W)`` in [0, 1], encoded; anew only if it is new."""
        # The encoder itself: the id of one that is gone is given to the next.
        key = (encoder, tuple(picture.shape), picture.cpu().numpy().tobytes())
        if key not in self._references:
            while len(self._references) >= self.keep:
                del self._references[next(iter(self._references))]
            self._references[key] = Reference(picture, encoder(picture))
        # Now the newest: of many contents in one style, the style is not what goes.
        found = self._references[key] = self._references.pop(key)
        return found


def compiled(losses: Losses, mode: str) -> Losses:
    """Return losses by ``torch.compile`` in a mode of its.

    Raises:
        InputError: At the first call, if it cannot be compiled here.
    """
    function = torch.compile(losses, mode=mode)

    def call(picture: Tensor) -> dict[str, Tensor]:
        try:
            # A CUDA graph writes its next results over these.
            return {name: loss.clone() for name, loss in function(picture).items()}
        except torch._dynamo.exc.BackendCompilerFailed as error:
            reason = str(error.inner_exception).strip().splitlines()[0]
            raise InputError(f"model.compile: torch.compile failed ({reason}); use null") from error

    return call
