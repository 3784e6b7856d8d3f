"""The style term of matched features."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from nst_lightning.checks import choice, number, whole_number
from nst_lightning.losses.guided_gram import GuidedGramLoss
from nst_lightning.losses.hypercolumns import Hypercolumns, Places, no_finer
from nst_lightning.losses.matching import (
    Rows,
    evenly,
    every_so_many,
    most_similar_by_region,
    on_grid,
    union_by_share,
)
from nst_lightning.losses.places import Tile, averages, bands
from nst_lightning.losses.products import (
    at_least_single,
    cosine_distance,
    inverse_length,
    squared_error,
)
from nst_lightning.losses.reference import Reference
from nst_lightning.losses.term import LossTerm

Metric = Literal["squared", "cosine"]

_DARK = 1e-2  # added to squared lengths, of root mean square 1 a channel: 0 has a gradient too
_SIDE_BY_LAYER = 64  # places along the longer side, where each layer is matched by itself
_STYLE_SIDE_BY_LAYER = 128
_MOST_STYLE_PLACES = 2**13  # neighbours are nearly the same
_COVERED_A_PLACE = 4  # places of the style, at most, for each of the picture
_ROWS_AT_ONCE = 64  # of a grid


def place_distance(seen: Tensor, target: Tensor, metric: Metric) -> Tensor:
    """Mean over places of the squared difference, or of 1 - cosine, of ``(N, C, …)``.

    The target is ``(N or 1, C, …)``, for ``cosine`` of unit vectors or means of such. To squared
    lengths 0.01 is added, so that a place without any feature has a gradient too.
    """
    if metric == "squared":
        return squared_error(seen, target)
    return cosine_distance(seen, target, _DARK)


class NearestNeighbourLoss(LossTerm):
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
        super().__init__(weight, layers, layer_weights)
        self.grid = choice(self.named("grid"), grid or self.layers[:3][-1], self.layers)
        self.mix = number(self.named("mix"), mix, least=0, most=1)
        self.every = whole_number(self.named("every"), every, 1)
        choice(self.named("metric"), metric, get_args(Metric))
        self.metric = metric
        self.coverage = number(self.named("coverage"), coverage, least=0)
        self.rotations = rotations
        self.per_layer = per_layer
        self.texture = number(self.named("texture"), texture, least=0)
        self._texture: GuidedGramLoss | None = None
        if texture:
            seen = texture_layers or self.layers[2:4] or self.layers[-1:]
            for layer in seen:
                choice(self.named("texture_layers"), layer, self.layers)
            self._texture = GuidedGramLoss(1.0, seen, reduction="relative")
        # Height and width: of the grid that a layer's group is searched on, by the group's name,
        # and at which each layer is compared.
        self._searched: dict[str, torch.Size] = {}
        self._sizes: dict[str, torch.Size] = {}
        # Of a picture in tiles, where what the others keep would be too large: it is made anew.
        self._content: Mapping[str, Any] | None = None
        self._draw = 0
        self._first = True  # whether no picture was searched for yet

    def at_strength(self, strength: float) -> None:
        """See the base class; beyond 0.5 less of the content is in what is searched for."""
        super().at_strength(strength)
        self.mix *= min(1.0, 2 - 2 * strength)

    @property
    def _groups(self) -> dict[str, tuple[str, ...]]:
        """Layers that are matched together, by the name of one of them."""
        if self.per_layer:
            return {layer: (layer,) for layer in self.layers}
        return {self.grid: tuple(self.layers)}

    @torch.no_grad()
    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        """See the base class; a match is made for each place of the content."""
        super().set_targets(content, styles)
        if self._texture is not None:
            self._texture.set_targets(content, styles)
        seen = self.take(content.features)
        self._first, self._draw = True, 0
        for name, layers in self._groups.items():
            size = seen[name].shape[-2:]
            if self.per_layer:
                size = every_so_many(seen[name], _SIDE_BY_LAYER).shape[-2:]
            self._searched[name] = size
            for layer in layers:
                # What covers the style is told by places of the grid.
                coarse = seen[layer].shape[-2:].numel() < size.numel() and not self.coverage
                self._sizes[layer] = seen[layer].shape[-2:] if coarse else size
        for layer in self.layers:
            parts = [self.forget(name) for name in self._names(layer)]
            places = torch.cat(parts)
            scale = places.square().mean().sqrt()
            scale = torch.where(scale > 0, scale, 1)  # a silent layer
            self.set_target(layer, (places / scale, scale))
            regions = [torch.full((len(p),), n, device=p.device) for n, p in enumerate(parts)]
            self.set_target(f"{layer} regions", torch.cat(regions))
        in_tiles = not isinstance(seen[self.grid], Tensor)
        self._content = seen if in_tiles and not self.per_layer else None
        if self.per_layer:
            self._match(seen)
        elif not in_tiles:
            # Matched only if a loss is asked for before a step: a run searches for its picture.
            for layer, part in zip(self.layers, self._parts(self.grid, seen), strict=True):
                self.set_target(f"{layer} content", part)

    def _see(self, layer: str, picture: Reference, region: int | None) -> Any:
        """Return the places of a style, ``(S, C)``; of a layer in tiles as `Places`."""
        features, like = picture.features[layer], picture.features[self.grid]
        mask = None if region is None or picture.mask is None else picture.mask
        if self.per_layer:
            places = at_least_single(every_so_many(features, _STYLE_SIDE_BY_LAYER))
            if mask is not None:
                mask = every_so_many(on_grid(mask, features.shape[-2:]), _STYLE_SIDE_BY_LAYER)
        elif mask is not None:
            mask = on_grid(mask, like.shape[-2:])
        inside: Tensor | None = None
        if mask is not None:
            inside = mask[0, region].flatten()
            inside = inside >= inside.max().clamp(max=0.5)
        if not self.per_layer:
            return Places(features, like.shape[-2:], inside)
        rows = places[0].flatten(1).mT
        return rows if inside is None else rows[inside]

    def blend(
        self, layer: str, representations: Sequence[Rows], weights: Sequence[float]
    ) -> Tensor:
        """Return places of all styles ``(S, C)``, of each as many as its share allows."""
        return union_by_share(representations, weights, _MOST_STYLE_PLACES)

    def represent(self, layer: str, features: Tensor) -> Tensor:
        """Return ``(N, C, h, w)`` as it is compared, in units of the style's root mean square.

        That is on the grid, or at the layer's own size if it is coarser.
        """
        scale: Tensor = self.target(layer)[1]
        return self._lay_out(features, self._sizes[layer]) / scale

    def _lay_out(self, values: Tensor, size: torch.Size) -> Tensor:
        if self.per_layer:
            return at_least_single(every_so_many(values, _SIDE_BY_LAYER, self._draw))
        return on_grid(values, size)

    def redraw(self, step: int, features: Callable[[], Mapping[str, Tensor]]) -> bool:
        """Match anew each ``every`` steps, and at the first step after targets were set."""
        if step % self.every and not self._first:
            return False
        self._first, self._draw = False, step
        self._match(self.take(features()), self.mix)
        return True

    def _parts(self, name: str, features: Mapping[str, Any]) -> Iterator[Tensor]:
        """Give a group's layers at the places that are searched, each ``(1, C, h, w)``."""
        for layer in self._groups[name]:
            if self.per_layer:
                part = self._lay_out(features[layer], self._searched[name])
            else:
                part = no_finer(features[layer], self._searched[name])
            yield part / self.target(layer)[1]

    def _contents(self, name: str) -> Iterator[Tensor]:
        """Give the content's likewise."""
        if self._content is not None:
            yield from self._parts(name, self._content)
            return
        for layer in self._groups[name]:
            yield self.target(f"{layer} content")

    def _regions(self, layer: str, places: int) -> Tensor:
        """Return the region of each of the picture's places, ``(P,)``."""
        if not self.regions:
            regions: Tensor = self.target(f"{layer} regions")
            return regions.new_zeros(places)
        guidance: Tensor = self.target(f"{layer} guidance")  # (1, R, h, w)
        return self._lay_out(guidance, self._searched[layer])[0].argmax(0).flatten()

    @torch.no_grad()
    def _match(self, seen: Mapping[str, Any] | None, mix: float = 0.0) -> None:
        for name, layers in self._groups.items():
            parts = list(self._contents(name) if seen is None else self._parts(name, seen))
            wanted = Hypercolumns(parts, self._searched[name])
            there = torch.cat([self.target(layer)[0] for layer in layers], 1)
            mine, theirs = self._regions(name, len(wanted)), self.target(f"{name} regions")
            if self.coverage:
                most = _COVERED_A_PLACE * len(wanted)
                rows = evenly(torch.arange(len(there), device=mine.device), most)
                rows = rows[torch.isin(theirs[rows], mine)]
                columns = wanted[torch.arange(len(wanted), device=mine.device)]
                found = most_similar_by_region(there[rows], columns, theirs[rows], mine)
                self.set_target(f"{name} covered", torch.stack([rows, found]).int())
            if mix and not self.per_layer:
                for part, other in zip(parts, self._contents(name), strict=True):
                    part.lerp_(other, mix)
            matches = most_similar_by_region(wanted, there, mine, theirs)
            self.set_target(f"{name} matches", matches.int())
        self._lay_down_matches()

    def _lay_down_matches(self) -> None:
        for name, layers in self._groups.items():
            matches = self.target(f"{name} matches").long()
            for layer in layers:
                if self.coverage:
                    rows = self.target(f"{name} covered")[0].long()
                    self.set_target(f"{layer} to cover", self._matched(layer, rows))
                if self._content is None:
                    matched = self._matched(layer, matches)  # (1, C, P)
                    matched = matched.view(1, -1, *self._searched[name])
                    # Averaging matches has the gradient of a place's mean distance to all of them.
                    matched = on_grid(matched, self._sizes[layer])  # (1, C, h, w)
                elif self._sizes[layer] == self._searched[name]:
                    continue  # see _match_of
                else:
                    matched = self._averaged(layer, matches.view(self._searched[name]))
                # Laid out as features are, else every gradient would be laid out anew.
                matched = matched.contiguous(memory_format=torch.channels_last)
                self.set_target(f"{layer} match", matched)

    def _averaged(self, layer: str, matches: Tensor) -> Tensor:
        """Return what `on_grid` gives of matches ``(H, W)``: a few of their rows at a time."""
        size = (self._sizes[layer][0], self._sizes[layer][1])
        found = []
        for rows, tile in bands((matches.shape[0], matches.shape[1]), size, _ROWS_AT_ONCE):
            part = self._matched(layer, matches[rows].flatten())  # (1, C, rows · W)
            found.append(averages(part.view(1, -1, *matches[rows].shape), tile, size)[0])
        return torch.cat(found, 2)

    def _match_of(self, layer: str, own: Tile) -> Tensor:
        """Return the matches of a tile's places, ``(1, C, h, w)``, as `distance` takes them."""
        if self.has_target(f"{layer} match"):
            laid: Tensor = self.target(f"{layer} match")
            return own.out_of(laid)
        matches: Tensor = self.target(f"{self.grid} matches").view(1, 1, *self._sizes[layer])
        rows = own.out_of(matches).long()
        return self._matched(layer, rows.flatten()).view(1, -1, *rows.shape[-2:])

    def _matched(self, layer: str, rows: Tensor) -> Tensor:
        """Return places of the style as `place_distance` takes them, ``(1, C, P)``."""
        matched: Tensor = self.target(layer)[0][rows]  # (P, C)
        if self.metric == "cosine":
            matched = matched * inverse_length(matched, _DARK)
        return matched.mT.unsqueeze(0)

    def _held_names(self) -> Iterator[str]:
        for name in self._groups:
            yield f"{name} matches"
            if self.coverage:
                yield f"{name} covered"

    def held(self) -> Tensor | None:
        """Return the draw, each place's match and what covers the style; None before a picture."""
        if self._first:
            return None
        parts = [self.target(name).flatten() for name in self._held_names()]
        return torch.cat([parts[0].new_tensor([self._draw]), *parts])

    def hold(self, held: Tensor) -> None:
        """Go on with matches from `held`, if they are of pictures of these sizes."""
        self._see_to_matches()
        sizes = {name: self.target(name).shape for name in self._held_names()}
        counts = [size.numel() for size in sizes.values()]
        if held.numel() != 1 + sum(counts) or not self._is_within(held):
            return
        self._first, self._draw = False, int(held[0])
        device = self.target(self.grid)[1].device
        for (name, size), part in zip(sizes.items(), torch.split(held[1:], counts), strict=True):
            self.set_target(name, part.to(device).view(size))
        self._lay_down_matches()

    def _see_to_matches(self) -> None:
        if not all(self.has_target(f"{name} matches") for name in self._groups):
            self._match(None)

    def _is_within(self, held: Tensor) -> bool:
        most = max(len(self.target(layer)[0]) for layer in self.layers)
        return bool(held[1:].min() >= 0) and bool(held[1:].max() < most)

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
        across = [n / cells for n, cells in zip(size, self._sizes.get(layer, size), strict=True)]
        if self.per_layer or min(across) < 1:
            return None
        return 0 if max(across) == 1 else int(max(across)) + 1

    def places_kept(
        self, layer: str, places: Mapping[str, float], in_tiles: bool
    ) -> tuple[float, float]:
        """See the base class: matches and, of a picture that is not in tiles, the content."""
        searched, fine = min(places[layer], places[self.grid]), places[layer] >= places[self.grid]
        if self.per_layer:
            return 0.0, 0.0
        kept = (0.0 if fine else searched) if in_tiles else 2 * searched
        return kept, searched + (places[self.grid] if self.coverage else 0.0)

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
