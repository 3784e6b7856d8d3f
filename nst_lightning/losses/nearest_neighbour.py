"""The style term of matched features."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from nst_lightning.checks import choice, number, whole_number
from nst_lightning.losses.products import squared_error, weighted_sum
from nst_lightning.losses.reference import Reference
from nst_lightning.losses.term import LossTerm

_SIMILARITIES_AT_ONCE = 2**24  # 64 MB in float32
_DARK = 1e-2  # added to squared lengths, of root mean square 1 a channel: 0 has a gradient too


def on_grid(features: Tensor, size: Sequence[int]) -> Tensor:
    """Reduce ``(N, C, H, W)`` to ``(height, width)`` by averaging, or enlarge it linearly."""
    # Not interpolate's antialiasing: for a width of 1 its gradient is wrong (torch 2.14).
    if features.shape[-2] * features.shape[-1] > size[0] * size[1]:
        return F.adaptive_avg_pool2d(features, (size[0], size[1]))
    return F.interpolate(features, size=(size[0], size[1]), mode="bilinear")


def most_similar(wanted: Tensor, there: Tensor) -> Tensor:
    """For each row of ``(P, C)`` the row of ``(S, C)`` with the largest cosine: ``(P,)``.

    Both sides are first centred at the mean of their rows. Memory is bounded by blocks.
    """
    wanted = F.normalize(wanted - wanted.mean(0), dim=1)
    there = F.normalize(there - there.mean(0), dim=1)
    rows = max(1, _SIMILARITIES_AT_ONCE // len(there))
    return torch.cat([(part @ there.mT).argmax(1) for part in torch.split(wanted, rows)])


class NearestNeighbourLoss(LossTerm):
    """Distance of every place's features to those of the place in the style that is most like it.

    After Kolkin et al., "Neural Neighbor Style Transfer" (arXiv:2203.13215), and Zhang et al.,
    "ARF: Artistic Radiance Fields" (ECCV 2022). The layers are resized to one grid and each is
    divided by its root mean square in the style; all layers of a place are its hypercolumn, its
    match is the most similar one in the style (`most_similar`). Unlike NNST, which mixes pixels,
    the search is for a mixture of hypercolumns of picture and content. Matches are held for several
    steps, so that the loss is smooth between them; the first, of `set_targets`, are the content's.

    Of several styles each takes part with as many hypercolumns, evenly spread, as its share allows.
    The picture must have the content's size; a style may have any.

    Args:
        weight: Factor of the term.
        layers: Layers of the hypercolumns.
        layer_weights: One for each layer or for all; they count in the loss, not in the search.
        grid: The layer whose size the grid has; the third, or the last of fewer, if null.
        mix: How much of the content is in what is searched for: 0 is the picture alone (the
            painting's own composition), 1 the content alone (the photograph, repainted).
        every: Steps for which matches are held.
        metric: In each layer the mean of ``squared`` differences, or of 1 - ``cosine``, which
            leaves the features' length free. A layer counts by its share of the channels.

    Raises:
        InputError: If a weight, a layer or another value is not valid.
    """

    def __init__(
        self,
        weight: float = 1e3,
        layers: Sequence[str] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1"),
        layer_weights: float | list[float] | None = None,
        grid: str | None = None,
        mix: float = 0.5,
        every: int = 20,
        metric: Literal["squared", "cosine"] = "squared",
    ) -> None:
        super().__init__(weight, layers, layer_weights)
        self.grid = choice(self.named("grid"), grid or self.layers[:3][-1], self.layers)
        self.mix = number(self.named("mix"), mix, least=0)
        if self.mix > 1:
            raise self.error(f"mix must be from 0 to 1, not {mix}")
        self.every = whole_number(self.named("every"), every, 1)
        self.metric = choice(self.named("metric"), metric, ("squared", "cosine"))
        self._size = torch.Size((1, 1))
        self._first = True  # whether no picture was searched for yet

    @torch.no_grad()
    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        """See the base class; a match is made for each place of the content."""
        super().set_targets(content, styles)
        seen = self.take(content.features)
        self._size = seen[self.grid].shape[-2:]
        self._first = True
        self.set_target("content", self._columns(seen))
        self._match(self.target("content"))

    def _see(self, layer: str, picture: Reference, region: int | None) -> Tensor:
        return on_grid(picture.features[layer], picture.features[self.grid].shape[-2:])

    def blend(
        self, layer: str, representations: Sequence[Tensor], weights: Sequence[float]
    ) -> tuple[Tensor, Tensor]:
        """Return the styles' places, ``(S, C)``, and the root mean square they are divided by."""
        scale = weighted_sum(weights, [r.square().mean() for r in representations]).sqrt()
        scale = torch.where(scale > 0, scale, 1)  # a silent layer
        every = [(r[0].flatten(1).mT, w) for r, w in zip(representations, weights, strict=True)]
        most = min(len(places) / weight for places, weight in every)
        kept = [p[torch.linspace(0, len(p) - 1, round(w * most)).long()] for p, w in every]
        return torch.cat(kept) / scale, scale

    def represent(self, layer: str, features: Tensor) -> Tensor:
        """Return ``(N, C, h, w)`` on the grid, in units of the style's root mean square."""
        scale: Tensor = self.target(layer)[1]
        return on_grid(features, self._size) / scale

    def redraw(self, step: int, features: Callable[[], Mapping[str, Tensor]]) -> bool:
        """Match anew each ``every`` steps, and at the first step after targets were set."""
        if step % self.every and not self._first:
            return False
        self._first = False
        columns = self._columns(self.take(features()))
        self._match(columns.lerp(self.target("content"), self.mix))
        return True

    def _columns(self, features: Mapping[str, Tensor]) -> Tensor:
        layers = [self.represent(layer, features[layer])[0].flatten(1) for layer in self.layers]
        return torch.cat(layers).mT  # (P, sum of C), P places

    def _match(self, wanted: Tensor) -> None:
        there = torch.cat([self.target(layer)[0] for layer in self.layers], 1)
        self._hold(most_similar(wanted, there))

    def _hold(self, matches: Tensor) -> None:
        self.set_target("matches", matches.int())
        for layer in self.layers:
            matched = self.target(layer)[0][matches.long()]  # (P, C)
            self.set_target(f"{layer} match", matched.mT.unflatten(1, self._size).unsqueeze(0))

    def held(self) -> Tensor | None:
        """Return each place's match, ``(P,)``; None before a picture was matched."""
        return None if self._first else self.target("matches")

    def hold(self, held: Tensor) -> None:
        """Go on with matches from `held`, if they are of pictures of these sizes."""
        matches, places = self.target("matches"), self.target(self.grid)[0]
        if held.shape == matches.shape and int(held.max()) < len(places):
            self._first = False
            self._hold(held.to(matches.device))

    def _score(self, layer: str, features: Tensor) -> Tensor:
        return self.distance(layer, self.represent(layer, features), self.target(f"{layer} match"))

    def distance(self, layer: str, representation: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the places, times the layer's share of the channels."""
        share: float = target.shape[1] / self.target("content").shape[1]
        if self.metric == "squared":
            return share * squared_error(representation, target)
        product = (representation * target).sum(1)
        lengths = (representation.square().sum(1) + _DARK) * (target.square().sum(1) + _DARK)
        return share * (1 - product / lengths.sqrt()).mean()
