"""A term whose places each have a match in the style, found and held for some steps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nst_lightning.checks import choice, number, whole_number
from nst_lightning.losses.hypercolumns import Hypercolumns, Places, is_finer, no_finer
from nst_lightning.losses.matching import (
    Rows,
    evenly,
    every_so_many,
    most_similar_by_region,
    on_grid,
    union_by_share,
)
from nst_lightning.losses.places import Tile, averages, bands, laid_together
from nst_lightning.losses.products import at_least_single
from nst_lightning.losses.reference import Reference
from nst_lightning.losses.term import LossTerm

_SIDE_BY_LAYER = 64  # places along the longer side, where each layer is matched by itself
_STYLE_SIDE_BY_LAYER = 128
_MOST_STYLE_PLACES = 2**13  # neighbours are nearly the same
_COVERED_A_PLACE = 4  # places of the style, at most, for each of the picture
_ROWS_AT_ONCE = 64  # of a grid
LARGE = 2**19
"""Places of a grid, as many as 8 megapixels have, beyond which half precision is searched."""


class MatchedTerm(LossTerm):
    """Searches for the place of the style that is most like each of the picture's.

    What the matches are for is a subclass's business: see `NearestNeighbourLoss`, which says what
    the arguments mean.
    """

    def __init__(
        self,
        weight: float,
        layers: Sequence[str],
        layer_weights: float | list[float] | None,
        grid: str | None,
        mix: float,
        every: int,
        coverage: float,
        per_layer: bool,
    ) -> None:
        super().__init__(weight, layers, layer_weights)
        self.grid = choice(self.named("grid"), grid or self.layers[:3][-1], self.layers)
        self.mix = number(self.named("mix"), mix, least=0, most=1)
        self.every = whole_number(self.named("every"), every, 1)
        self.coverage = number(self.named("coverage"), coverage, least=0)
        self.per_layer = per_layer
        # Height and width: of the grid that a layer's group is searched on, by the group's name,
        # and at which each layer is compared.
        self._searched: dict[str, torch.Size] = {}
        self._sizes: dict[str, torch.Size] = {}
        # Of a picture in tiles, where what the others keep would be too large: it is made anew.
        self._content: Mapping[str, Any] | None = None
        self._draw = 0
        self._first = True  # whether no picture was searched for yet
        self._followed: tuple[Tensor, Tensor] | None = None

    def at_strength(self, strength: float) -> None:
        """See the base class; beyond 0.5 less of the content is in what is searched for."""
        super().at_strength(strength)
        self.mix *= min(1.0, 2 - 2 * strength)

    def as_compared(self, rows: Tensor) -> Tensor:
        """Return places of the style, ``(P, C)``, as the picture's are compared with them."""
        return rows

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
        size = self._searched[name]
        for layer in self._groups[name]:
            seen, scale = features[layer], self.target(layer)[1]
            if self.per_layer:
                yield self._lay_out(seen, size) / scale
            elif isinstance(seen, Tensor):
                yield no_finer(seen, size) / scale
            else:
                height, width = size if is_finer(seen, size) else seen.shape[-2:]
                yield laid_together(seen, (height, width), scale, self._in_half)

    @property
    def _in_half(self) -> bool:
        """Whether a large picture in tiles is searched in bfloat16: some gigabytes less."""
        return self._content is not None and self._searched[self.grid].numel() > LARGE

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
            self.set_target(f"{name} matches", self._with_followed(name, matches.int()))
        self._lay_down_matches()

    def follow(self, matches: Tensor, mask: Tensor) -> None:
        """Keep to matches that places brought along from another frame of a film.

        Args:
            matches: The style's places ``(H, W)``, as `matches` gives them; where the grid that is
                searched has another size, they are not looked at.
            mask: Where they are kept to, ``(H, W)``; elsewhere the most similar is searched for.
        """
        self._followed = matches, mask

    def matches(self) -> Tensor | None:
        """Return each place's match on the grid, ``(H, W)``, None where layers have their own."""
        if self.per_layer or not self.has_target(f"{self.grid} matches"):
            return None
        found: Tensor = self.target(f"{self.grid} matches")
        return found.view(*self._searched[self.grid])

    def _with_followed(self, name: str, found: Tensor) -> Tensor:
        if self._followed is None or self.per_layer:
            return found
        matches, mask = (part.to(found.device) for part in self._followed)
        if matches.shape != self._searched[name]:
            return found
        return torch.where(mask.flatten(), matches.flatten().to(found), found)

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
            means, _ = averages(part.view(1, -1, *matches[rows].shape), tile, size)
            found.append(means.bfloat16() if self._in_half else means)
        return torch.cat(found, 2)

    def _match_of(self, layer: str, own: Tile) -> Tensor:
        """Return the matches of a tile's places, ``(1, C, h, w)``, as `distance` takes them."""
        if self.has_target(f"{layer} match"):
            laid: Tensor = self.target(f"{layer} match")
            return at_least_single(own.out_of(laid))
        matches: Tensor = self.target(f"{self.grid} matches").view(1, 1, *self._sizes[layer])
        rows = own.out_of(matches).long()
        return self._matched(layer, rows.flatten()).view(1, -1, *rows.shape[-2:])

    def _matched(self, layer: str, rows: Tensor) -> Tensor:
        """Return places of the style as `place_distance` takes them, ``(1, C, P)``."""
        matched: Tensor = self.target(layer)[0][rows]  # (P, C)
        return self.as_compared(matched).mT.unsqueeze(0)

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
