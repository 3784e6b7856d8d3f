"""The style term of matched features."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from nst_lightning.checks import choice, number
from nst_lightning.losses.guided_gram import GuidedGramLoss
from nst_lightning.losses.matched import LARGE, MatchedTerm
from nst_lightning.losses.places import Tile, averages, reach_of
from nst_lightning.losses.products import (
    at_least_single,
    cosine_distance,
    inverse_length,
    squared_error,
)
from nst_lightning.losses.reference import Reference

Metric = Literal["squared", "cosine"]

_DARK = 1e-2  # added to squared lengths, of root mean square 1 a channel: 0 has a gradient too


def place_distance(seen: Tensor, target: Tensor, metric: Metric) -> Tensor:
    """Mean over places of the squared difference, or of 1 - cosine, of ``(N, C, …)``.

    The target is ``(N or 1, C, …)``, for ``cosine`` of unit vectors or means of such. To squared
    lengths 0.01 is added, so that a place without any feature has a gradient too.
    """
    if metric == "squared":
        return squared_error(seen, target)
    return cosine_distance(seen, target, _DARK)


class NearestNeighbourLoss(MatchedTerm):
    """Distance of every place's features to those of the place in the style that is most like it.

    After Kolkin et al., "Neural Neighbor Style Transfer" (arXiv:2203.13215), and Zhang et al.,
    "ARF: Artistic Radiance Fields" (ECCV 2022). The layers are resized to one grid and each is
    divided by its root mean square in the style; all layers of a place are its hypercolumn, its
    match is the most similar one in the style (`most_similar`). Unlike NNST, which mixes pixels,
    the search is for a mixture of hypercolumns of picture and content. Matches are held for several
    steps, so that the loss is smooth between them; the first, of `set_targets`, are the content's.

    Of several styles each takes part with as many hypercolumns, evenly spread, as its share allows,
    8,192 in all at most.
    With masks, a place is matched within its own region. The picture must have the content's size;
    a style may have any.

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
        coverage: Factor of the other direction, that every place in the style has something like it
            in the picture (of Kolkin, Salavon & Shakhnarovich, "Style Transfer by Relaxed Optimal
            Transport and Self-Similarity", CVPR 2019): no part of the painting is left out.
        rotations: Search in the style turned by 90, 180 and 270 degrees too. It keeps more of the
            content, and takes four times as long to match.
        per_layer: Match each layer by itself, at a grid of its own places, drawn anew with each
            match: NNST's last pass ("feature splitting"), for crisp strokes. ``mix`` and ``grid``
            have no part in it, and every layer counts the same.
        texture: Factor of a second distance beside that to the matches: of the Gram matrices to the
            style's, relative to these (`GuidedGramLoss`), summed over ``texture_layers``.
            Neighbours have unlike matches, whose mean has hardly a stroke; this has their strength.
        texture_layers: Which of the layers it looks at; the third and fourth, or the last of fewer,
            if null.

    Raises:
        InputError: If a weight, a layer or another value is not valid.
    """

    guided = True
    takes_half = True

    def __init__(
        self,
        weight: float = 1e3,
        layers: Sequence[str] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1"),
        layer_weights: float | list[float] | None = None,
        grid: str | None = None,
        mix: float = 0.5,
        every: int = 20,
        metric: Metric = "squared",
        coverage: float = 0.0,
        rotations: bool = False,
        per_layer: bool = False,
        texture: float = 0.0,
        texture_layers: Sequence[str] | None = None,
    ) -> None:
        super().__init__(weight, layers, layer_weights, grid, mix, every, coverage, per_layer)
        choice(self.named("metric"), metric, get_args(Metric))
        self.metric = metric
        self.rotations = rotations
        self.texture = number(self.named("texture"), texture, least=0)
        self._texture: GuidedGramLoss | None = None
        if texture:
            seen = texture_layers or self.layers[2:4] or self.layers[-1:]
            for layer in seen:
                choice(self.named("texture_layers"), layer, self.layers)
            self._texture = GuidedGramLoss(1.0, seen, reduction="relative")

    @torch.no_grad()
    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        """See the base class."""
        super().set_targets(content, styles)
        if self._texture is not None:
            self._texture.set_targets(content, styles)

    def as_compared(self, rows: Tensor) -> Tensor:
        """See the base class; for ``cosine`` of unit length."""
        if self.metric == "squared":
            return rows
        return rows * inverse_length(rows, _DARK)

    def represent(self, layer: str, features: Tensor) -> Tensor:
        """Return ``(N, C, h, w)`` as it is compared, in units of the style's root mean square.

        That is on the grid, or at the layer's own size if it is coarser.
        """
        scale: Tensor = self.target(layer)[1]
        return self._lay_out(features, self._sizes[layer]) / scale

    def _score(self, layer: str, features: Tensor) -> Tensor:
        self._see_to_matches()
        seen = self.represent(layer, features)  # (N, C, h, w)
        height, width = seen.shape[-2:]
        match = self._match_of(layer, Tile((height, width), 0, height, 0, width))
        loss = self.distance(layer, seen, match)
        if not self.coverage:
            return loss
        name = next(name for name, layers in self._groups.items() if layer in layers)
        covering = seen.flatten(2)[..., self.target(f"{name} covered")[1].long()]  # (N, C, K)
        missing = self.distance(layer, covering, self.target(f"{layer} to cover"))
        return loss + self.coverage * missing

    def distance(self, layer: str, representation: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the places (see `place_distance`), times the layer's share."""
        if self.per_layer:
            share = 1 / len(self.layers)
        else:
            share = target.shape[1] / sum(self.target(name)[0].shape[1] for name in self.layers)
        return share * place_distance(representation, target, self.metric)

    def reach(self, layer: str, size: tuple[int, int]) -> int | None:
        """Return how many places of a layer one that is compared has; None where it has more."""
        grid = self._sizes.get(layer, size)
        coarser = size[0] < grid[0] or size[1] < grid[1]
        return None if self.per_layer or coarser else reach_of(size, grid)

    def places_kept(
        self, layer: str, places: Mapping[str, float], in_tiles: bool
    ) -> tuple[float, float]:
        """See the base class: matches and, of a picture that is not in tiles, the content."""
        searched, fine = min(places[layer], places[self.grid]), places[layer] >= places[self.grid]
        if self.per_layer:
            return 0.0, 0.0
        kept = (0.0 if fine else searched) if in_tiles else 2 * searched
        half = 0.5 if in_tiles and places[self.grid] > LARGE else 1.0
        return half * kept, half * searched + (places[self.grid] if self.coverage else 0.0)

    def sums(self, layer: str, computed: Tensor, tile: Tile) -> tuple[Tensor, ...]:
        """Return the distance to the matches of the places that the tile has, by their share.

        Then what the texture sums up, if it looks at the layer.
        """
        texture: tuple[Tensor, ...] = ()
        if self._texture is not None and layer in self._texture.layers:
            texture = self._texture.sums(layer, at_least_single(computed), tile)
        self._see_to_matches()
        size = (self._sizes[layer][0], self._sizes[layer][1])
        seen, own = averages(computed, tile, size)  # (N, C, rows, columns)
        seen = at_least_single(seen) / self.target(layer)[1]
        match = self._match_of(layer, own)
        if not match.numel():
            return (seen.sum(), *texture)
        loss = own.share * self.distance(layer, seen, match)
        if self.coverage:
            loss = loss + self.coverage * self._missing(layer, seen, own)
        return (loss, *texture)

    def _missing(self, layer: str, seen: Tensor, own: Tile) -> Tensor:
        """Return a tile's part of the distance to what covers the style."""
        found = self.target(f"{next(iter(self._groups))} covered")[1].long()
        row, column = found // own.size[1] - own.top, found % own.size[1] - own.left
        here = (row >= 0) & (row < seen.shape[2]) & (column >= 0) & (column < seen.shape[3])
        if not here.any():
            return seen.new_zeros(())
        covering, wanted = seen[..., row[here], column[here]], self.target(f"{layer} to cover")
        return (int(here.sum()) / len(here)) * self.distance(layer, covering, wanted[..., here])

    def add_up(self, image: Tensor, seen: Mapping[str, Tensor | tuple[Tensor, ...]]) -> Tensor:
        """See the base class; with the texture."""
        own = {k: v[:1] if isinstance(v, tuple) else v for k, v in seen.items()}
        loss = super().add_up(image, own)
        if self._texture is None:
            return loss
        of_it = {k: v[1:] if isinstance(v, tuple) else at_least_single(v) for k, v in seen.items()}
        return loss + self.texture * self._texture.add_up(image, of_it)
